"""Features summed back to the columns of the table, and what the sums say about each column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array
from ml_utils.wording import percent

SEVERAL = " + "  # between the names of a feature's source columns, in the feature dictionary
_CLEAR = 0.2  # rank correlation below which a number has no single direction
_ENOUGH = 5  # rows below which a category's mean says little


def ownership(engineer: object, features: tuple[str, ...], sources: tuple[str, ...]) -> Array:
    """Return the share of each feature that belongs to each source column.

    Parameters
    ----------
    engineer : FeatureEngineer or None
        Its `dictionary_` says where features come from; None where features are the columns themselves.
    features, sources : tuple of str

    Returns
    -------
    ndarray of shape (n_features, n_sources)
        A feature of several columns, like a ratio, belongs to each of them in equal parts; rows add up to 1.

    Raises
    ------
    DataError
        If a feature cannot be traced back to a column.
    """
    if engineer is None:
        origin = {name: name for name in features}
    else:
        dictionary = engineer.dictionary_  # type: ignore[attr-defined]
        origin = dict(zip(dictionary["feature"], dictionary["source"], strict=True))
    place = {name: i for i, name in enumerate(sources)}
    shares = np.zeros((len(features), len(sources)))
    for i, feature in enumerate(features):
        owners = [place.get(name) for name in str(origin.get(feature, "")).split(SEVERAL)]
        known = [owner for owner in owners if owner is not None]
        if not known:
            raise DataError(
                f"The feature {feature!r} cannot be traced to a column; the feature dictionary says it comes "
                f"from {origin.get(feature)!r}. Fit the model again with this version's FeatureEngineer."
            )
        shares[i, known] = 1 / len(known)
    return shares


def importance_table(values: Array, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each column adds on average and in which direction, the most important first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_sources)
    rows : DataFrame of shape (n_rows, n_sources)

    Returns
    -------
    DataFrame
        source, mean_abs, share, direction, effect.
    """
    mean_abs = np.abs(values).mean(axis=0)
    total = mean_abs.sum()
    told = [_direction(rows.iloc[:, i], values[:, i]) for i in range(values.shape[1])]
    table = pd.DataFrame(
        {
            "source": list(rows.columns),
            "mean_abs": mean_abs,
            "share": mean_abs / total if total > 0 else 0.0,
            "direction": [direction for direction, _ in told],
            "effect": [effect for _, effect in told],
        }
    )
    return table.sort_values("mean_abs", ascending=False, kind="stable", ignore_index=True)


def _direction(column: pd.Series, contribution: Array) -> tuple[int, str]:
    if not np.any(contribution):
        return 0, "not used"
    known = column.notna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        return _number_direction(column[known].astype("int64").to_numpy(float), contribution[known])
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)[known]
        return _number_direction(values, contribution[known])
    means = category_effects(column, contribution)
    if len(means) < 2:
        return 0, "one value only"
    return 0, f"raised by {means.index[0]}, lowered by {means.index[-1]}"


def _number_direction(values: Array, contribution: Array) -> tuple[int, str]:
    ranks = pd.DataFrame({"x": values, "y": contribution}).rank()
    spread = ranks.std()
    if len(ranks) < 3 or not (spread > 0).all():
        return 0, "no single direction"
    rho = float(np.corrcoef(ranks["x"], ranks["y"])[0, 1])
    if abs(rho) < _CLEAR:
        return 0, "no single direction"
    return (1, "higher raises") if rho > 0 else (-1, "higher lowers")


def share_text(share: float) -> str:
    """Format a share for a narrow column: its sign stays on the line."""
    return percent(share).replace(" ", "\u00a0")


def category_effects(column: pd.Series, contribution: Array) -> pd.Series:
    """Return the mean contribution of each category of a column, the highest first.

    Spellings of one category are brought together; categories with fewer than five rows are left out where
    others have more.
    """
    from ml_utils.evaluation.fairness import group_labels

    labels = group_labels(column)
    table = pd.Series(contribution, index=column.index).groupby(labels).agg(["mean", "size"])
    enough = table[table["size"] >= _ENOUGH]
    means = (enough if len(enough) else table)["mean"]
    return means.sort_values(ascending=False)
