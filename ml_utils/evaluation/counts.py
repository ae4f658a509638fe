"""Cells of a confusion table and the metrics that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.scores import Array


@dataclass(frozen=True)
class Counts:
    """Cells of a confusion table; numbers, or arrays of one shape.

    Examples
    --------
    >>> Counts.of([1, 1, 0, 0], [1, 0, 0, 0]).rates()["precision"]
    np.float64(1.0)
    """

    tp: npt.NDArray[np.float64] | float
    fp: npt.NDArray[np.float64] | float
    fn: npt.NDArray[np.float64] | float
    tn: npt.NDArray[np.float64] | float

    @classmethod
    def of(cls, y: npt.ArrayLike, decided: npt.ArrayLike) -> Counts:
        """Count from targets and decisions, both 0/1 of shape (n_rows,)."""
        target, acted = np.asarray(y, dtype=bool), np.asarray(decided, dtype=bool)
        tp, fp = float(np.sum(target & acted)), float(np.sum(~target & acted))
        return cls(tp, fp, float(target.sum()) - tp, float((~target).sum()) - fp)

    def rates(self) -> dict[str, Array]:
        """Return every metric of kind "decision" by name; NaN where a denominator is zero."""
        tp, fp, fn, tn = (np.asarray(item, dtype=float) for item in (self.tp, self.fp, self.fn, self.tn))
        recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {
            "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
            "balanced_accuracy": (recall + specificity) / 2,
            "precision": _ratio(tp, tp + fp),
            "recall": recall,
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "specificity": specificity,
            "mcc": _ratio(tp * tn - fp * fn, np.sqrt(margins)),
        }


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(below > 0, above / below, np.nan)
    return share[()]  # a number where numbers came in
