"""Whom a model serves how well: figures by group of the sensitive attributes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, list_known
from ml_utils.evaluation.curves import wilson
from ml_utils.evaluation.metrics import Array, Counts

SMALL_ROWS = 50  # below, a group's rates are too uncertain to hold a model to
SMALL_CLASS = 10  # rows of either outcome below which a TPR or FPR says little
MISSING = "(missing)"


def sensitive_columns(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame | None:
    """Take the sensitive attributes out of a table; None where the problem names none.

    Raises
    ------
    DataError
        If an attribute is not a column of the table.
    """
    for name in names:
        if name not in frame.columns:
            raise DataError(
                f"The sensitive attribute {name!r} is no column. {list_known(name, frame.columns)}"
            )
    return frame[names] if names else None


def group_labels(values: pd.Series, bands: int = 4) -> pd.Series:
    """Name each row's group: its category in one spelling, or its band of a number.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        A number with more than ten different values is cut at round values near its quantiles.
    bands : int
        Bands of a number.

    Returns
    -------
    Series of str, indexed like `values`; missing values are a group of their own.

    Examples
    --------
    >>> group_labels(pd.Series(["Male", "male ", None])).tolist()
    ['Male', 'Male', '(missing)']
    >>> group_labels(pd.Series(range(100)), bands=2).unique().tolist()
    ['under 50', '50 and over']
    """
    from ml_utils.features.cleaning import CategoryCleaner

    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
        return _bands(values, bands)
    column = values.to_frame("value")
    clean = CategoryCleaner().fit(column).transform(column)["value"]
    return clean.astype("str").where(values.notna(), MISSING).rename(values.name)


def _bands(values: pd.Series, bands: int) -> pd.Series:
    numbers = values.astype(float)
    cuts = np.quantile(numbers.dropna(), np.linspace(0, 1, bands + 1)[1:-1])
    spread = float(np.ptp(cuts)) or float(abs(cuts[0])) or 1.0
    step = 10.0 ** np.floor(np.log10(spread)) / 2
    edges = np.unique(np.round(cuts / step) * step)
    text = [f"{edge:g}" for edge in edges]
    labels = [f"under {text[0]}"]
    labels += [f"{low} to below {high}" for low, high in pairwise(text)]
    labels.append(f"{text[-1]} and over")
    index = np.searchsorted(edges, numbers.to_numpy(), side="right")
    named = pd.Series(np.array(labels, dtype=object)[index], index=values.index, dtype="str")
    return named.where(numbers.notna(), MISSING).rename(values.name)


def _order(labels: pd.Series, values: pd.Series) -> list[str]:
    """Bands in the order of their numbers, categories by size; what is missing last."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
        names = values.groupby(labels).median().sort_values(na_position="last").index
    else:
        names = labels.value_counts().index
    found = [str(name) for name in names if name != MISSING]
    return [*found, MISSING] if (labels == MISSING).any() else found


def binary_groups(y: Array, score: Array, threshold: float, sensitive: pd.DataFrame) -> pd.DataFrame:
    """Compute figures by group of a binary model's decisions.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
    sensitive : DataFrame of shape (n_rows, n_attributes)

    Returns
    -------
    DataFrame
        attribute, group, rows, positives, rate (observed), mean_score, selection_rate with selection_lower
        and selection_upper, tpr with tpr_lower and tpr_upper, fpr, precision, small. NaN where not defined.
    """
    acted = score >= threshold
    rows = []
    for name in sensitive.columns:
        labels = group_labels(sensitive[name])
        for group in _order(labels, sensitive[name]):
            keep = (labels == group).to_numpy()
            counts = Counts.of(y[keep], acted[keep])
            rates = counts.rates()
            n, hits = int(keep.sum()), int(y[keep].sum())
            rows.append(
                {
                    "attribute": name,
                    "group": group,
                    "rows": n,
                    "positives": hits,
                    "rate": hits / n,
                    "mean_score": float(score[keep].mean()),
                    "selected": int(acted[keep].sum()),
                    "selection_rate": float(acted[keep].mean()),
                    "found": int(counts.tp),
                    "tpr": float(rates["recall"]),
                    "fpr": 1 - float(rates["specificity"]),
                    "precision": float(rates["precision"]),
                    "small": n < SMALL_ROWS,
                }
            )
    table = pd.DataFrame(rows)
    table["selection_lower"], table["selection_upper"] = wilson(table.pop("selected"), table["rows"])
    table["tpr_lower"], table["tpr_upper"] = wilson(table.pop("found"), table["positives"])
    return table


