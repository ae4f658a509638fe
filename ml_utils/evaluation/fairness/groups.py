"""Who belongs to which group: categories in one spelling, numbers in bands, pairs of attributes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, list_known

SMALL_ROWS = 50  # below, a group's rates are too uncertain to hold a model to
SMALL_CLASS = 10  # rows of either outcome below which a TPR or FPR says little
MISSING = "(missing)"
CROSS = " × "  # between two attributes, and between the groups of an intersection


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

    if values.isna().all():
        return pd.Series(MISSING, index=values.index, dtype="str", name=values.name)
    if is_banded(values):
        return _bands(values, bands)
    column = values.to_frame("value")
    clean = CategoryCleaner().fit(column).transform(column)["value"]
    return clean.astype("str").where(values.notna(), MISSING).rename(values.name)


def is_banded(values: pd.Series) -> bool:
    """Return whether an attribute is a number that is cut into bands."""
    return bool(pd.api.types.is_numeric_dtype(values) and values.nunique() > 10)


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


def ordered_groups(labels: pd.Series, values: pd.Series) -> list[str]:
    """Bands in the order of their numbers, categories by size; what is missing last."""
    if is_banded(values):
        names = values.groupby(labels).median().sort_values(na_position="last").index
    else:
        names = labels.value_counts().index
    found = [str(name) for name in names if name != MISSING]
    return [*found, MISSING] if (labels == MISSING).any() else found


def each_group(sensitive: pd.DataFrame) -> Iterator[tuple[dict[str, object], npt.NDArray[np.bool_]]]:
    """Go through every attribute's groups: what each is called, and its rows."""
    for name in sensitive.columns:
        labels = group_labels(sensitive[name])
        for group in ordered_groups(labels, sensitive[name]):
            yield {"attribute": name, "group": group}, (labels == group).to_numpy()


def intersections(sensitive: pd.DataFrame, minimum_rows: int = SMALL_ROWS) -> pd.DataFrame:
    """Cross every two attributes: one column a pair, named "gender × age".

    Parameters
    ----------
    sensitive : DataFrame of shape (n_rows, n_attributes)
    minimum_rows : int
        Groups with fewer rows, and rows where either attribute is missing, are left out (missing).

    Returns
    -------
    DataFrame of shape (n_rows, n_pairs), str with missing values; pairs with fewer than two such groups are
    left out.

    Examples
    --------
    >>> people = pd.DataFrame({"sex": ["f", "f", "m", "m"], "old": ["y", "y", "y", "n"]})
    >>> intersections(people, minimum_rows=1)["sex × old"].tolist()
    ['f × y', 'f × y', 'm × y', 'm × n']
    """
    labels = {str(name): group_labels(sensitive[name]) for name in sensitive.columns}
    found = {}
    for first, second in combinations(labels, 2):
        a, b = labels[first], labels[second]
        crossed = (a + CROSS + b).where((a != MISSING) & (b != MISSING))
        large = crossed.map(crossed.value_counts()) >= minimum_rows
        crossed = crossed.where(large.fillna(False).astype(bool))
        if len(crossed.dropna().unique()) > 1:
            found[f"{first}{CROSS}{second}"] = crossed
    return pd.DataFrame(found, index=sensitive.index)
