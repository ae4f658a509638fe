"""May the new model take over? A paired test on rows that neither model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import METRICS, calibration_bins
from ml_utils.wording import count, figure, listing

if TYPE_CHECKING:
    from ml_utils.evaluation.comparison import Comparison
    from ml_utils.registry.registry import Registry
    from ml_utils.retraining.triggers import RetrainingPolicy, RetrainingRows, Trigger


@dataclass(frozen=True)
class PairedLoss:
    """The gain in squared error (Brier score, for a probability) on the same rows; positive is better.

    `incumbent` is the squared error that was to be beaten.
    """

    incumbent: float
    gain: float
    lower: float
    upper: float
    p_value: float


def paired_loss(y: np.ndarray, incumbent: np.ndarray, challenger: np.ndarray) -> PairedLoss:
    """Compare two models' squared errors row by row.

    Parameters
    ----------
    y, incumbent, challenger : ndarray of shape (n_rows,)
        Outcomes, and each model's scores.

    Returns
    -------
    PairedLoss
        95 % interval and two-sided p-value of the paired z-test (Diebold & Mariano 1995, for independent
        rows). Squared error is proper for probabilities: it sees ranking and calibration.

    Examples
    --------
    >>> y = np.array([0.0, 1.0, 1.0, 0.0])
    >>> round(paired_loss(y, np.full(4, 0.5), np.array([0.4, 0.6, 0.6, 0.3])).gain, 4)
    0.1075
    """
    from scipy.special import ndtr

    before = (incumbent - y) ** 2
    gaps = before - (challenger - y) ** 2
    lost = float(before.mean())
    gain, n = float(gaps.mean()), len(gaps)
    error = float(gaps.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    if not error > 0:
        return PairedLoss(lost, gain, gain, gain, 1.0 if gain == 0 else float("nan"))
    half, p_value = Z95 * error, float(2 * ndtr(-abs(gain) / error))
    return PairedLoss(lost, gain, gain - half, gain + half, p_value)


@dataclass(frozen=True)
class Gain:
    """What the challenger gains in one measure, with its 95 % interval and what it may lose at most."""

    measure: str
    value: float
    lower: float
    upper: float
    margin: float

    @property
    def better(self) -> bool:
        """Whether the gain is beyond chance."""
        return bool(self.lower > 0)

    @property
    def not_worse(self) -> bool:
        """Whether no more than the margin was lost, the interval included."""
        return bool(self.lower > -self.margin)


@dataclass(frozen=True)
class PromotionDecision:
    """Whether the challenger takes over, with what the decision rests on.

    Parameters
    ----------
    promote : bool
    reason : str
        One clause, for the audit log.
    gains : tuple of Gain
        In the squared error, which sees the ranking and the level of the scores, and in the metric.
    """

    promote: bool
    reason: str
    gains: tuple[Gain, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the gains as a table for a page."""
        rows = [
            (item.measure, item.value, item.lower, item.upper, _yes(item.better), _yes(item.not_worse))
            for item in self.gains
        ]
        columns = ["gain in", "value", "lower", "upper", "better beyond chance", "not worse by the margin"]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))


