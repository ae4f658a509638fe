"""A category column as it is remembered: its spellings, their frequency, and what a value becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_utils.features.cleaning import usual_spelling
from ml_utils.features.values import Coded
from ml_utils.words import MISSING, normal_form


@dataclass(frozen=True)
class Categories:
    """The categories of one column, in the order of the alphabet.

    Parameters
    ----------
    values : tuple of str
        The usual spelling of each; "(missing)" is one of them where values were missing.
    counts : ndarray of shape (n_values,)
        Training rows.
    places : dict of str to int
        The normal form of each spelling, and its place in `values`.
    """

    values: tuple[str, ...]
    counts: np.ndarray
    places: dict[str, int]

    def find(self, column: Coded) -> np.ndarray:
        """Return the place of each distinct value, then that of missing; −1 where it was not seen."""
        places = self.places
        found = [places.get(normal_form(value), -1) for value in column.distinct]
        return np.array([*found, places.get(MISSING, -1)])


def learn_categories(column: Coded) -> tuple[Categories, np.ndarray]:
    """Learn a column's categories from its training rows.

    Returns
    -------
    categories : Categories
    places : ndarray of shape (n_rows,), int
        The category of each row.
    """
    spelling = usual_spelling(column)
    missing = bool((column.codes < 0).any())
    if missing:
        spelling.setdefault(MISSING, MISSING)
    values = tuple(sorted(set(spelling.values())))
    order = {value: i for i, value in enumerate(values)}
    places = {form: order[value] for form, value in spelling.items()}
    found = Categories(values, np.zeros(0, dtype=int), places)
    rows = found.find(column).astype(np.min_scalar_type(-len(values) - 1))[column.codes]
    counts = np.bincount(rows, minlength=len(values))
    return Categories(values, counts, places), rows


@dataclass(frozen=True)
class Slots:
    """One column for each category, or several rare ones: 1 where a row has it.

    `slot` has the output column of each category, and last of one that was not seen; −1 for none.
    """

    slot: np.ndarray
    width: int

    def write(self, column: Coded, places: np.ndarray, out: np.ndarray) -> None:
        """Write the outputs of a column whose distinct values, and missing, stand at `places`."""
        chosen = self.slot[places].astype(np.min_scalar_type(-self.width - 1))[column.codes]
        for i in range(self.width):
            np.equal(chosen, i, out=out[i])


@dataclass(frozen=True)
class Lookup:
    """Numbers for each category.

    `table` has a column for each category, and last one for what was not seen; a row for each output.
    """

    table: np.ndarray

    @property
    def width(self) -> int:
        """How many outputs there are."""
        return len(self.table)

    def write(self, column: Coded, places: np.ndarray, out: np.ndarray) -> None:
        """Write the outputs of a column whose distinct values, and missing, stand at `places`."""
        for values, row in zip(self.of(column, places), out, strict=True):
            np.take(values, column.codes, out=row, mode="wrap")  # code −1, missing, is the last

    def of(self, column: Coded, places: np.ndarray) -> np.ndarray:
        """Return the outputs of each distinct value, (width, n_distinct + 1)."""
        return self.table[:, places]
