"""What a learning curve and a validation curve found, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ml_utils.evaluation.metrics import Metric
from ml_utils.training.forecast import Forecast
from ml_utils.wording import count, figure, percent

LITTLE = 0.01  # of what was learnt: a gain below it is not worth collecting rows for


@dataclass(frozen=True)
class LearningCurve:
    """Scores over the number of rows that a model learns from.

    Parameters
    ----------
    label : str
        The candidate's.
    metric : Metric
    points : DataFrame
        rows (mean training rows of a fold), and of train and valid: mean, lower, upper (train, train_lower,
        …), corrected for the rows that folds share.
    forecast : Forecast or None
        What twice the rows would bring; None where the curve has too few points.
    learnt : float
        Distance between the score on all rows and the baseline's.
    """

    label: str
    metric: Metric
    points: pd.DataFrame
    forecast: Forecast | None
    learnt: float

    def to_frame(self) -> pd.DataFrame:
        """Return the points."""
        return self.points

    def results(self) -> dict[str, object]:
        """Return everything, for a results file."""
        forecast = None if self.forecast is None else self.forecast.results()
        return {"label": self.label, "points": self.points, "forecast": forecast, "learnt": self.learnt}

    def sentence(self) -> str:
        """Say whether more rows would help, as far as the curve can tell."""
        if self.forecast is None:
            return "The rows are too few to divide further, so that no curve tells whether more would help."
        gain, lower, upper = self.forecast.gain, self.forecast.lower, self.forecast.upper
        little = LITTLE * self.learnt
        if upper < little:
            verdict = "more rows would hardly help"
        elif lower <= 0:
            verdict = "whether more rows would help cannot be told"
        else:
            verdict = "more rows would help" + (", a little" if gain < little else "")
        ahead = "gain" if self.metric.greater_is_better else "fall by"
        rows = count(self.points["rows"].iloc[-1])
        return (
            f"Twice the {rows} rows would let {self.metric.label} {ahead} about {_small(gain)} "
            f"(95 % interval {_small(lower)} to {_small(upper)}), which is "
            f"{percent(gain / self.learnt if self.learnt else 0.0)} of what was learnt over the baseline: "
            f"{verdict}."
        )


@dataclass(frozen=True)
class ValidationCurve:
    """Scores over one parameter, the others held at their best.

    Parameters
    ----------
    label : str
        The candidate's.
    metric : Metric
    parameter : str
    reason : str
        Why this parameter was taken.
    chosen : float
        The value that the search chose.
    log : bool
        Whether the parameter is searched on a logarithmic scale.
    points : DataFrame
        value, and of train and valid: mean, lower, upper; p_value of the paired test against `chosen`.
    """

    label: str
    metric: Metric
    parameter: str
    reason: str
    chosen: float
    log: bool
    points: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the points."""
        return self.points

    def results(self) -> dict[str, object]:
        """Return everything, for a results file."""
        return {
            **{"label": self.label, "parameter": self.parameter, "reason": self.reason},
            **{"chosen": self.chosen, "points": self.points},
        }

    def sentence(self) -> str:
        """Say how much the parameter matters, and whether another value would be better."""
        best = self.points.sort_values("valid", ascending=not self.metric.greater_is_better).iloc[0]
        spread = float(self.points["valid"].max() - self.points["valid"].min())
        values = self.points["value"]
        where = (
            f"Between {self.parameter} {_value(values.min())} and {_value(values.max())}, all else held, "
            f"{self.metric.label} of {self.label} moves by {_small(spread)}"
        )
        if best["value"] == self.chosen:
            return f"{where}; the search's {_value(self.chosen)} is the best of the values tried."
        beyond = "beyond" if best["p_value"] < 0.05 else "within"
        return (
            f"{where}; the best of the values tried is {_value(best['value'])}, its lead over the search's "
            f"{_value(self.chosen)} being {beyond} chance."
        )


def _small(value: float) -> str:
    return figure(value, 4 if abs(value) < 1 else 1).replace("-", "−")


def _value(value: float) -> str:
    return f"{value:.3g}"
