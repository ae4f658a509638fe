"""What an evaluation found: one frozen object that pages, gates and cards read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.metrics import Counts, get_metric
from ml_utils.wording import count, figure, money, percent

if TYPE_CHECKING:
    from ml_utils.evaluation.residuals import ResidualTests
    from ml_utils.problem import Problem

_KNOWN = {"metric", "label", "value", "lower", "upper", "greater_is_better"}


@dataclass(frozen=True)
class Evaluation:
    """What `ModelEvaluator.evaluate` found.

    Parameters
    ----------
    model : str
    task : {"binary", "multiclass", "regression"}
    n_rows : int
    rate : float
        Share of positives, share of the largest class, or mean of the target.
    threshold : float or None
        Score at or above which the model acts.
    metrics : DataFrame
        metric, label, value, lower, upper (95 %), greater_is_better, and one column a baseline.
    curves : mapping of str to DataFrame
        Points to draw; see `curves.binary_curves` and `curves.regression_curves`.
    confusion : Counts or None
        At the threshold.
    lift : DataFrame or None
        Positives among the rows with the highest scores, by tenths, with intervals.
    profit : DataFrame or None
        Model, everyone and no one in money; None where the problem says nothing about money.
    groups, fairness : DataFrame or None
        By group of the sensitive attributes, and summed up by attribute.
    periods : DataFrame or None
        By period.
    brier : DataFrame or None
        The parts of the Brier score: part, value, lower, upper, meaning.
    classes, class_confusion : DataFrame or None
        Of several classes: figures by class, and rows by true and likeliest class.
    residuals : ResidualTests or None
        Of a regression.
    notes : tuple of str
        What about these rows makes figures undefined or rough, in sentences.
    """

    model: str
    task: str
    n_rows: int
    rate: float
    threshold: float | None
    metrics: pd.DataFrame
    curves: Mapping[str, pd.DataFrame] = field(repr=False)
    confusion: Counts | None = None
    lift: pd.DataFrame | None = field(default=None, repr=False)
    profit: pd.DataFrame | None = field(default=None, repr=False)
    groups: pd.DataFrame | None = field(default=None, repr=False)
    fairness: pd.DataFrame | None = field(default=None, repr=False)
    periods: pd.DataFrame | None = field(default=None, repr=False)
    brier: pd.DataFrame | None = field(default=None, repr=False)
    classes: pd.DataFrame | None = field(default=None, repr=False)
    class_confusion: pd.DataFrame | None = field(default=None, repr=False)
    residuals: ResidualTests | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def value(self, metric: str) -> float:
        """Return a metric's value; NaN where it is not defined.

        Raises
        ------
        ParameterError
            If the metric was not computed.
        """
        return float(self._row(metric)["value"])

    def interval(self, metric: str) -> tuple[float, float]:
        """Return a metric's 95 % interval."""
        row = self._row(metric)
        return float(row["lower"]), float(row["upper"])

    def to_frame(self) -> pd.DataFrame:
        """Return the metrics as a table for a page."""
        table = self.metrics
        shown = pd.DataFrame(
            {
                "metric": table["label"],
                "value": table["value"].map(figure),
                "95 % interval": _spans(table["lower"], table["upper"]),
            }
        )
        for name in table.columns:
            if name not in _KNOWN:
                shown[name] = table[name].map(figure)
        shown["better is"] = np.where(table["greater_is_better"], "more", "less")
        return shown

    def _repr_html_(self) -> str:
        shown = [str(self.to_frame().to_html(index=False))]
        if self.task == "multiclass":
            shown += [str(self.class_table().to_html(index=False)), str(self.confusion_table().to_html())]
        return "\n".join([*shown, *(f"<p>{escape(note)}</p>" for note in self.notes)])

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        kept = [name for name in self.metrics.columns if name not in ("metric", "label", "greater_is_better")]
        metrics = self.metrics.set_index("metric")[kept].to_dict(orient="index")
        found: dict[str, object] = {
            "model": self.model,
            "rows": self.n_rows,
            "rate": self.rate,
            "threshold": self.threshold,
            "metrics": metrics,
            "confusion": vars(self.confusion) if self.confusion else None,
        }
        for name in ("lift", "profit", "groups", "fairness", "periods", "brier", "classes"):
            found[name] = getattr(self, name)
        if self.class_confusion is not None:
            found["class_confusion"] = self.class_confusion.to_dict(orient="index")
        found["residuals"] = self.residuals.results() if self.residuals else None
        found["notes"] = list(self.notes)
        found["curves"] = {name: points.to_dict(orient="list") for name, points in self.curves.items()}
        return found

    def money_table(self, problem: Problem) -> pd.DataFrame:
        """Return what each policy earns as a table for a page, or a line that says why there is none."""
        if self.profit is None or problem.decision is None:
            return _note("The problem file does not price a decision; nothing is said in money.")
        currency, table = problem.decision.currency, self.profit
        amounts = {
            "total": table["total"].map(lambda amount: money(amount, currency)),
            "95 % interval": [
                f"{money(low, currency)} to {money(high, currency)}"
                for low, high in zip(table["lower"], table["upper"], strict=True)
            ],
            f"{currency} a row".strip(): table["per_row"].map(lambda amount: figure(amount, 2)),
        }
        acted = table["acted"].map(lambda rows: count(rows) if np.isfinite(rows) else "")
        return pd.DataFrame({"policy": table["policy"], "acted on": acted, **amounts})

    def brier_table(self) -> pd.DataFrame:
        """Return the Brier score's parts as a table for a page, or a line that says why there are none."""
        if self.brier is None:
            return _note("Only probabilities of two classes have a Brier score to take apart.")
        table = self.brier
        return pd.DataFrame(
            {
                "part of the Brier score": table["part"].str.replace("_", " "),
                "value": table["value"].map(lambda value: figure(value, 4)),
                "95 % interval": _spans(table["lower"], table["upper"], 4),
                "meaning": table["meaning"],
            }
        )

    def lift_table(self) -> pd.DataFrame:
        """Return gain and lift by tenths as a table for a page, or a line that says why there is none."""
        if self.lift is None:
            return _note("Only a model of two classes has a list to work down.")
        table = self.lift
        return pd.DataFrame(
            {
                "highest scores": table["share_of_rows"].map(lambda share: percent(share, 0)),
                "positives found": table["share_of_positives"].map(percent),
                "95 % interval": [
                    f"{percent(low)} to {percent(high)}" if np.isfinite(low) else "not defined"
                    for low, high in zip(table["gain_lower"], table["gain_upper"], strict=True)
                ],
                "lift": table["lift"].map(lambda value: figure(value, 2)),
                "95 % interval of lift": _spans(table["lift_lower"], table["lift_upper"], 2),
            }
        )

    def class_table(self) -> pd.DataFrame:
        """Return the figures by class as a table for a page, or a line that says why there is none."""
        if self.classes is None:
            return _note("There are no several classes here.")
        table = self.classes
        shown = pd.DataFrame({name: table[name] for name in ("class", "rows", "decided")})
        for name, label in (
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1", "F1"),
            ("roc_auc", "AUC"),
        ):
            spans = _spans(table[f"{name}_lower"], table[f"{name}_upper"])
            shown[label] = [
                f"{figure(value)} ({span})" if np.isfinite(value) else "not defined"
                for value, span in zip(table[name], spans, strict=True)
            ]
        return shown

    def confusion_table(self) -> pd.DataFrame:
        """Return rows by true and decided class as a table for a page."""
        if self.class_confusion is not None:
            shown = self.class_confusion.map(count)
            return shown.rename(index=lambda name: f"truly {name}", columns=lambda name: f"decided {name}")
        if self.confusion is None:
            return _note("A regression decides nothing.")
        cells = [[self.confusion.tp, self.confusion.fn], [self.confusion.fp, self.confusion.tn]]
        return pd.DataFrame(
            [[count(float(cell)) for cell in row] for row in cells],
            index=["truly positive", "truly negative"],
            columns=["acted on", "left alone"],
        )

    def period_table(self) -> pd.DataFrame:
        """Return the figures by period as a table for a page, or a line that says why there is none."""
        if self.periods is None:
            return _note("The table has no time column; there are no periods to compare.")
        shown = self.periods.rename(columns={"roc_auc": "AUC", "rmse": "RMSE"})
        shown = shown.rename(columns=lambda name: name.replace("_", " "))
        numbers = [name for name in shown.columns if name not in ("period", "rows")]
        return shown.assign(**{name: shown[name].map(figure) for name in numbers})

    def fairness_table(self) -> pd.DataFrame:
        """Return the groups by attribute as a table for a page, or a line that says why there is none."""
        if self.fairness is None:
            return _note("The problem file names no sensitive attribute; nothing was compared.")
        shown = self.fairness.rename(columns=lambda name: name.replace("_", " "))
        numbers = shown.select_dtypes("number").columns.drop("groups", errors="ignore")
        shown[numbers] = shown[numbers].map(lambda value: figure(value, 2)).astype(object)
        return shown.fillna("not defined")

    def headline(self, problem: Problem) -> dict[str, str]:
        """Return up to three formatted figures for the index."""
        low, high = self.interval(problem.metric)
        name = get_metric(problem.metric, self.task).label
        found = {name: f"{figure(self.value(problem.metric))} ({figure(low)} to {figure(high)})"}
        if self.profit is not None and problem.decision is not None:
            total = float(self.profit["total"].iloc[0])
            found["profit on the test split"] = money(total, problem.decision.currency)
        elif self.task == "regression":
            found["R²"] = figure(self.value("r2"))
        return found

    def _row(self, metric: str) -> pd.Series:
        rows = self.metrics[self.metrics["metric"] == metric]
        if rows.empty:
            raise ParameterError(f"{metric!r} was not computed. {list_known(metric, self.metrics['metric'])}")
        return rows.iloc[0]


def _spans(lower: pd.Series, upper: pd.Series, digits: int = 3) -> list[str]:
    return [
        f"{figure(low, digits)} to {figure(high, digits)}" if np.isfinite(low) else "not defined"
        for low, high in zip(lower, upper, strict=True)
    ]


def _note(text: str) -> pd.DataFrame:
    return pd.DataFrame({"note": [text]})
