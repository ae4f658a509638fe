"""Rules that choose a threshold: by cost, by profit, by F1, by precision, by recall, by capacity."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.metrics import Array
from ml_utils.problem import Decision
from ml_utils.wording import count, percent

logger = logging.getLogger(__name__)

ANALYTIC, TUNED, HALF, BEST_F1 = "analytic", "tuned for profit", "one half", "best F1"
_PLAIN = {"analytic": ANALYTIC, "tuned": TUNED, "half": HALF, "best_f1": BEST_F1}
_WITH_VALUE = ("recall_at_precision", "precision_at_recall", "top")
RULES = ("auto", *_PLAIN, *(f"{name}:<number>" for name in _WITH_VALUE))


@dataclass(frozen=True)
class Rule:
    """A way to choose a threshold.

    Parameters
    ----------
    name : str
        "analytic", "tuned", "half", "best_f1", "recall_at_precision", "precision_at_recall" or "top".
    value : float
        The precision, the recall, or, for "top", the share (below 1) or the number (1 or more) of rows.
    """

    name: str
    value: float = 0.0

    @property
    def label(self) -> str:
        """What a page calls it."""
        if self.name in _PLAIN:
            return _PLAIN[self.name]
        if self.name == "top":
            return f"top {percent(self.value)}" if self.value < 1 else f"top {count(self.value)} rows"
        first, last = self.name.split("_at_")
        return f"best {first} at a {last} of {percent(self.value)}"

    @property
    def looks_at_targets(self) -> bool:
        """Whether the threshold is tuned, so that it flatters on the rows that it was chosen on."""
        return self.name not in ("analytic", "half")

    def find(self, y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None = None) -> float:
        """Return the threshold.

        Parameters
        ----------
        y, score : array of shape (n_rows,)
            Targets and out-of-fold probabilities.
        decision : Decision, optional
            Needed by "analytic" and "tuned".
        """
        if self.name == "half":
            return 0.5
        if self.name == "best_f1":
            return best_f1_threshold(y, score)
        if self.name in ("analytic", "tuned"):
            checked = _needed(decision, self.name)
            return checked.threshold if self.name == "analytic" else best_profit_threshold(y, score, checked)
        return _FINDERS[self.name](y, score, self.value)


def parse_rule(text: str, decision: Decision | None = None) -> Rule:
    """Read a rule as a user writes it.

    Parameters
    ----------
    text : str
        "auto" (analytic with a decision, else the best F1), "analytic", "tuned", "half", "best_f1",
        "recall_at_precision:0.5", "precision_at_recall:0.8", "top:0.1" (a share of rows) or "top:500" (rows).
    decision : Decision, optional

    Raises
    ------
    ParameterError
        If there is no such rule, its number is missing or out of range, or it needs a decision.

    Examples
    --------
    >>> parse_rule("top:0.1").label, parse_rule("recall_at_precision:0.5").label
    ('top 10.0 %', 'best recall at a precision of 50.0 %')
    >>> parse_rule("top")
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: threshold is 'top', which takes a number: write 'top:0.1'.
    """
    if text == "auto":
        return Rule("best_f1" if decision is None else "analytic")
    name, _, number = text.partition(":")
    if name in _PLAIN and not number:
        if name in ("analytic", "tuned"):
            _needed(decision, name)
        return Rule(name)
    if name not in _WITH_VALUE:
        raise ParameterError(f"threshold is {text!r}. {list_known(text, RULES)}")
    if not number:
        raise ParameterError(f"threshold is {text!r}, which takes a number: write '{name}:0.1'.")
    return Rule(name, _number(text, name, number))


def _number(text: str, name: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if name == "top":
        if not (0 < value < 1 or (value >= 1 and value.is_integer())):
            raise ParameterError(
                f"threshold is {text!r}; give a share of the rows above 0 and below 1, or a whole number of "
                "rows from 1 on."
            )
    elif not 0 < value <= 1:
        raise ParameterError(f"threshold is {text!r}; the number must be above 0 and at most 1.")
    return value


def _needed(decision: Decision | None, name: str) -> Decision:
    if decision is None:
        raise ParameterError(
            f"threshold is {name!r}, which needs a benefit and a cost; add `decision` to the problem file, "
            "or take best_f1."
        )
    return decision


def steps(y: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Return thresholds from acting on nobody to acting on all, with true and false positives at each."""
    target, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(target[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    nobody = np.nextafter(ranked[0], np.inf)
    tp = np.concatenate([[0.0], hits[ends]])
    fp = np.concatenate([[0.0], ends + 1 - hits[ends]])
    return np.concatenate([[nobody], ranked[ends]]), tp, fp


def best_f1_threshold(y: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the threshold with the highest F1; of several the highest.

    Examples
    --------
    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    0.3
    """
    thresholds, tp, fp = steps(y, score)
    positives = tp[-1]
    return float(thresholds[np.argmax(2 * tp / (tp + fp + positives))])


def best_profit_threshold(y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision) -> float:
    """Return the threshold that would have earned most, found by trying every one; of several the highest.

    Examples
    --------
    >>> best_profit_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9], Decision(benefit=10.0, cost=20.0))
    0.9
    """
    thresholds, tp, fp = steps(y, score)
    return float(thresholds[np.argmax(decision.benefit * tp - decision.cost * fp)])


def recall_at_precision_threshold(y: npt.ArrayLike, score: npt.ArrayLike, precision: float) -> float:
    """Return the threshold with the highest recall among those of at least that precision.

    Where no threshold is that precise, the most precise one is returned, and the log says so.

    Examples
    --------
    >>> recall_at_precision_threshold([0, 1, 0, 1], [0.1, 0.4, 0.3, 0.9], 0.6)
    0.4
    """
    thresholds, tp, fp = (each[1:] for each in steps(y, score))  # acting on nobody has no precision
    reached = tp / (tp + fp)
    enough = reached >= precision
    if not enough.any():
        best = int(np.argmax(reached))
        logger.warning(
            "no threshold has a precision of %s; the most precise one, %s, is taken",
            *(percent(precision), percent(float(reached[best]))),
        )
        return float(thresholds[best])
    return float(thresholds[np.argmax(np.where(enough, tp, -1.0))])


def precision_at_recall_threshold(y: npt.ArrayLike, score: npt.ArrayLike, recall: float) -> float:
    """Return the threshold with the highest precision among those of at least that recall.

    Examples
    --------
    >>> precision_at_recall_threshold([0, 1, 0, 1], [0.1, 0.4, 0.3, 0.9], 0.8)
    0.4
    """
    thresholds, tp, fp = (each[1:] for each in steps(y, score))
    enough = tp >= recall * tp[-1]
    return float(thresholds[np.argmax(np.where(enough, tp / (tp + fp), -1.0))])


def top_threshold(y: npt.ArrayLike, score: npt.ArrayLike, capacity: float) -> float:
    """Return the lowest threshold from which no more rows are acted on than can be.

    Rows with one score are acted on together, so that fewer may be.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
    capacity : float
        Below 1 a share of the rows, else a number of rows.

    Examples
    --------
    >>> top_threshold([0, 1, 0, 1], [0.1, 0.3, 0.3, 0.9], 2), top_threshold([0, 1, 0, 1], [1, 2, 3, 4], 0.5)
    (0.9, 3.0)
    """
    thresholds, tp, fp = steps(y, score)
    acted = tp + fp
    most = np.floor(capacity * acted[-1] + 1e-9) if capacity < 1 else capacity
    return float(thresholds[np.flatnonzero(acted <= most)[-1]])


_FINDERS: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike, float], float]] = {
    "recall_at_precision": recall_at_precision_threshold,
    "precision_at_recall": precision_at_recall_threshold,
    "top": top_threshold,
}