def regression_groups(y: Array, predicted: Array, sensitive: pd.DataFrame) -> pd.DataFrame:
    """Compute figures by group of a regression.

    Returns
    -------
    DataFrame
        attribute, group, rows, mean (observed), mean_predicted, bias (predicted less observed) with its 95 %
        interval (lower, upper), mae, small.
    """
    from scipy.special import ndtri

    error = predicted - y
    rows = []
    for name in sensitive.columns:
        labels = group_labels(sensitive[name])
        for group in _order(labels, sensitive[name]):
            keep = (labels == group).to_numpy()
            n, bias = int(keep.sum()), float(error[keep].mean())
            half = float(ndtri(0.975) * error[keep].std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
            rows.append(
                {
                    "attribute": name,
                    "group": group,
                    "rows": n,
                    "mean": float(y[keep].mean()),
                    "mean_predicted": float(predicted[keep].mean()),
                    "bias": bias,
                    "lower": bias - half,
                    "upper": bias + half,
                    "mae": float(np.abs(error[keep]).mean()),
                    "small": n < SMALL_ROWS,
                }
            )
    return pd.DataFrame(rows)


def binary_fairness(groups: pd.DataFrame) -> pd.DataFrame:
    """Sum the groups up in one row an attribute, small groups left aside.

    Returns
    -------
    DataFrame
        attribute, groups (compared), disparate_impact (lowest over highest selection rate), least_selected,
        most_selected, equal_opportunity (largest difference in TPR), equalised_odds (the larger of the
        differences in TPR and FPR). NaN where fewer than two groups can be compared;
        rates of positives or negatives are compared between groups with ten or more of each.

    Notes
    -----
    Disparate impact below 0.8 is what the four-fifths rule flags (US EEOC 1978); equal opportunity and
    equalised odds after Hardt, Price & Srebro (2016).
    """
    rows = []
    for name, table in groups.groupby("attribute", sort=False):
        large = table[~table["small"] & (table["group"] != MISSING)]
        judged = large[large[["positives", "rows"]].pipe(_enough_of_both)]
        row = {"attribute": name, "groups": len(large), **dict.fromkeys(_FAIRNESS, np.nan)}
        if len(large) > 1:
            low, high = large["selection_rate"].min(), large["selection_rate"].max()
            row["disparate_impact"] = low / high if high > 0 else np.nan
            row["least_selected"] = large.loc[large["selection_rate"].idxmin(), "group"]
            row["most_selected"] = large.loc[large["selection_rate"].idxmax(), "group"]
        if len(judged) > 1:
            tpr, fpr = (float(np.ptp(judged[key])) for key in ("tpr", "fpr"))
            row["equal_opportunity"], row["equalised_odds"] = tpr, max(tpr, fpr)
        rows.append(row)
    return pd.DataFrame(rows)


def _enough_of_both(table: pd.DataFrame) -> pd.Series:
    return (
        pd.concat([table["positives"], table["rows"] - table["positives"]], axis=1).min(axis=1) >= SMALL_CLASS
    )


_FAIRNESS = ("disparate_impact", "least_selected", "most_selected", "equal_opportunity", "equalised_odds")


def regression_fairness(groups: pd.DataFrame) -> pd.DataFrame:
    """Sum the groups of a regression up in one row an attribute, small groups left aside.

    Returns
    -------
    DataFrame
        attribute, groups (compared), bias_difference (largest less lowest bias), mae_ratio (lowest over
        highest mean absolute error). NaN where fewer than two groups can be compared.
    """
    rows = []
    for name, table in groups.groupby("attribute", sort=False):
        large = table[~table["small"] & (table["group"] != MISSING)]
        some = len(large) > 1
        rows.append(
            {
                "attribute": name,
                "groups": len(large),
                "bias_difference": float(np.ptp(large["bias"])) if some else np.nan,
                "mae_ratio": large["mae"].min() / large["mae"].max() if some else np.nan,
            }
        )
    return pd.DataFrame(rows)
