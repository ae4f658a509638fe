"""Paired comparison of models on the same rows: is one better, and is it more than chance?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.bootstrap import LEVEL, percentile_interval
from ml_utils.evaluation.delong import delong_test
from ml_utils.evaluation.metrics import METRICS, Array, check_scores
from ml_utils.wording import figure


@dataclass(frozen=True)
class Comparison:
    """What `ModelEvaluator.compare` found.

    Parameters
    ----------
    metric : str
        The metric that the models are compared by.
    task : {"binary", "regression"}
    n_rows : int
    by_model : dict
        Model's label to its value of the metric.
    pairs : DataFrame
        One row a pair: first, second, difference (first less second) with lower and upper, test, p_value and
        p_adjusted (Holm); for a binary task also only_first and only_second (rows that one alone decides
        rightly) with p_mcnemar (exact) and p_mcnemar_mid.
    """

    metric: str
    task: str
    n_rows: int
    by_model: Mapping[str, float]
    pairs: pd.DataFrame

    def gain(self, label: str, over: str) -> tuple[float, float, float]:
        """Return how much better `label` is than `over`: value, lower, upper; positive is better.

        Raises
        ------
        ParameterError
            If one of the two was not compared.
        """
        for name in (label, over):
            if name not in self.by_model:
                raise ParameterError(f"No model {name!r} was compared. {list_known(name, self.by_model)}")
        sign = 1 if METRICS[self.metric].greater_is_better else -1
        for row in self.pairs.itertuples():
            if (row.first, row.second) == (over, label):
                sign = -sign
            elif (row.first, row.second) != (label, over):
                continue
            low, high = sorted((sign * float(row.lower), sign * float(row.upper)))
            return sign * float(row.difference), low, high
        return 0.0, 0.0, 0.0  # a model against itself

    def to_frame(self) -> pd.DataFrame:
        """Return the pairs as a table for a page."""
        label = METRICS[self.metric].label
        shown = pd.DataFrame(
            {
                "models": self.pairs["first"] + " less " + self.pairs["second"],
                f"difference in {label}": self.pairs["difference"].map(lambda value: figure(value, 4)),
                "95 % interval": [
                    f"{figure(row.lower, 4)} to {figure(row.upper, 4)}" for row in self.pairs.itertuples()
                ],
                "test": self.pairs["test"],
                "p": self.pairs["p_value"].map(p_text),
                "p (Holm)": self.pairs["p_adjusted"].map(p_text),
            }
        )
        if "p_mcnemar" in self.pairs:
            shown["p of decisions (McNemar)"] = self.pairs["p_mcnemar"].map(p_text)
        return shown

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self, label: str, over: str) -> str:
        """Say in words whether `label` is better than `over`."""
        value, low, high = self.gain(label, over)
        name = METRICS[self.metric].label
        if not np.isfinite(low):
            return f"Whether {label} is better than {over} is not defined on these rows."
        span = f"({figure(low)} to {figure(high)} with 95 % confidence)"
        if low > 0:
            return f"{label} is better than {over}: {name} by {figure(value)} {span}."
        if high < 0:
            return f"{label} is worse than {over}: {name} by {figure(-value)} {span}."
        return f"{label} and {over} cannot be told apart: {name} differs by {figure(value)} {span}."


def compare_scores(
    scores: Mapping[str, Array],
    y: Array,
    task: str,
    thresholds: Mapping[str, float],
    n_bootstrap: int,
    rng: np.random.Generator,
) -> Comparison:
    """Compare models pair by pair from their scores on the same rows.

    Parameters
    ----------
    scores : mapping
        Model's label to its scores, each of shape (n_rows,).
    y : ndarray of shape (n_rows,)
    task : {"binary", "regression"}
    thresholds : mapping
        Model's label to the score at or above which it acts; binary only.
    n_bootstrap : int
        Resamples, for a regression's interval.
    rng : Generator

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError
        If fewer than two models are given.
    """
    if len(scores) < 2:
        raise ParameterError(f"A comparison takes two models or more; got {len(scores)}.")
    for score in scores.values():
        check_scores(y, score, task)
    metric = "roc_auc" if task == "binary" else "rmse"
    rows = []
    for first, second in combinations(scores, 2):
        if task == "binary":
            row = _binary_pair(y, scores[first], scores[second])
            decided = [(scores[name] >= thresholds[name]) == (y > 0) for name in (first, second)]
            row |= mcnemar(decided[0], decided[1])
        else:
            row = _regression_pair(y, scores[first], scores[second], n_bootstrap, rng)
        rows.append({"first": first, "second": second, **row})
    pairs = pd.DataFrame(rows)
    pairs.insert(7, "p_adjusted", holm(pairs["p_value"].to_numpy(float)))
    values = {name: METRICS[metric].function(y, score) for name, score in scores.items()}
    return Comparison(metric, task, len(y), values, pairs)


def _binary_pair(y: Array, first: Array, second: Array) -> dict[str, object]:
    difference, lower, upper, p_value = delong_test(y, first, second, LEVEL)
    return {"difference": difference, "lower": lower, "upper": upper, "test": "DeLong", "p_value": p_value}


def mcnemar(right_first: Array, right_second: Array) -> dict[str, object]:
    """Test whether two models decide rightly equally often (McNemar, exact and mid-p).

    Parameters
    ----------
    right_first, right_second : ndarray of bool of shape (n_rows,)
        Whether each model decided the row rightly.

    Returns
    -------
    dict
        only_first, only_second, p_mcnemar, p_mcnemar_mid.

    Notes
    -----
    The mid-p takes half the probability of the observed table off the exact p (Fagerland, Lydersen & Laake
    2013, BMC Medical Research Methodology 13:91, eq. 8).

    Examples
    --------
    >>> right = np.arange(10) < 8
    >>> mcnemar(right, ~right)["p_mcnemar"]
    0.109375
    """
    from scipy.stats import binom
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

    a, b = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    only_first, only_second = int((a & ~b).sum()), int((~a & b).sum())
    n = only_first + only_second
    exact = float(statsmodels_mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue) if n else 1.0
    if only_first == only_second:
        mid = 1.0 - float(binom.pmf(only_first, n, 0.5)) / 2
    else:
        mid = exact - float(binom.pmf(only_first, n, 0.5))
    return {
        "only_first": only_first,
        "only_second": only_second,
        "p_mcnemar": exact,
        "p_mcnemar_mid": mid if n else 1.0,
    }


def _regression_pair(
    y: Array, first: Array, second: Array, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, object]:
    from scipy.stats import wilcoxon

    squares = np.column_stack([(first - y) ** 2, (second - y) ** 2])
    n = len(y)
    samples = np.empty(n_bootstrap)
    for i in range(n_bootstrap):
        weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        roots = np.sqrt(weights @ squares / n)
        samples[i] = roots[0] - roots[1]
    lower, upper = percentile_interval(samples)
    gaps = np.abs(first - y) - np.abs(second - y)
    p_value = float(wilcoxon(gaps).pvalue) if np.any(gaps) else 1.0
    roots = np.sqrt(squares.mean(axis=0))
    return {
        "difference": float(roots[0] - roots[1]),
        "lower": lower,
        "upper": upper,
        "test": "Wilcoxon, absolute errors",
        "p_value": p_value,
    }


def holm(p_values: Array) -> Array:
    """Adjust p-values for their number (Holm 1979); NaN stays NaN and does not count.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    """
    from statsmodels.stats.multitest import multipletests

    adjusted, defined = p_values.astype(float).copy(), np.isfinite(p_values)
    if defined.sum() > 1:
        adjusted[defined] = multipletests(p_values[defined], method="holm")[1]
    return adjusted


def p_text(p_value: float) -> str:
    """Format a p-value.

    Examples
    --------
    >>> p_text(0.00002), p_text(0.0312)
    ('< 0.0001', '0.0312')
    """
    if not np.isfinite(p_value):
        return "not defined"
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.4f}"
