"""The feature dictionary: for every feature what it is and which columns it comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from ml_utils.features.options import Options
from ml_utils.features.origins import Origin

COLUMNS = ("feature", "source", "kind", "meaning", "formula", "type", "missing_rate", "importance")
_TYPES = {"category": "0 or 1", "missing": "0 or 1", "order": "whole number"}


def describe_features(
    origins: Sequence[Origin], engineer: Options, created: Collection[str], missing: Mapping[str, float]
) -> pd.DataFrame:
    """Describe each feature that an engineer gives.

    Parameters
    ----------
    origins : sequence of Origin
    engineer : Options
        They say what is done to numbers.
    created : collection of str
        The columns that were made from raw ones.
    missing : mapping of str to float
        Share of training rows in which a column is empty, created ones too.

    Returns
    -------
    DataFrame
        feature, source (raw columns, joined by " + "), kind, meaning, formula, type, missing_rate (of the
        column that it is made from; of several, the largest), importance (NaN until one is known).
    """
    rows = []
    for origin in origins:
        meaning, formula = _explain(origin, engineer, created)
        columns = (origin.column,) if origin.column in missing else origin.sources
        rate = max((missing[name] for name in columns), default=0.0)
        kind = _TYPES.get(origin.kind, "number")
        rows.append((origin.feature, origin.source, origin.kind, meaning, formula, kind, rate, float("nan")))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _explain(origin: Origin, engineer: Options, created: Collection[str]) -> tuple[str, str]:
    column, detail = origin.column, origin.detail
    if origin.kind == "missing":
        return f"{column} was missing", f"1 where {column} is missing, else 0"
    if origin.kind == "category":
        return f"{column} is {detail}", f"1 where {column} is {detail}, else 0"
    if origin.kind == "number":
        return f"{column} as it came", _steps(engineer)
    if origin.kind == "target mean":
        of = f"share of {detail}" if detail else "mean target"
        runs = f"how frequent {detail} is" if detail else "how the target runs"
        return f"{runs} for this {column}", f"{of} by {column}, smoothed, cross-fitted"
    if origin.kind == "order":
        return f"place of {column} in its order", f"0, 1, … for {detail}; −1 where missing or not seen"
    if origin.kind == "frequency":
        return f"how frequent this {column} is", f"share of training rows with this {column}"
    if origin.kind == "hash":
        return f"{column}, hash {detail}", f"+1 or −1 where the hash of {column} falls on {detail}"
    return origin.meaning, f"{origin.formula}, {_steps(engineer)}" if column in created else origin.formula


def _steps(engineer: Options) -> str:
    words = {
        "knn": "mean of the 5 nearest rows where missing",
        "iterative": "told from the other numbers where missing",
        "most_frequent": "most frequent value where missing",
        "constant": "0 where missing",
    }
    steps = [words.get(engineer.imputation, f"{engineer.imputation} where missing")]
    if engineer.outliers == "iqr":
        steps.insert(0, "held within 1.5 interquartile ranges of the quartiles")
    elif engineer.outliers == "winsor":
        steps.insert(0, "held between the values at 1 % and 99 %")
    elif engineer.outliers is not None:
        steps.insert(0, f"held within {engineer.outliers:g} interquartile ranges of the quartiles")
    if engineer.scaling != "none":
        steps.append(f"{engineer.scaling} scaling")
    return ", ".join(steps)
