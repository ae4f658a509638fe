"""Blocks: one for each role of columns, which learns from them and writes their features.

A block writes into rows of one array of shape (n_features, n_rows) that is made once for all of them: each
feature is contiguous there, and nothing is copied afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features import encoding
from ml_utils.features.categories import Categories, Lookup, Slots, learn_categories
from ml_utils.features.creation.base import numbers
from ml_utils.features.creation.dates import DateFeatures
from ml_utils.features.creation.text import TextFeatures
from ml_utils.features.fences import Ordered
from ml_utils.features.origins import Origin, from_created
from ml_utils.features.target import Target, target_means
from ml_utils.features.values import FEW, Coded, coded, coded_values

_NUMBERS = (float, int, bool)
_LARGE = 2.0**63  # from here on a whole number is no int64
Writer = Callable[[np.ndarray], None]  # writes what it knows into (n_features of the block, n_rows)


class Source:
    """The columns of a table as blocks read them: a category column is told apart once only.

    A table of few rows is read at once, as plain values: looking at each column by itself would take longer
    than all the rest.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self._coded: dict[str, Coded] = {}
        self._plain: dict[str, list[Any]] = {}
        if len(table) <= FEW:
            values = table.to_numpy(dtype=object).T.tolist()
            self._plain = dict(zip(table.columns, values, strict=True))

    def __getitem__(self, name: str) -> pd.Series:
        return self.table[name]

    def __len__(self) -> int:
        return len(self.table)

    def coded(self, name: str) -> Coded:
        """Return a category column's values, told apart."""
        if name not in self._coded:
            found = coded_values(self._plain[name]) if self._plain else coded(self.table[name])
            self._coded[name] = found
        return self._coded[name]

    def numbers(self, name: str) -> Any:
        """Return a column as numbers; what is missing, infinite or none is not finite."""
        if self._plain:
            values = self._plain[name]
            if all(type(value) in _NUMBERS and not abs(value) >= _LARGE for value in values):
                return values
        return read_numbers(self.table[name])


def read_numbers(column: pd.Series) -> np.ndarray:
    """Read a column as numbers; what is missing, infinite or none is not finite."""
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind.kind in "fiu":
        return column.to_numpy()
    return numbers(column)


class Block(ABC):
    """The columns of one role: what was learnt of them, and the features that they become.

    Attributes
    ----------
    columns : list of str
    origins : list of Origin
        One for each feature, in order.
    """

    columns: list[str]
    origins: list[Origin]

    @abstractmethod
    def learn(self, source: Source, target: Target | None) -> Writer:
        """Learn from the training rows; return what writes their features."""

    @abstractmethod
    def write(self, source: Source, out: np.ndarray) -> None:
        """Write the features of any rows."""

    def scalable(self, affine: bool) -> int:
        """Tell how many of the features, from the first, are scaled; `affine` scalings take marks as well."""
        return len(self.origins)


class CategoryBlock(Block):
    """Categories: each column's own encoding, as slots (0 or 1) or looked up.

    Parameters
    ----------
    columns : sequence of str
    kind : {"onehot", "target", "ordinal", "frequency", "hashing"}
    orders : mapping of str to sequence, optional
        For ordinal.
    n_hashes : int
        For hashing.

    Attributes
    ----------
    known : dict of str to Categories
    encoded : dict of str to Slots or Lookup
    """

    def __init__(
        self,
        columns: Sequence[str],
        kind: str,
        orders: Mapping[str, Sequence[object]] | None = None,
        n_hashes: int = 16,
    ) -> None:
        self.columns = list(columns)
        self.kind = kind
        self.orders = dict(orders or {})
        self.n_hashes = n_hashes
        self.known: dict[str, Categories] = {}
        self.encoded: dict[str, Slots | Lookup] = {}
        self.origins = []

    def learn(self, source: Source, target: Target | None) -> Writer:
        """Learn categories and encodings."""
        given: dict[str, np.ndarray] = {}
        for name in self.columns:
            known, places = learn_categories(source.coded(name))
            self.known[name] = known
            if self.kind == "target":
                assert target is not None
                found: tuple[Any, list[Origin]]
                *found, given[name] = target_means(name, places, len(known.values), target)  # type: ignore[assignment]
                self.encoded[name], origins = found
            else:
                self.encoded[name], origins = self._encode(name, known)
            self.origins += origins
        return lambda out: self._write(source, out, given)

    def _encode(self, name: str, known: Categories) -> tuple[Slots | Lookup, list[Origin]]:
        if self.kind == "onehot":
            return encoding.one_hot(name, known)
        if self.kind == "ordinal":
            return encoding.ordinal(name, known, self.orders.get(name))
        if self.kind == "frequency":
            return encoding.frequency(name, known)
        return encoding.hashing(name, known, self.n_hashes)

    def write(self, source: Source, out: np.ndarray) -> None:
        """Write the encodings."""
        self._write(source, out, {})

    def _write(self, source: Source, out: np.ndarray, given: Mapping[str, np.ndarray]) -> None:
        start = 0
        for name in self.columns:
            encoded = self.encoded[name]
            rows = out[start : start + encoded.width]
            start += encoded.width
            if name in given:
                rows[:] = given[name]
            else:
                column = source.coded(name)
                encoded.write(column, self.known[name].find(column), rows)

    def scalable(self, affine: bool) -> int:
        """Scale all but slots and hashes."""
        return 0 if self.kind in ("onehot", "hashing") else len(self.origins)


class DateBlock(Block):
    """Dates: their parts, cycles and distances, the median of the training rows where one is missing.

    Attributes
    ----------
    features : DateFeatures
    fill : ndarray of shape (n_features,)
    """

    def __init__(
        self,
        columns: Sequence[str],
        parts: Sequence[str] | None,
        cycles: Sequence[str],
        since: str | Sequence[str] | None,
    ) -> None:
        self.columns = list(columns)
        options = {} if parts is None else {"parts": list(parts)}
        self.features = DateFeatures(self.columns, cycles=list(cycles), since=since, **options)
        self.origins = []

    def learn(self, source: Source, target: Target | None) -> Writer:
        """Learn the first dates, and what stands for a missing one."""
        self.features.fit(source.table)
        made = self._made(source)
        self.origins = [from_created(new) for new in self.features.created_]
        self.fill = np.array([_median(values) for values in made])
        return lambda out: self._fill(made, out)

    def write(self, source: Source, out: np.ndarray) -> None:
        """Write the parts."""
        self._fill(self._made(source), out)

    def _made(self, source: Source) -> list[np.ndarray]:
        return self.features._create(source.table)  # its columns, without the table around them

    def _fill(self, made: list[np.ndarray], out: np.ndarray) -> None:
        for values, fill, row in zip(made, self.fill, out, strict=True):
            row[:] = values
            row[np.isnan(row)] = fill


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return Ordered(known).median() if len(known) else 0.0


class TextBlock(Block):
    """Sentences: topics of each column.

    Attributes
    ----------
    features : TextFeatures
    """

    def __init__(self, columns: Sequence[str], n_topics: int, seed: int) -> None:
        self.columns = list(columns)
        self.features = TextFeatures(self.columns, n_topics, seed)
        self.origins = []

    def learn(self, source: Source, target: Target | None) -> Writer:
        """Learn words and topics."""
        self.features.fit(source.table)
        self.origins = [from_created(new) for new in self.features.created_]
        return lambda out: self.write(source, out)

    def write(self, source: Source, out: np.ndarray) -> None:
        """Write the topics."""
        if self.origins:
            out[:] = self.features.transform(source.table).to_numpy(dtype=float).T
