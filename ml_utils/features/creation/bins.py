"""Numbers in bins, as categories with labels that can be read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.features.creation.base import Creator, named_or_all, numbers, unique_names
from ml_utils.features.creation.created import Created

STRATEGIES = ("quantile", "uniform", "kmeans")
HUGE = 1e100


class Bins(Creator):
    """Each number's bin, as text like "12 to below 40"; missing stays missing.

    Parameters
    ----------
    columns : sequence of str, optional
        All columns unless given; those of `edges` need not be listed.
    n_bins : int
        Fewer come out where many rows share a value.
    strategy : {"quantile", "uniform", "kmeans"}
        Bins of equally many rows, of equal width, or around centres (scikit-learn's KBinsDiscretizer, on
        200,000 rows at most).
    edges : mapping of str to sequence of float, optional
        Column to the inner edges of its bins, in the place of learnt ones.
    seed : int

    Attributes
    ----------
    edges_ : dict of str to ndarray
        The inner edges; a value on an edge belongs to the bin above it.
    labels_ : dict of str to list of str

    Examples
    --------
    >>> X = pd.DataFrame({"age": [17.0, 18.0, 70.0, None]})
    >>> Bins([], edges={"age": [18, 65]}).fit_transform(X)["age_bin"].tolist()
    ['below 18', '18 to below 65', '65 and above', nan]
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        n_bins: int = 5,
        strategy: str = "quantile",
        edges: Mapping[str, Sequence[float]] | None = None,
        seed: int = 42,
    ) -> None:
        self.columns = columns
        self.n_bins = n_bins
        self.strategy = strategy
        self.edges = edges
        self.seed = seed

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if self.strategy not in STRATEGIES:
            raise ParameterError(
                f"strategy is {self.strategy!r}. {list_known(str(self.strategy), STRATEGIES)}"
            )
        if self.n_bins < 2:
            raise ParameterError(f"n_bins is {self.n_bins}; it must be 2 or more.")
        given = dict(self.edges or {})
        wanted = [] if self.columns is None and given else named_or_all(self.columns, table, "columns")
        self.edges_: dict[str, np.ndarray] = {}
        for name in dict.fromkeys([*wanted, *given]):
            values = self._training_numbers(table, name)
            self.edges_[name] = _given(name, given[name]) if name in given else self._edges(name, values)
        self.labels_ = {name: bin_labels(edges) for name, edges in self.edges_.items()}
        names = unique_names([f"{name}_bin" for name in self.edges_], table.columns)
        self.created_ = [
            Created(new, (name,), "bin", f"which of {len(labels)} ranges {name} falls in", "; ".join(labels))
            for new, (name, labels) in zip(names, self.labels_.items(), strict=True)
        ]

    def _edges(self, name: str, values: np.ndarray) -> np.ndarray:
        from sklearn.preprocessing import KBinsDiscretizer

        known = values[~np.isnan(values)]
        distinct = len(np.unique(known))
        if distinct < 2:
            what = "is constant" if distinct else "has no value"
            raise DataError(f"{name!r} {what} in the training rows; there is nothing to bin. Take it out.")
        if distinct < self.n_bins:
            raise DataError(
                f"{name!r} has {distinct} different values, fewer than the {self.n_bins} bins asked for. Set "
                f"n_bins to {distinct} or fewer, or use the column as a category."
            )
        binner = KBinsDiscretizer(
            self.n_bins,
            encode="ordinal",
            strategy=self.strategy,
            quantile_method="averaged_inverted_cdf",
            random_state=self.seed,
        )
        # squares of huge numbers would overflow; a power of two changes no digit
        scale = 2.0 ** np.floor(np.log2(np.abs(known).max())) if np.abs(known).max() > HUGE else 1.0
        with warnings.catch_warnings():  # bins without width are dropped, as documented above
            warnings.filterwarnings("ignore", message="Bins whose width are too small")
            warnings.filterwarnings("ignore", message="Number of distinct clusters")
            binner.fit((known / scale).reshape(-1, 1))
        return np.asarray(binner.bin_edges_[0][1:-1], dtype=float) * scale

    def _create(self, table: pd.DataFrame) -> list[Any]:
        found = []
        for name, edges in self.edges_.items():
            values = numbers(table[name])
            places = np.searchsorted(edges, values, side="right")
            labels = pd.array([*self.labels_[name], None], dtype="str")
            found.append(labels[np.where(np.isnan(values), len(edges) + 1, places)])
        return found


def bin_labels(edges: np.ndarray) -> list[str]:
    """Name the bins between inner edges, with as few digits as tell the edges apart.

    >>> bin_labels(np.array([0.5, 12.0]))
    ['below 0.5', '0.5 to below 12', '12 and above']
    """
    if len(edges) == 0:
        return ["any"]
    digits = next((n for n in range(4, 18) if len({f"{edge:.{n}g}" for edge in edges}) == len(edges)), 17)
    texts = [_plain(edge, digits) for edge in edges]
    between = [f"{low} to below {high}" for low, high in pairwise(texts)]
    return [f"below {texts[0]}", *between, f"{texts[-1]} and above"]


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e15 and value == round(value) else text


def _given(name: str, edges: Sequence[float]) -> np.ndarray:
    values = np.asarray(edges, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise ParameterError(f"edges.{name} is {edges!r}; it must be rising numbers, like [18, 65].")
    return values
