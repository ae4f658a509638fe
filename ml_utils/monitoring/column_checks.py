"""One column of the reference, remembered well enough to say later what became of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.monitoring import drift
from ml_utils.monitoring.cells import Cells, as_numbers, cut_categorical, cut_numeric

RANGE = (0.001, 0.999)  # quantiles of the reference; beyond them a value is out of range


@dataclass(frozen=True)
class ColumnReference:
    """What a column was on the reference.

    Parameters
    ----------
    name : str
    kind : {"numeric", "categorical", "score"}
        A score is a numeric column that the model itself makes.
    cells : Cells
    counts : ndarray of shape (n_cells,)
    values : ndarray
        Numbers in order, for the Kolmogorov–Smirnov test; empty for a categorical column.
    n_independent : int
        Customers among its rows.
    limits : tuple of float
        The values of the quantiles in RANGE.
    """

    name: str
    kind: str
    cells: Cells
    counts: np.ndarray
    values: np.ndarray
    n_independent: int
    limits: tuple[float, float]

    @classmethod
    def learn(
        cls, name: str, column: pd.Series, n_independent: int, kind: str | None = None
    ) -> ColumnReference:
        """Remember a column of the reference; its kind is told from its values where not given."""
        told = kind or kind_of(column)
        if told == "categorical":
            cells = cut_categorical(column)
            return cls(name, told, cells, cells.count(column), np.empty(0), n_independent, (np.nan, np.nan))
        values = as_numbers(column)
        present = np.sort(values[~np.isnan(values)])
        finite = present[np.isfinite(present)]
        low, high = np.quantile(finite, RANGE) if len(finite) else (-np.inf, np.inf)
        cells = cut_numeric(values)
        return cls(name, told, cells, cells.count(values), present, n_independent, (float(low), float(high)))

    def compare(self, column: pd.Series, n_independent: int, alpha: float) -> dict[str, object]:
        """Compare a period's values with the reference.

        Parameters
        ----------
        column : Series of shape (n_rows,)
        n_independent : int
            Customers among the period's rows.
        alpha : float
            Level at which the noise of the index is taken.

        Returns
        -------
        dict
            test, statistic, p_value, psi, js, noise (the index that chance alone exceeds with probability
            `alpha`), missing_reference, missing.
        """
        counts = self.cells.count(column)
        test, statistic, p_value = self._test(column, counts)
        occupied = int(((self.counts + counts) > 0).sum())
        return {
            "test": test,
            "statistic": statistic,
            "p_value": p_value,
            "psi": drift.psi(self.counts, counts),
            "js": drift.jensen_shannon(self.counts, counts),
            "noise": drift.psi_noise(1 - alpha, occupied, self.n_independent, n_independent),
            "missing_reference": _share(self.counts[-1], self.counts.sum()),
            "missing": _share(counts[-1], counts.sum()),
        }

    def _test(self, column: pd.Series, counts: np.ndarray) -> tuple[str, float, float]:
        if self.kind == "categorical":
            return "chi-square", *drift.chi_square(self.counts, counts, self.n_independent)
        statistic, p_value = drift.ks_test(self.values, as_numbers(column), self.n_independent)
        missing = self._missing_test(counts)
        if missing >= p_value:
            return "Kolmogorov–Smirnov", statistic, min(1.0, 2 * p_value)
        # two tests were looked at, so each is charged double (Bonferroni)
        return "chi-square of missing", _share(counts[-1], counts.sum()), min(1.0, 2 * missing)

    def _missing_test(self, counts: np.ndarray) -> float:
        now = np.array([counts[:-1].sum(), counts[-1]])
        before = np.array([self.counts[:-1].sum(), self.counts[-1]])
        return drift.chi_square(before, now, self.n_independent)[1]

    def faults(self, column: pd.Series) -> list[dict[str, object]]:
        """Measure what may be wrong with a period's values, beside how common that was on the reference.

        Returns
        -------
        list of dict
            fault ("missing", "unseen level" or "out of range"), reference and share (of rows), p_value of a
            chi-square test that the share is the same.
        """
        counts = self.cells.count(column)
        found = [("missing", int(self.counts[-1]), int(counts[-1]))]
        if self.kind == "categorical":
            found.append(("unseen level", 0, int(counts[-2])))
        else:
            found.append(("out of range", self._outside(self.values), self._outside(as_numbers(column))))
        n_before, n_now = int(self.counts.sum()), int(counts.sum())
        rows: list[dict[str, object]] = []
        for fault, before, now in found:
            table = np.array([n_before - before, before]), np.array([n_now - now, now])
            p_value = drift.chi_square(*table, self.n_independent)[1]
            row = {"fault": fault, "reference": _share(before, n_before), "share": _share(now, n_now)}
            rows.append({**row, "p_value": p_value})
        return rows

    def _outside(self, values: np.ndarray) -> int:
        return int(((values < self.limits[0]) | (values > self.limits[1])).sum())


def kind_of(column: pd.Series) -> str:
    """Tell whether a column is compared as numbers, as levels, or not at all ("time").

    A date moves on by itself, so that comparing it would say that time has passed.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time"
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return "numeric" if numeric else "categorical"


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
