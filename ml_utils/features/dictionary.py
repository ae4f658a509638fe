"""The feature dictionary: for every feature what it is and which column it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.features.cleaning import DateParts

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

    from ml_utils.features.engineer import FeatureEngineer

_BETWEEN = "\x1f"  # stands between a column and its category until the feature gets its name
_RARE = "infrequent_sklearn"
# LightGBM and XGBoost refuse these in a feature's name.
_REFUSED = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", "<": "‹", ">": "›", '"': "'", ":": ";", ",": ";"}
)


@dataclass(frozen=True)
class Origin:
    """A feature's name, the column that it comes from, and what was made of it.

    `kind` is number, missing, category, target mean or date; `detail` the category or the date's part.
    """

    feature: str
    source: str
    kind: str
    detail: str = ""


def category_name(column: str, category: object) -> str:
    """Join a column and one of its categories so that they can be told apart again."""
    return f"{column}{_BETWEEN}{category}"


def trace_features(columns: ColumnTransformer, roles: Mapping[str, list[str]]) -> list[Origin]:
    """Tell for each output of a fitted ColumnTransformer which column it comes from.

    Parameters
    ----------
    columns : ColumnTransformer
        With transformers named after the roles.
    roles : mapping of str to list of str

    Returns
    -------
    list of Origin
        In the order of the outputs, names unique.
    """
    names = columns.get_feature_names_out()
    found: list[Origin] = []
    for role, _, members in columns.transformers_:
        if role not in roles:
            continue
        raw = [str(name).removeprefix(f"{role}__") for name in names[columns.output_indices_[role]]]
        found += (
            _numbers(columns, members, raw) if role == "numeric" else [_one(role, n, members) for n in raw]
        )
    return _unique(found)


def _numbers(columns: ColumnTransformer, members: list[str], raw: list[str]) -> list[Origin]:
    marks = columns.named_transformers_["numeric"]["impute"].indicator_.features_
    values = raw[: len(raw) - len(marks)]
    missing = [members[int(i)] for i in marks]
    return [
        *(Origin(name, name, "number") for name in values),
        *(Origin(f"{name}_missing", name, "missing") for name in missing),
    ]


def _one(role: str, raw: str, members: list[str]) -> Origin:
    if role == "category":
        source, _, value = raw.partition(_BETWEEN)
        value = "(rare)" if value == _RARE else value
        return Origin(f"{source}={value}", source, "category", value)
    if role == "target":
        return Origin(raw, raw, "target mean")
    parts = {f"{name}_{part}": (name, part) for name in members for part in DateParts.PARTS}
    source, part = parts[raw]
    return Origin(raw, source, "date", part.replace("_", " "))


def _unique(origins: list[Origin]) -> list[Origin]:
    seen: dict[str, int] = {}
    found = []
    for origin in origins:
        name = origin.feature.translate(_REFUSED)
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        found.append(Origin(name, origin.source, origin.kind, origin.detail))
    return found


def describe_features(engineer: FeatureEngineer, table: pd.DataFrame) -> pd.DataFrame:
    """Describe each selected feature of a fitted engineer.

    Parameters
    ----------
    engineer : FeatureEngineer
        With origins and selection learnt.
    table : DataFrame
        The raw training rows.

    Returns
    -------
    DataFrame
        feature, source, kind, meaning, formula, missing_rate (share of training rows in which the source
        column is empty).
    """
    missing = table.isna().mean()
    selected = set(engineer.selected_)
    rows = [
        (
            origin.feature,
            origin.source,
            origin.kind,
            *_explain(origin, engineer),
            float(missing[origin.source]),
        )
        for origin in engineer.origins_
        if origin.feature in selected
    ]
    columns = ["feature", "source", "kind", "meaning", "formula", "missing_rate"]
    return pd.DataFrame(rows, columns=columns)


def _explain(origin: Origin, engineer: FeatureEngineer) -> tuple[str, str]:
    source, detail = origin.source, origin.detail
    if origin.kind == "number":
        steps = [f"{engineer.imputation} where missing"]
        if engineer.outliers is not None:
            steps.insert(0, f"held within {engineer.outliers:g} interquartile ranges of the quartiles")
        if engineer.scaling != "none":
            steps.append(f"{engineer.scaling} scaling")
        return f"{source} as it came", ", ".join(steps)
    if origin.kind == "missing":
        return f"{source} was missing", f"1 where {source} is missing, else 0"
    if origin.kind == "category":
        return f"{source} is {detail}", f"1 where {source} is {detail}, else 0"
    if origin.kind == "target mean":
        return f"how the target runs for this {source}", f"mean target by {source}, smoothed, cross-fitted"
    return f"{detail} of {source}", f"{detail}({source})"
