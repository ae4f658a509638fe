"""Are a regression's errors what they should be: without bias, equally wide everywhere, bell-shaped?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import t_quantile
from ml_utils.evaluation.paired import p_text
from ml_utils.evaluation.scores import Array
from ml_utils.wording import figure

ALPHA = 0.01  # many rows: what is small but sure is not worth a sentence


@dataclass(frozen=True)
class ResidualTests:
    """What the tests of the residuals found.

    Parameters
    ----------
    bias, bias_lower, bias_upper : float
        Mean of observed less predicted, with its 95 % interval, in the target's unit.
    skewness, excess_kurtosis : float
    spread_by_prediction : float
        Spearman's correlation between the size of the error and the prediction.
    tests : DataFrame
        test, question, statistic, p_value, finding (in words).
    """

    bias: float
    bias_lower: float
    bias_upper: float
    skewness: float
    excess_kurtosis: float
    spread_by_prediction: float
    tests: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the tests as a table for a page."""
        shown = self.tests[["question", "test"]].copy()
        shown["p"] = [p_text(value) for value in self.tests["p_value"]]
        shown["finding"] = self.tests["finding"]
        return shown

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return every number, for the results file."""
        return {name: value for name, value in vars(self).items() if name != "tests"} | {"tests": self.tests}

    def sentence(self) -> str:
        """Say in words what the tests found."""
        return " ".join(self.tests["finding"])


def residual_tests(y: Array, predicted: Array) -> ResidualTests | None:
    """Test the residuals of a regression; None for fewer than eight rows or errors that are all the same.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_rows,)

    Returns
    -------
    ResidualTests or None
        Student's t of the mean (scipy), Breusch–Pagan in Koenker's studentised form against the prediction
        (statsmodels), Jarque–Bera (statsmodels).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mean = rng.uniform(10, 20, 500)
    >>> found = residual_tests(mean + rng.normal(0, mean / 10), mean)
    >>> found.tests["p_value"].round(2).tolist()[1] < 0.01
    True
    """
    residual = y - predicted
    if len(y) < 8 or np.ptp(residual) == 0:
        return None
    from scipy.stats import spearmanr
    from statsmodels.stats.stattools import jarque_bera

    shape = tuple(float(part) for part in jarque_bera(residual))
    rows = [_bias_row(residual), _spread_row(residual, predicted), _shape_row(*shape)]
    mean, error = float(residual.mean()), float(residual.std(ddof=1) / np.sqrt(len(y)))
    half = t_quantile(len(y) - 1) * error
    constant = np.ptp(predicted) == 0
    return ResidualTests(
        mean,
        mean - half,
        mean + half,
        shape[2],
        shape[3] - 3,
        float("nan") if constant else float(spearmanr(np.abs(residual), predicted).statistic),
        pd.DataFrame(rows),
    )


def _bias_row(residual: Array) -> dict[str, object]:
    from scipy.stats import ttest_1samp

    statistic, p_value = ttest_1samp(residual, 0.0)
    mean = float(residual.mean())
    finding = "On average the predictions are right, as far as these rows tell."
    if p_value < ALPHA:
        finding = (
            f"On average the predictions are too {'low' if mean > 0 else 'high'}, by {figure(abs(mean))}."
        )
    return _row("Student's t", "Is the mean error zero?", float(statistic), float(p_value), finding)


def _spread_row(residual: Array, predicted: Array) -> dict[str, object]:
    name, question = "Breusch–Pagan (Koenker)", "Are errors equally wide at every prediction?"
    if np.ptp(predicted) == 0:
        return _row(name, question, np.nan, np.nan, "Every prediction is the same: not defined.")
    from statsmodels.stats.diagnostic import het_breuschpagan

    design = np.column_stack([np.ones(len(predicted)), predicted])
    statistic, p_value, _, _ = het_breuschpagan(residual, design, robust=True)
    finding = "Errors are equally wide at low and high predictions."
    if p_value < ALPHA:
        wider = np.corrcoef(residual**2, predicted)[0, 1] > 0
        where = "higher" if wider else "lower"
        finding = f"Errors grow with {where} predictions: one error bar does not fit all."
    return _row(name, question, float(statistic), float(p_value), finding)


def _shape_row(statistic: float, p_value: float, skewness: float, kurtosis: float) -> dict[str, object]:
    finding = "Errors are bell-shaped."
    if p_value < ALPHA:
        tails = "heavier" if kurtosis > 3 else "lighter"
        lean = f" and lean to the {'high' if skewness > 0 else 'low'} side" if abs(skewness) > 0.5 else ""
        finding = (
            f"Errors are not bell-shaped: their tails are {tails} than the bell's{lean}; intervals here "
            "allow for it."
        )
    return _row("Jarque–Bera", "Are errors bell-shaped?", statistic, p_value, finding)


def _row(test: str, question: str, statistic: float, p_value: float, finding: str) -> dict[str, object]:
    return {
        "test": test,
        "question": question,
        "statistic": statistic,
        "p_value": p_value,
        "finding": finding,
    }
