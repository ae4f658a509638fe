"""Design, assign, analyse and watch an experiment with two arms."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from collections.abc import Sequence as Seq

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.intervals import t_quantile
from ml_utils.experiments.assign import ARMS, arm_shares, hash_place, id_frame, spread_place
from ml_utils.experiments.checks import check_share, sample_ratio
from ml_utils.experiments.decision import decide
from ml_utils.experiments.planning import plan, wanted_difference
from ml_utils.experiments.results import Analysis, Design, Goal, Metric, Sequence
from ml_utils.experiments.rows import Labels, Values, check_rows, look_sizes, running_effect
from ml_utils.experiments.segments import by_segment, compare_arms, segment_differences
from ml_utils.experiments.sequential import always_valid

log = logging.getLogger(__name__)


class ABTestAnalyzer:
    """Experiments with a control and a treatment arm.

    Parameters
    ----------
    alpha : float
        Significance level, two-sided; intervals have the level 1 − alpha.
    power : float
        Chance to find the effect worth having, for `design`.
    seed : int
        Names the assignment: another seed, other arms.

    Raises
    ------
    ParameterError
        By every method, if `alpha` or `power` lies outside 0 to 1.

    Examples
    --------
    >>> ab = ABTestAnalyzer()
    >>> ab.design(0.10, mde_relative=0.20).n_control
    3841
    >>> ABTestAnalyzer(alpha=5).design(0.10, mde_relative=0.20)
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: alpha lies strictly between 0 and 1; got 5.
    """

    def __init__(self, alpha: float = 0.05, power: float = 0.8, seed: int = 42) -> None:
        self.alpha = alpha
        self.power = power
        self.seed = seed

    def design(
        self,
        baseline: float,
        mde_relative: float | None = None,
        mde_absolute: float | None = None,
        metric: Metric = "proportion",
        sd: float | None = None,
        share: float = 0.5,
        correlation: float = 0.0,
        rows_per_day: float | None = None,
    ) -> Design:
        """Work out how many rows are needed.

        Parameters
        ----------
        baseline : float
            Mean of the outcome without acting.
        mde_relative, mde_absolute : float
            Smallest effect worth having: relative to the baseline (−0.1 is a tenth less) or in the outcome's
            unit. Give one of the two.
        metric : {"proportion", "mean"}
        sd : float, optional
            Standard deviation of the outcome; needed for a mean.
        share : float
            Treatment's share of the rows.
        correlation : float
            Of the outcome with the covariate that `analyze` will be given. The size shrinks by 1 − its
            square (Deng et al. 2013, sec. 3.2).
        rows_per_day : float, optional
            To say how long it takes.

        Returns
        -------
        Design

        Raises
        ------
        ParameterError
            If a value is out of range or missing.
        """
        check_share("alpha", self.alpha)
        check_share("power", self.power)
        check_share("share", share)
        difference = wanted_difference(baseline, mde_relative, mde_absolute)
        given = baseline, difference, self.alpha, self.power, share, sd, correlation
        return plan(metric, *given, rows_per_day)

    def assign(
        self,
        ids: pd.Series | Seq[object],
        strata: pd.Series | Seq[object] | None = None,
        salt: str = "",
        weights: Mapping[str, float] | None = None,
    ) -> pd.Series:
        """Put each id into an arm.

        Without strata an id's arm is a hash of the id, the salt and the seed: always the same, whoever else
        is there. With strata the ids of each stratum are put in the order of their hashes and divided in the
        ratio of the weights, so that every stratum is balanced to a row; the list of ids must then be final.

        Parameters
        ----------
        ids : sequence of shape (n,)
            One id may stand in several rows; all get its arm.
        strata : sequence of shape (n,), optional
        salt : str
            Name of the experiment, so that two experiments divide the same ids independently.
        weights : mapping of str to float, optional
            Arm to share, on any positive scale; by default half "control", half "treatment".

        Returns
        -------
        Series of str of shape (n,)
            Arms, indexed like `ids`.

        Raises
        ------
        ParameterError
            If the weights are not two or more arms with positive shares.
        DataError
            If an id is missing, the lengths differ, or an id stands in two strata.

        Examples
        --------
        >>> ABTestAnalyzer(seed=1).assign(["a", "b", "c", "a"], salt="offer").tolist()
        ['treatment', 'control', 'control', 'treatment']
        """
        arms, bounds = arm_shares(weights)
        frame = id_frame(ids, strata)
        unique = frame.drop_duplicates()
        if unique["id"].duplicated().any():
            double = unique.loc[unique["id"].duplicated(), "id"].iloc[0]
            raise DataError(f"The id {double!r} stands in two strata; an id belongs to one. Mend the strata.")
        place = hash_place(unique["id"], f"{self.seed}:{salt}")
        if strata is not None:
            place = spread_place(place, unique["stratum"], f"{self.seed}:{salt}")
        chosen = np.searchsorted(bounds[:-1], place, side="right")
        arm_of = dict(zip(unique["id"], np.asarray(arms, dtype=object)[chosen], strict=True))
        return frame["id"].map(arm_of).astype("str").rename("arm")

    def analyze(
        self,
        outcome: Values,
        arm: Labels,
        covariate: Values | None = None,
        segments: pd.DataFrame | pd.Series | None = None,
        goal: Goal = "higher",
        weights: Mapping[str, float] | None = None,
    ) -> Analysis:
        """Compare the arms.

        First the sizes of the arms are held against the plan (sample-ratio mismatch); where they fail, the
        decision is withheld. An outcome of zeros and ones is compared as shares, any other as means.

        Parameters
        ----------
        outcome : array of shape (n,)
        arm : array of shape (n,)
            "control" or "treatment".
        covariate : array of shape (n,), optional
            Known before the experiment, such as the model's score; the effect is adjusted for it (CUPED).
        segments : DataFrame or Series of n rows, optional
            Columns to break the effect down by; p-values are corrected over all levels (Holm).
        goal : {"higher", "lower"}
            The wanted direction of the outcome.
        weights : mapping, optional
            Planned shares, as given to `assign`; by default halves.

        Returns
        -------
        Analysis

        Raises
        ------
        ParameterError
            If `alpha`, `goal` or `weights` is out of range.
        DataError
            If the lengths differ, a value is missing or infinite, or an arm is empty or unknown.
        """
        check_share("alpha", self.alpha)
        if goal not in ("higher", "lower"):
            raise ParameterError(f"goal is {goal!r}. {list_known(str(goal), ['higher', 'lower'])}")
        rows = check_rows(outcome, arm, covariate)
        arms, bounds = arm_shares(weights)
        if set(arms) != set(ARMS):
            raise ParameterError(f"weights names the arms control and treatment; got {', '.join(arms)}.")
        shares = dict(zip(arms, np.diff(bounds, prepend=0), strict=True))
        sizes = [int((~rows.treated).sum()), int(rows.treated.sum())]
        ratio = sample_ratio(sizes, [shares[name] for name in ARMS])
        unadjusted, adjusted = compare_arms(rows, self.alpha)
        effect = unadjusted if adjusted is None else adjusted.effect
        table = by_segment(rows, segments, self.alpha)
        decision, reasons = decide(effect, ratio.p_value, goal, self.alpha)
        if decision == "withheld":
            log.warning("%s", reasons[0])
        return Analysis(
            rows.metric,
            goal,
            effect,
            unadjusted,
            adjusted,
            ratio,
            table,
            segment_differences(table),
            decision,
            reasons,
        )

    def sequential(
        self,
        outcome: Values,
        arm: Labels,
        looks: int = 20,
        planned: int | None = None,
    ) -> Sequence:
        """Watch the effect as rows arrive, with intervals that allow stopping at any look.

        Parameters
        ----------
        outcome, arm : arrays of shape (n,)
            In the order of arrival.
        looks : int
            Number of equally spaced looks.
        planned : int, optional
            Rows for which the intervals are tightest, fixed beforehand; by default all of them.

        Returns
        -------
        Sequence

        Raises
        ------
        ParameterError
            If `alpha`, `looks` or `planned` is out of range.
        DataError
            As `analyze`, or if there are too few rows for one look.
        """
        check_share("alpha", self.alpha)
        if looks < 1:
            raise ParameterError(f"looks is a number of looks, 1 or more; got {looks!r}.")
        rows = check_rows(outcome, arm, None)
        at = look_sizes(rows.treated, looks)
        difference, error = running_effect(rows, at)
        low, high, p_value = always_valid(difference, error, at, planned or len(rows.outcome), self.alpha)
        fixed = t_quantile(level=1 - self.alpha) * error
        table = pd.DataFrame(
            {
                "n": at,
                "difference": difference,
                "low": low,
                "high": high,
                "p_value": np.minimum.accumulate(p_value),
                "fixed_low": difference - fixed,
                "fixed_high": difference + fixed,
            }
        )
        crossed = at[(low > 0) | (high < 0)]
        stop = int(crossed[0]) if crossed.size else None
        return Sequence(table, stop, planned or len(rows.outcome), self.alpha)