def decide_promotion(
    comparison: Comparison,
    loss: PairedLoss,
    policy: RetrainingPolicy,
    incumbent: str = "champion",
    challenger: str = "challenger",
) -> PromotionDecision:
    """Promote what is better beyond chance in the metric or in squared error, and lost in neither.

    Each of the two gains must clear its own 95 % interval, so that a model that is no better in either takes
    over in at most 5 % of cases (2.5 % on the one side that counts, twice). The margin of the squared error
    is that of its root.

    Parameters
    ----------
    comparison : Comparison
        Of both on rows that neither was trained on.
    loss : PairedLoss
        On the same rows.
    policy : RetrainingPolicy
    incumbent, challenger : str
        Their labels in `comparison`.

    Returns
    -------
    PromotionDecision
    """
    name = METRICS[comparison.metric].label
    squared = "squared error" if comparison.metric == "rmse" else "Brier score"
    allowed = policy.margin * abs(comparison.by_model[incumbent])
    gains = (
        Gain(squared, loss.gain, loss.lower, loss.upper, 2 * policy.margin * loss.incumbent),
        Gain(name, *comparison.gain(challenger, incumbent), allowed),
    )
    better = [item.measure for item in gains if item.better]
    worse = [item.measure for item in gains if not item.not_worse]
    undefined = [item.measure for item in gains if not np.isfinite(item.lower)]
    if undefined:
        reason = f"{listing(undefined)} cannot be told on the holdout's {count(comparison.n_rows)} rows"
    elif worse:
        reason = f"{listing(worse)} may be worse by more than the margin"
    elif better:
        reason = f"the challenger is better in {listing(better)} beyond chance and not worse in any"
    else:
        reason = "the challenger is not better beyond chance in any measure"
    return PromotionDecision(bool(better) and not worse, reason, gains)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def takeover_sentences(
    found: Sequence[Trigger], decision: PromotionDecision, rows: RetrainingRows, approved: bool
) -> list[str]:
    """Say whether retraining was due, whether the new model is better, and what was done.

    Parameters
    ----------
    found : sequence of Trigger
    decision : PromotionDecision
    rows : RetrainingRows
    approved : bool
        Whether the incumbent had passed its gate; else nothing is in production that could be replaced.

    Returns
    -------
    list of str
        Three sentences.
    """
    fired = [item.rule for item in found if item.fired]
    if fired:
        due = f"Retraining is due ({listing(fired)})"
    else:
        due = "No rule asks for a retraining; one was made all the same, to know"
    better = "better" if decision.promote else "not shown to be better"
    spans = [
        f"{item.measure} by {_short(item.value)} ({_short(item.lower)} to {_short(item.upper)})"
        for item in decision.gains
    ]
    sure = (
        f"On {count(len(rows.holdout))} later rows that neither model was trained on the new one gains in "
        f"{' and in '.join(spans)}, 95 % intervals in brackets, negative where it loses."
    )
    return [f"{due}, and the new model is {better}.", sure, _done(decision, approved)]


def _done(decision: PromotionDecision, approved: bool) -> str:
    if not approved:
        return "Nothing was promoted: the present model never passed its gate, so mend that first."
    if decision.promote:
        return (
            "The new model is the champion; going back to the old one was rehearsed and takes one call, and "
            "every change stands in the audit log."
        )
    return f"The champion stays, because {decision.reason}; try again when more recent outcomes are in."


def _short(value: float) -> str:
    return figure(value, 4 if abs(value) < 1 else 1)


def reliability(y: np.ndarray, scores: Mapping[str, np.ndarray], bins: int = 8) -> pd.DataFrame:
    """Group rows by score, for each model, and say what happened in each group.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    scores : mapping
        Model's label to its scores, each of shape (n_rows,).
    bins : int
        Groups at most, of about equal size.

    Returns
    -------
    DataFrame
        model, score and outcome (means of the group), error (standard, of the outcome), rows.
    """
    tables = []
    for label, score in scores.items():
        group = pd.Series(calibration_bins(score, bins))
        table = pd.DataFrame({"score": score, "outcome": y}).groupby(group.to_numpy())
        means = table.mean()
        means["error"] = table["outcome"].sem()
        tables.append(means.assign(rows=table.size(), model=label))
    return pd.concat(tables, ignore_index=True)[["model", "score", "outcome", "error", "rows"]]


def restore_incumbent(registry: Registry, version: int, approved: bool) -> str:
    """Make the judged version champion again where a later one took its place, and say what was done.

    A page that starts from whatever happens to be champion would say something else on every run.

    Parameters
    ----------
    registry : Registry
    version : int
        The version that notebook 03 judged.
    approved : bool
        Whether it passed its gate; one that did not is never made champion.
    """
    champion = registry.alias("champion")
    if not approved:
        return f"Version {version} did not pass its gate; it is compared with, but is not in production."
    if champion == version:
        return f"Version {version} is the champion."
    registry.promote(version, reason="notebook 07 starts from the version that notebook 03 judged")
    return f"Version {version} is the champion again; it was version {champion or 'none'}."


def take_over(registry: Registry, version: int, decision: PromotionDecision) -> list[int]:
    """Promote a version, rehearse going back, and promote it again; every step is logged.

    Parameters
    ----------
    registry : Registry
    version : int
        The challenger's.
    decision : PromotionDecision

    Returns
    -------
    list of int
        The champion after each of the three steps.
    """
    gains = {f"gain in {item.measure}": item.value for item in decision.gains}
    registry.promote(version, reason=decision.reason, metrics=gains)
    steps = [registry.load("champion").version]
    registry.rollback(reason="rehearsal: can we go back?")
    steps.append(registry.load("champion").version)
    registry.promote(version, reason="rehearsal passed; the decision stands", metrics=gains)
    return [*steps, registry.load("champion").version]
