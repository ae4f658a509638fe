"""From probabilities to decisions: thresholds, and what each earns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.curves import thin
from ml_utils.evaluation.metrics import Array, Counts
from ml_utils.problem import Decision

ANALYTIC, TUNED, HALF, BEST_F1 = "analytic", "tuned for profit", "one half", "best F1"


def _steps(y: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Array, Array, Array]:
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
    thresholds, tp, fp = _steps(y, score)
    positives = tp[-1]
    return float(thresholds[np.argmax(2 * tp / (tp + fp + positives))])


def best_profit_threshold(y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision) -> float:
    """Return the threshold that would have earned most, found by trying every one; of several the highest.

    Examples
    --------
    >>> best_profit_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9], Decision(benefit=10.0, cost=20.0))
    0.9
    """
    thresholds, tp, fp = _steps(y, score)
    return float(thresholds[np.argmax(decision.benefit * tp - decision.cost * fp)])


def weighted_threshold(threshold: float, positive_weight: float) -> float:
    """Move a threshold on probabilities to where it belongs on the scores of a class-weighted model.

    Weighting positives by w multiplies the odds that the model gives by w (Elkan 2001, theorem 1).

    Examples
    --------
    >>> weighted_threshold(0.2, positive_weight=4.0)
    0.5
    """
    return threshold * positive_weight / (1 - threshold + threshold * positive_weight)


def choose_threshold(
    y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None, positive_weight: float = 1.0
) -> float:
    """Return where to act: the analytic optimum cost / (benefit + cost), or the best F1 without a decision.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
        Targets and out-of-fold scores.
    decision : Decision or None
    positive_weight : float
        Weight that the model gave to positive rows.
    """
    if decision is None:
        return best_f1_threshold(y, score)
    return weighted_threshold(decision.threshold, positive_weight)


def threshold_rules(
    y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None, positive_weight: float = 1.0
) -> pd.DataFrame:
    """Compare ways to choose the threshold on the same out-of-fold scores.

    The two tuned rules are chosen on the rows that they are judged on, which flatters them a little.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
    decision : Decision or None
        Without it only one half and the best F1 are compared, and nothing is earned.
    positive_weight : float
        Weight that the model gave to positive rows.

    Returns
    -------
    DataFrame
        rule, threshold, acted, share, precision, recall, f1, and, with a decision, profit (its currency).
    """
    rules = {}
    if decision is not None:
        rules[ANALYTIC] = weighted_threshold(decision.threshold, positive_weight)
        rules[TUNED] = best_profit_threshold(y, score, decision)
    rules |= {BEST_F1: best_f1_threshold(y, score), HALF: 0.5}
    return pd.DataFrame([_rule(name, y, score, cut, decision) for name, cut in rules.items()])


def _rule(
    name: str, y: npt.ArrayLike, score: npt.ArrayLike, threshold: float, decision: Decision | None
) -> dict[str, object]:
    acted = np.asarray(score, dtype=float) >= threshold
    counts = Counts.of(y, acted)
    rates = counts.rates()
    row: dict[str, object] = {
        "rule": name,
        "threshold": threshold,
        "acted": int(acted.sum()),
        "share": float(acted.mean()),
        **{metric: float(rates[metric]) for metric in ("precision", "recall", "f1")},
    }
    if decision is not None:
        row["profit"] = float(decision.benefit * counts.tp - decision.cost * counts.fp)
    return row


def threshold_curve(y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None) -> pd.DataFrame:
    """Return F1, and profit where there is a decision, over thresholds, thinned for a figure.

    Returns
    -------
    DataFrame
        threshold, share (of rows acted on), f1, and profit (the decision's currency).
    """
    thresholds, tp, fp = _steps(y, score)
    points = pd.DataFrame(
        {
            "threshold": thresholds.clip(max=1.0),
            "share": (tp + fp) / len(np.asarray(y)),
            "f1": 2 * tp / (tp + fp + tp[-1]),
        }
    )
    if decision is not None:
        points["profit"] = decision.benefit * tp - decision.cost * fp
    return thin(points)
