"""Rows of one split that stand, exactly or nearly, among the training rows too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_utils.quality.enforcement import prepare
from ml_utils.quality.ranges import find_bounds
from ml_utils.quality.rules import ColumnRule, Rules

THRESHOLD = 0.01  # standard deviations by which every number of two near rows may differ
MAX_ROWS = 5_000  # rows of a split whose nearest neighbours are looked for
MAX_TRAIN = 100_000  # training rows that they are looked for among
SURE = 4.0  # standard errors above what chance explains
LEAST = 5  # rows
NAMES = (
    *("split", "rows", "exact", "exact_share", "expected_share", "looked_at", "near", "near_share"),
    *("near_expected_share", "suspicious"),
)


def repeats_across(
    splits: Mapping[str, pd.DataFrame], rules: Rules, features: list[str], seed: int = 42
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Count the rows of each split that stand among the training rows too.

    Rows are compared by their features only: ids, times and the target are left out, spellings brought
    together. Where rows repeat by nature (few columns, few values) some are expected: the share of training
    rows that have a twin among the other training rows, which is what a split drawn from the same rows
    would have. Near twins agree in every category, and in every number to 0.01 standard deviations; they
    are looked for on a sample (5,000 rows of the split, 100,000 of training), scaled by the same measure.

    Parameters
    ----------
    splits : mapping of str to DataFrame
        With "train".
    rules : Rules
        Of the training rows.
    features : list of str
    seed : int
        For the samples.

    Returns
    -------
    repeats : DataFrame
        split, rows, exact, exact_share, expected_share, looked_at, near (exact ones not counted), near_share,
        near_expected_share, suspicious (more than four standard errors and five rows above the expected).
    marks : dict of str to ndarray of bool
        Split to its rows that are exactly a training row.
    """
    columns = {name: rules.columns[name] for name in features if name in rules.columns}
    scales = _scales(splits["train"], columns)
    coded = _code(splits, columns, scales)
    rng = np.random.default_rng(seed)
    hashes = {name: _hash(values) for name, values in coded.items()}
    train = hashes["train"]
    seen, counts = np.unique(train, return_counts=True)
    expected = float((counts[np.searchsorted(seen, train)] > 1).mean()) if len(train) else 0.0
    look = _Neighbours(coded["train"], train, rng)
    rows, marks = [], {}
    for name, values in coded.items():
        if name == "train" or len(values) == 0:
            continue
        exact = np.isin(hashes[name], seen)
        marks[name] = exact
        near, looked_at = look.near(values[~exact], rng)
        near_share = near / looked_at if looked_at else 0.0
        unseen = float((~exact).mean())
        more = _more(int(exact.sum()), len(values), expected, len(train))
        more |= _more(near, looked_at, look.expected, look.looked_at)
        share = float(exact.mean())
        found = (len(values), int(exact.sum()), share, expected, looked_at, near, near_share * unseen)
        rows.append((name, *found, look.expected, more))
    return pd.DataFrame(rows, columns=list(NAMES)), marks


def _more(k: int, n: int, expected: float, n_expected: int) -> bool:
    """Tell whether k of n is more than a share that was itself counted on n_expected rows allows."""
    if n == 0 or n_expected == 0:
        return False
    pooled = (k + expected * n_expected) / (n + n_expected)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_expected)))
    return k - expected * n >= LEAST and k / n - expected > SURE * error


def _scales(train: pd.DataFrame, columns: Mapping[str, ColumnRule]) -> dict[str, float]:
    """Return the standard deviation of each number's plausible values, and of dates in days."""
    scales = {}
    for name, series in prepare(train, columns).clean.items():
        if columns[str(name)].type not in ("number", "whole number", "date"):
            continue
        values = _plain(series)
        bounds = find_bounds(values)
        if bounds is None:
            continue
        kept = values[(values >= bounds.seen_low) & (values <= bounds.seen_high)]
        scales[str(name)] = float(kept.std()) or 1.0
    return scales


def _plain(series: pd.Series) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(series):
        days = (series - pd.Timestamp(0)).dt.total_seconds() / 86400
        return days.to_numpy(float, na_value=np.nan)
    return series.to_numpy(float)


def _code(
    splits: Mapping[str, pd.DataFrame], columns: Mapping[str, ColumnRule], scales: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Return rows as numbers: standardised, categories as whole numbers, missing far away."""
    sizes = np.cumsum([0, *(len(split) for split in splits.values())])
    clean = [prepare(split, columns).clean for split in splits.values()]
    whole = np.empty((sizes[-1], len(columns)))
    for i, name in enumerate(columns):
        parts = [part[name] if name in part else pd.Series(np.nan, part.index) for part in clean]
        if name in scales:
            values = np.concatenate([_plain(part) for part in parts]) / scales[name]
            whole[:, i] = np.where(np.isnan(values), -1e6, values)
        else:
            whole[:, i] = pd.factorize(pd.concat(parts, ignore_index=True))[0]
    return {name: whole[sizes[i] : sizes[i + 1]] for i, name in enumerate(splits)}


def _hash(values: np.ndarray) -> np.ndarray:
    """Hash rows to 64 bits each; two different rows of a million share one with chance 3e-8."""
    mixed = np.full(len(values), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for i in range(values.shape[1]):
        bits = (np.ascontiguousarray(values[:, i]) + 0.0).view(np.uint64)
        mixed = (mixed ^ (bits ^ (bits >> np.uint64(33)))) * np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(32)
    return mixed


class _Neighbours:
    """Training rows that near twins are looked for among, and how many they have among themselves."""

    def __init__(self, train: np.ndarray, hashes: np.ndarray, rng: np.random.Generator) -> None:
        from scipy.spatial import cKDTree

        distinct = np.sort(np.unique(hashes, return_index=True)[1])
        if len(distinct) > MAX_TRAIN:
            distinct = np.sort(rng.choice(distinct, MAX_TRAIN, replace=False))
        self.rows = train[distinct]
        self.tree = cKDTree(self.rows, leafsize=32, balanced_tree=False, compact_nodes=False)
        look = np.arange(len(distinct))
        if len(look) > MAX_ROWS:
            look = np.sort(rng.choice(look, MAX_ROWS, replace=False))
        self.looked_at = len(look)
        gap = self._nearest(self.rows[look], k=2)[:, -1]
        self.expected = float((gap <= THRESHOLD).mean()) if len(look) else 0.0

    def near(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
        """Count the rows that have a near twin, of how many looked at."""
        if len(rows) > MAX_ROWS:
            rows = rows[np.sort(rng.choice(len(rows), MAX_ROWS, replace=False))]
        if len(rows) == 0 or len(self.rows) == 0:
            return 0, 0
        return int((self._nearest(rows, k=1)[:, 0] <= THRESHOLD).sum()), len(rows)

    def _nearest(self, rows: np.ndarray, k: int) -> np.ndarray:
        distance, _ = self.tree.query(rows, k=k, p=np.inf, distance_upper_bound=THRESHOLD * 1.0001)
        return distance.reshape(len(rows), k)
