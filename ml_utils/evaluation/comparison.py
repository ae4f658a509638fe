"""Paired comparison of models on the same rows: is one better, and is it more than chance?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.delong import delong_test
from ml_utils.evaluation.intervals import LEVEL
from ml_utils.evaluation.metrics import METRICS, Array, check_scores
from ml_utils.evaluation.paired import holm, mcnemar, p_text, paired_bootstrap, wilcoxon_signed_rank
from ml_utils.wording import figure

__all__ = ["Comparison", "compare_scores", "holm", "mcnemar", "p_text"]


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
    tests : DataFrame
        Every test of every pair, one row each: first, second, measure, test, difference, lower, upper (NaN
        where the test gives none), p_value, p_adjusted (Holm, over the pairs of one test).
    """

    metric: str
    task: str
    n_rows: int
    by_model: Mapping[str, float]
    pairs: pd.DataFrame
    tests: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

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

    def test_frame(self, of: str | None = None) -> pd.DataFrame:
        """Return every test as a table for a page: of every pair, or of those of one model."""
        tests = self.tests
        if of is not None:
            tests = tests[(tests["first"] == of) | (tests["second"] == of)]
        span = [
            f"{figure(row.difference, 4)} ({figure(row.lower, 4)} to {figure(row.upper, 4)})"
            if np.isfinite(row.lower)
            else figure(row.difference, 4)
            for row in tests.itertuples()
        ]
        return pd.DataFrame(
            {
                "models": tests["first"] + " less " + tests["second"],
                "in": tests["measure"],
                "difference (95 % interval)": span,
                "test": tests["test"],
                "p": tests["p_value"].map(p_text),
                "p (Holm)": tests["p_adjusted"].map(p_text),
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        return {
            "metric": self.metric,
            "values": dict(self.by_model),
            "pairs": self.pairs,
            "tests": self.tests,
        }

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
        Resamples behind the intervals that have no formula.
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
    rows, tests = [], []
    for first, second in combinations(scores, 2):
        given = (y, scores[first], scores[second])
        if task == "binary":
            cuts = (thresholds[first], thresholds[second])
            row, more = _binary_pair(*given, cuts, n_bootstrap, rng)
        else:
            row, more = _regression_pair(*given, n_bootstrap, rng)
        rows.append({"first": first, "second": second, **row})
        tests += [{"first": first, "second": second, **test} for test in more]
    pairs, table = pd.DataFrame(rows), pd.DataFrame(tests)
    pairs.insert(7, "p_adjusted", holm(pairs["p_value"].to_numpy(float)))
    by_test = table.groupby(["measure", "test"], sort=False)["p_value"]
    table["p_adjusted"] = by_test.transform(lambda values: holm(values.to_numpy(float)))
    values = {name: METRICS[metric].function(y, score) for name, score in scores.items()}
    return Comparison(metric, task, len(y), values, pairs, table)


Test = dict[str, object]


def _test(
    measure: str,
    test: str,
    p_value: float,
    difference: float,
    lower: float = float("nan"),
    upper: float = float("nan"),
) -> Test:
    found: Test = {"measure": measure, "test": test, "difference": difference, "lower": lower}
    return {**found, "upper": upper, "p_value": p_value}


def _binary_pair(
    y: Array,
    first: Array,
    second: Array,
    cuts: tuple[float, float],
    n_bootstrap: int,
    rng: np.random.Generator,
) -> tuple[dict[str, object], list[Test]]:
    difference, lower, upper, p_value = delong_test(y, first, second, LEVEL)
    right = [(score >= cut) == (y > 0) for score, cut in zip((first, second), cuts, strict=True)]
    decided = mcnemar(*right)
    row = {"difference": difference, "lower": lower, "upper": upper, "test": "DeLong", "p_value": p_value}
    gap = float(right[0].mean() - right[1].mean())
    boot = paired_bootstrap(y, first, second, "log_loss", n_bootstrap, rng)
    return row | decided, [
        _test("AUC", "DeLong", p_value, difference, lower, upper),
        _test("log loss", "paired bootstrap", **boot),
        _test("accuracy", "McNemar, exact", decided["p_mcnemar"], gap),
        _test("accuracy", "McNemar, mid-p", decided["p_mcnemar_mid"], gap),
    ]


def _regression_pair(
    y: Array, first: Array, second: Array, n_bootstrap: int, rng: np.random.Generator
) -> tuple[dict[str, object], list[Test]]:
    boot = paired_bootstrap(y, first, second, "rmse", n_bootstrap, rng)
    absolute = [np.abs(score - y) for score in (first, second)]
    p_value = wilcoxon_signed_rank(*absolute)
    gap = float(absolute[0].mean() - absolute[1].mean())
    row = {name: boot[name] for name in ("difference", "lower", "upper")}
    return {**row, "test": "Wilcoxon, absolute errors", "p_value": p_value}, [
        _test(METRICS["rmse"].label, "paired bootstrap", **boot),
        _test(METRICS["mae"].label, "Wilcoxon signed-rank", p_value, gap),
    ]
