"""What the slice finder found: where a model is wrong, how sure that is, and how to check it elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.failures.banding import BandedColumn
from ml_utils.evaluation.failures.measuring import BIASED, UNDERSTATED, measure
from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import check_scores, log_losses
from ml_utils.wording import count, figure, percent, times

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Condition:
    """Which levels of a column belong to a slice: those from `first` to `last`."""

    column: BandedColumn = field(repr=False)
    first: int
    last: int

    def __str__(self) -> str:
        return self.column.phrase(self.first, self.last)

    def holds(self, codes: npt.NDArray[np.int64]) -> Mask:
        """Tell for each row's level whether it is one of them."""
        return (codes >= self.first) & (codes <= self.last)


@dataclass(frozen=True)
class Slice:
    """A part of the rows where the model is wrong.

    Parameters
    ----------
    conditions : tuple of Condition
        One or two.
    kind : str
        In which way it is wrong, in words.
    figures : mapping of str to float
        rows, share, observed (mean outcome), expected (mean prediction), gap (observed less expected) with
        gap_lower and gap_upper, loss and elsewhere (mean loss in the slice and in the other rows: log loss,
        or squared error), promised (the log loss that the scores themselves promise; NaN for a regression),
        statistic, p_value (family-wise).
    apart : tuple of Slice
        Slices found before it whose rows do not belong to it.
    """

    conditions: tuple[Condition, ...]
    kind: str
    figures: Mapping[str, float]
    apart: tuple[Slice, ...] = ()

    def __str__(self) -> str:
        said = " and ".join(str(item) for item in self.conditions)
        without = " nor ".join(f"({item})" for item in self.apart)
        return f"{said}, but not {without}" if without else said

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that define it."""
        return tuple(item.column.name for item in self.conditions)

    def mask(self, X: pd.DataFrame) -> Mask:
        """Tell which rows of a table belong to it; the table may be another one than it was found in."""
        parts = [item.holds(item.column.encode(X[item.column.name])) for item in self.conditions]
        inside = reduce(np.logical_and, parts)
        return reduce(lambda rows, other: rows & ~other.mask(X), self.apart, inside)


@dataclass(frozen=True)
class Slices:
    """What `find_slices` found.

    Parameters
    ----------
    found : tuple of Slice
        The one that explains most first; each is searched in the rows that those before it leave.
    task : {"binary", "regression"}
    n_rows, n_searched : int
        Rows, and slices that were tested.
    alpha : float
        Chance that anything at all is found where the model is right everywhere.
    minimum_rows : int
        Rows that a slice must have.
    left_out : mapping of str to str
        Column to the reason why it was not searched.
    overall : mapping of str to float
        observed, expected and loss of all rows; of a binary model the recalibration's intercept and slope.
    reason : str
        Why nothing was searched; empty where something was.
    """

    found: tuple[Slice, ...]
    task: str
    n_rows: int
    n_searched: int
    alpha: float
    minimum_rows: int
    left_out: Mapping[str, str] = field(repr=False)
    overall: Mapping[str, float] = field(repr=False)
    reason: str = ""

    def table(self) -> pd.DataFrame:
        """Return a row a slice with unrounded figures."""
        rows = [{"slice": str(item), "kind": item.kind, **item.figures} for item in self.found]
        return pd.DataFrame(rows, columns=["slice", "kind", *_FIGURES])

    def to_frame(self) -> pd.DataFrame:
        """Return a row a slice as a page shows it."""
        table, binary = self.table(), self.task == "binary"
        say = (lambda value: percent(value)) if binary else (lambda value: figure(value))
        shown = {
            "slice": table["slice"],
            "rows": [
                f"{count(r)} ({percent(s)})" for r, s in zip(table["rows"], table["share"], strict=True)
            ],
            "what is wrong": table["kind"],
            "observed": table["observed"].map(say),
            "expected": table["expected"].map(say),
            "gap, 95 % for all slices at once": [
                f"{_signed(v, binary)} ({_signed(lo, binary)} to {_signed(hi, binary)})"
                for v, lo, hi in zip(table["gap"], table["gap_lower"], table["gap_upper"], strict=True)
            ],
            "log loss" if binary else "squared error": table["loss"].map(figure),
            **({"log loss its scores promise": table["promised"].map(figure)} if binary else {}),
            "elsewhere": table["elsewhere"].map(figure),
            "p": table["p_value"].map(lambda p: figure(p)),
        }
        return pd.DataFrame(shown)

    def _repr_html_(self) -> str:
        if not self.found:
            return f"<p>{self.sentence()}</p>"
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        return {
            "slices": self.table(),
            "rows": self.n_rows,
            "searched": self.n_searched,
            "alpha": self.alpha,
            "minimum_rows": self.minimum_rows,
            "left_out": dict(self.left_out),
            "overall": dict(self.overall),
            "reason": self.reason,
            "sentence": self.sentence(),
        }

    def masks(self, X: pd.DataFrame) -> list[Mask]:
        """Tell for each slice which rows belong to it."""
        return [item.mask(X) for item in self.found]

    def sentence(self) -> str:
        """Say where the model is wrong, or that no such place was shown."""
        if self.reason:
            return f"No slices were searched: {self.reason}."
        if not self.found:
            return (
                f"Among {times(self.n_searched, 'slice')} of one and two columns none was shown to be "
                f"judged worse than the rest (at least {count(self.minimum_rows)} rows each; a model that is "
                f"right everywhere would show one in {percent(self.alpha, 0)} of cases)."
            )
        worst, others = self.found[0], len(self.found) - 1
        more = (
            f" {times(others, 'further slice')} {'is' if others == 1 else 'are'} wrong too." if others else ""
        )
        return f"The model is wrong where {worst}: {self._explain(worst)}.{more}"

    def _explain(self, item: Slice) -> str:
        f, binary = item.figures, self.task == "binary"
        say = percent if binary else figure
        about = f"{count(f['rows'])} of {count(self.n_rows)} rows, {percent(f['share'])}"
        if binary:
            what = f"{say(f['observed'])} came true where {say(f['expected'])} was expected"
            loss = f"log loss {figure(f['loss'])} where its own scores promise {figure(f['promised'])}"
        else:
            what = f"{say(f['observed'])} on average where {say(f['expected'])} was expected"
            loss = f"squared error {figure(f['loss'])}, elsewhere {figure(f['elsewhere'])}"
        return f"{item.kind} ({about}; {what}; {loss})"

    def confirm(self, X: pd.DataFrame, y: npt.ArrayLike, score: npt.ArrayLike) -> pd.DataFrame:
        """Look at the same slices in rows that had no part in finding them.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
        y, score : array of shape (n_rows,)

        Returns
        -------
        DataFrame
            slice, rows, observed, expected, gap with an ordinary 95 % interval (lower, upper), loss,
            promised, confirmed: whether the gap, or for a slice without one the loss, is again on the wrong
            side; None where fewer than ten rows fell into it.
        """
        target, scores = check_scores(y, score, self.task)
        rows = []
        for item in self.found:
            inside = item.mask(X)
            kept = {"slice": str(item), "kind": item.kind, "rows": int(inside.sum())}
            seen = measure(target, scores, inside, self.task, Z95) if inside.any() else {}
            rows.append(kept | seen | {"confirmed": _again(item, seen, target, scores, inside, self.task)})
        return pd.DataFrame(rows)


_FIGURES = (
    "rows",
    "share",
    "observed",
    "expected",
    "gap",
    "gap_lower",
    "gap_upper",
    "loss",
    "promised",
    "elsewhere",
    "statistic",
    "p_value",
)


def _again(
    item: Slice, seen: Mapping[str, float], y: Array, score: Array, inside: Mask, task: str
) -> bool | None:
    """Tell whether the fault shows again, by a one-sided test at 2.5 %."""
    n = int(inside.sum())
    if n < 10:
        return None
    if item.kind in BIASED:
        return bool(seen["gap_lower"] > 0 if item.figures["gap"] > 0 else seen["gap_upper"] < 0)
    losses = log_losses(y, score) if task == "binary" else (y - score) ** 2
    if task == "binary":
        p = np.clip(score[inside], 1e-9, 1 - 1e-9)
        promised = -p * np.log(p) - (1 - p) * np.log(1 - p)
        excess = losses[inside] - promised
        sign = -1 if item.kind == UNDERSTATED else 1
        return bool(sign * excess.mean() > Z95 * excess.std(ddof=1) / np.sqrt(n))
    others = losses[~inside]
    error = np.sqrt(losses[inside].var(ddof=1) / n + others.var(ddof=1) / max(len(others), 1))
    return bool(losses[inside].mean() - others.mean() > Z95 * error)


def _signed(value: float, binary: bool) -> str:
    return f"{100 * value:+.1f} points" if binary else f"{value:+,.3f}"
