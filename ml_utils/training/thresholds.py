"""From probabilities to decisions: the threshold, what each rule for it earns, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.curves import thin
from ml_utils.evaluation.metrics import Array, Counts
from ml_utils.problem import Decision
from ml_utils.training.rules import (
    ANALYTIC,
    BEST_F1,
    HALF,
    TUNED,
    Rule,
    best_f1_threshold,
    best_profit_threshold,
    parse_rule,
    steps,
)

__all__ = [
    "ANALYTIC",
    "BEST_F1",
    "HALF",
    "TUNED",
    "best_f1_threshold",
    "best_profit_threshold",
    "choose_threshold",
    "threshold_curve",
    "threshold_rules",
    "thresholds_on_folds",
]

Bools = npt.NDArray[np.bool_]


def choose_threshold(
    y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None, rule: str = "auto"
) -> float:
    """Return where to act: by default the analytic optimum cost / (benefit + cost), or the best F1.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
        Targets and out-of-fold probabilities.
    decision : Decision or None
    rule : str
        As `rules.parse_rule` reads it, such as "precision_at_recall:0.8"; "auto" is analytic with a decision,
        and the best F1 without.

    Examples
    --------
    >>> choose_threshold([0, 1, 0, 1], [0.1, 0.4, 0.3, 0.9], None, "top:1")
    0.9
    """
    return parse_rule(rule, decision).find(y, score, decision)


def threshold_rules(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    decision: Decision | None,
    rule: str = "auto",
    folds: Sequence[npt.NDArray[np.intp]] | None = None,
    n_bootstrap: int = 200,
    seed: int = 42,
) -> pd.DataFrame:
    """Compare ways to choose the threshold on the same out-of-fold probabilities.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
    decision : Decision or None
        Without it only one half and the best F1 are compared, and nothing is earned.
    rule : str
        A further rule to compare, the one that was asked for.
    folds : sequence of ndarray of int, optional
        Positions of each fold's rows. With them a rule that looks at targets is judged, fold by fold, at the
        threshold that the other folds' rows choose; without them it is judged on the rows that it was chosen
        on, which flatters it a little.
    n_bootstrap : int
        Times that rows are drawn anew for the profit's interval; the decisions stay as they are.
    seed : int

    Returns
    -------
    DataFrame
        rule, threshold (chosen on all rows), acted, share, precision, recall, f1, and, with a decision,
        profit (its currency), profit_lower and profit_upper (95 % bootstrap interval).
    """
    target, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    rules = [Rule("best_f1"), Rule("half")]
    if decision is not None:
        rules = [Rule("analytic"), Rule("tuned"), *rules]
    own = parse_rule(rule, decision)
    rules += [] if own in rules else [own]
    acted = np.array([_acted(each, target, scores, decision, folds) for each in rules])
    found = pd.DataFrame(
        [
            {"rule": each.label, "threshold": each.find(target, scores, decision), **_judged(target, decided)}
            for each, decided in zip(rules, acted, strict=True)
        ]
    )
    if decision is not None:
        found["profit"] = acted @ _value(target, decision)
        drawn = _resampled_profits(target, acted, decision, n_bootstrap, seed)
        found["profit_lower"], found["profit_upper"] = np.quantile(drawn, [0.025, 0.975], axis=0)
    return found


def _acted(
    rule: Rule,
    y: Array,
    score: Array,
    decision: Decision | None,
    folds: Sequence[npt.NDArray[np.intp]] | None,
) -> Bools:
    """Rows that a rule acts on; of one that is tuned, each fold's at the threshold of the other folds."""
    if folds is None or not rule.looks_at_targets:
        return score >= rule.find(y, score, decision)
    acted = np.zeros(len(y), dtype=bool)
    # of a number of rows, the other folds' rows take their part
    for fold in folds:
        others = np.setdiff1d(np.concatenate(list(folds)), fold)
        here = rule
        if rule.name == "top" and rule.value >= 1:
            here = Rule("top", max(round(rule.value * len(others) / len(y)), 1.0))
        acted[fold] = score[fold] >= here.find(y[others], score[others], decision)
    return acted


def _judged(y: Array, acted: Bools) -> dict[str, object]:
    rates = Counts.of(y, acted).rates()
    return {
        "acted": int(acted.sum()),
        "share": float(acted.mean()),
        **{metric: float(rates[metric]) for metric in ("precision", "recall", "f1")},
    }


def _value(y: Array, decision: Decision) -> Array:
    """What acting on each row earns."""
    return np.where(y == 1, decision.benefit, -decision.cost)


def _resampled_profits(y: Array, acted: Bools, decision: Decision, n: int, seed: int) -> Array:
    """Profits of every rule on the same resamples, shape (n, n_rules).

    Rows that share a target and all decisions are exchangeable: drawing how many of each kind come, from a
    multinomial, is drawing rows with replacement.
    """
    kinds, sizes = np.unique(np.vstack([y, acted]), axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(y), sizes / len(y), size=n)
    return np.asarray((drawn * _value(kinds[0], decision)) @ kinds[1:].T)


def threshold_curve(y: npt.ArrayLike, score: npt.ArrayLike, decision: Decision | None) -> pd.DataFrame:
    """Return F1, and profit where there is a decision, over thresholds, thinned for a figure.

    Returns
    -------
    DataFrame
        threshold, share (of rows acted on), f1, and profit (the decision's currency).
    """
    thresholds, tp, fp = steps(y, score)
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


def thresholds_on_folds(
    y: Array,
    score: Array,
    folds: Sequence[npt.NDArray[np.intp]],
    decision: Decision | None,
    rule: str,
    seed: int,
) -> tuple[float, pd.DataFrame, pd.DataFrame]:
    """Choose the threshold, compare the rules and draw the curve, on the rows that a fold has scored.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)
        Targets and out-of-fold probabilities; folds by time leave the first rows without one.
    folds : sequence of ndarray of int
        Validation rows; no row twice.
    decision, rule, seed
        As in `threshold_rules`.

    Returns
    -------
    threshold, rules, curve
    """
    rows = np.concatenate(folds)
    parts = np.split(np.arange(len(rows)), np.cumsum([len(fold) for fold in folds])[:-1])
    judged = (y[rows], score[rows], decision)
    rules = threshold_rules(*judged, rule, parts, seed=seed)
    return choose_threshold(*judged, rule), rules, threshold_curve(*judged)
