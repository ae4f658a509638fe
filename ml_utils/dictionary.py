"""The feature dictionary: for every feature what it is and which column it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.cleaning import DateParts

if TYPE_CHECKING:
    from ml_utils.features import FeatureEngineer


def describe_features(engineer: FeatureEngineer, table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Describe each selected feature of a fitted engineer.

    Parameters
    ----------
    engineer : FeatureEngineer
        With roles and selection learnt.
    table : DataFrame
        The raw training rows.
    features : DataFrame
        Their features, before selection.

    Returns
    -------
    DataFrame
        feature, source, kind, meaning, formula, missing_rate (share of training rows in which the source
        column is empty).
    """
    missing = table.isna().mean()
    rows = []
    for name in engineer.selected_:
        source, kind = _source(name, engineer)
        meaning, formula = _explain(name, source, kind, engineer)
        rows.append((name, source, kind, meaning, formula, float(missing[source])))
    columns = ["feature", "source", "kind", "meaning", "formula", "missing_rate"]
    return pd.DataFrame(rows, columns=columns)


def _source(name: str, engineer: FeatureEngineer) -> tuple[str, str]:
    roles = engineer.roles_
    if name in roles["numeric"]:
        return name, "number"
    if name in roles["target"]:
        return name, "target mean"
    stem = name.removesuffix("_missing")
    if stem != name and stem in roles["numeric"]:
        return stem, "missing"
    for column in sorted(roles["category"], key=len, reverse=True):
        if name.startswith(f"{column}="):
            return column, "category"
    for column in roles["date"]:
        if name.startswith(f"{column}_") and name.removeprefix(f"{column}_") in DateParts.PARTS:
            return column, "date"
    raise KeyError(name)


def _explain(name: str, source: str, kind: str, engineer: FeatureEngineer) -> tuple[str, str]:
    if kind == "number":
        steps = [f"{engineer.imputation} where missing"]
        if engineer.outliers is not None:
            steps.insert(0, f"held within {engineer.outliers:g} interquartile ranges of the quartiles")
        if engineer.scaling != "none":
            steps.append(f"{engineer.scaling} scaling")
        return f"{source} as it came", ", ".join(steps)
    if kind == "missing":
        return f"{source} was missing", f"1 where {source} is missing, else 0"
    if kind == "category":
        value = name.removeprefix(f"{source}=")
        return f"{source} is {value}", f"1 where {source} is {value}, else 0"
    if kind == "target mean":
        return f"how the target runs for this {source}", f"mean target by {source}, smoothed, cross-fitted"
    part = name.removeprefix(f"{source}_").replace("_", " ")
    return f"{part} of {source}", f"{part}({source})"
