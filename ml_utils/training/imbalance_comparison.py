"""What weights and samplers do to one model: ranking, probabilities and profit, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.metrics import METRICS, Array
from ml_utils.problem import Decision
from ml_utils.training.candidates import CANDIDATES, Candidate, Params
from ml_utils.training.imbalance import (
    IMBALANCES,
    LABELS,
    WEIGHTS,
    balancing_weight,
    candidate_shift,
    check_imbalance,
)
from ml_utils.training.leaderboard import corrected_interval, corrected_t_test
from ml_utils.training.search import FoldTables, predict
from ml_utils.wording import figure, listing, money, percent

if TYPE_CHECKING:
    from ml_utils.training.trainer import ModelTrainer

_RAW = ("roc_auc", "average_precision", "log_loss", "brier", "ece")
_HIGHER = {"roc_auc", "average_precision", "profit_raw", "profit_set_right"}
_BY_DEFAULT = tuple(name for name in IMBALANCES if name != "scale_pos_weight")  # it is class_weight, of two


@dataclass(frozen=True)
class ImbalanceComparison:
    """Ways to treat a rare class, each against doing nothing, on the same folds.

    Parameters
    ----------
    frame : DataFrame
        A row a method, means over folds: method, label, roc_auc, average_precision, log_loss, brier, ece
        (of the probabilities as the model gives them), brier_set_right (after the change of the classes'
        shares is undone) and, with a decision, profit_raw and profit_set_right (a row, acting from the
        analytic threshold on either).
    differences : DataFrame
        Against "none": method, metric, difference, lower, upper (paired interval, corrected for overlapping
        folds), p_value, better (whether the method helps, in the metric's direction).
    candidate : str
        Label of the model.
    rows : int
        Rows of a fold that the model was fitted on, before resampling.
    alpha : float
        Level of what sentences call a difference.
    decision : Decision or None
    """

    frame: pd.DataFrame
    differences: pd.DataFrame
    candidate: str
    rows: int
    alpha: float = 0.05
    decision: Decision | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the means with the columns' names as a page shows them."""
        names = {name: METRICS[name].label for name in _RAW}
        names |= {
            "label": "rare class",
            "brier_set_right": f"{METRICS['brier'].label}, set right",
            "profit_raw": "profit a row",
            "profit_set_right": "profit a row, set right",
        }
        return self.frame.drop(columns="method").rename(columns=names)

    def sentences(self) -> list[str]:
        """Say what resampling and weights do to ranking, to probabilities, and to profit."""
        return [self._ranking(), self._probabilities(), *([self._profit()] if self.decision else [])]

    def _told(self, metric: str, *, better: bool) -> pd.DataFrame:
        found = self.differences[self.differences["metric"] == metric]
        return found[(found["p_value"] <= self.alpha) & (found["better"] == better)]

    def _labels(self, methods: pd.Series) -> str:
        if len(methods) > 2 and len(methods) == len(self.frame) - 1:
            return "every treatment"
        return listing([LABELS[name] for name in methods], len(methods))

    def _ranking(self) -> str:
        won, lost = self._told("roc_auc", better=True), self._told("roc_auc", better=False)
        told = [
            f"{self._labels(part['method'])} {verb} AUC by up to {figure(part['difference'].abs().max(), 4)}"
            for part, verb in ((won, "raised"), (lost, "lowered"))
            if len(part)
        ]
        said = " and ".join(told) or "no treatment of the rare class changed AUC by more than chance"
        return f"With {self.candidate}, {said}."

    def _probabilities(self) -> str:
        table = self.frame.set_index("method")
        none, others = table["brier"]["none"], table["brier"].drop("none")
        worst = str(others.idxmax())
        worse = self._told("brier", better=False)
        if worst not in set(worse["method"]):
            return "Probabilities as the models give them were not made worse by more than chance."
        right = table.loc[worst, "brier_set_right"]
        return (
            f"Probabilities as the model gives them got worse with {self._labels(worse['method'])}: with "
            f"{LABELS[worst]} the Brier score rose by {percent(float(others.max() / none - 1), 0)}, from "
            f"{figure(none, 4)} to {figure(others.max(), 4)}; set right for the changed shares it is "
            f"{figure(float(right), 4)}."
        )

    def _profit(self) -> str:
        assert self.decision is not None
        table, unit = self.frame.set_index("method"), 1000
        none, others = float(table["profit_raw"]["none"]), table["profit_raw"].drop("none")
        worst = str(others.idxmin())
        right = table["profit_set_right"].drop("none")
        gained = self._told("profit_set_right", better=True)
        earned, lost, best = (
            money(unit * float(value), self.decision.currency) for value in (none, others.min(), right.max())
        )
        verdict = "none of them earned more than doing nothing by more than chance"
        if len(gained):
            verdict = f"{self._labels(gained['method'])} earned more than doing nothing"
        return (
            f"Acting from {percent(self.decision.threshold)} on earns {earned} per 1,000 rows when nothing "
            f"is done; with {LABELS[worst]} and its raw scores {lost}; with scores set right, at most "
            f"{best}: {verdict}."
        )

    def _repr_html_(self) -> str:
        return self.to_frame().style.format(precision=4).hide().to_html()


def compare_imbalance(
    trainer: ModelTrainer,
    methods: Sequence[str] = _BY_DEFAULT,
    candidate: str | None = None,
    max_rows: int | None = 4_000,
) -> ImbalanceComparison:
    """Compare ways to treat a rare class on the folds and features that a fitted trainer has.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted, on a binary task.
    methods : sequence of str
        Names in `imbalance.IMBALANCES`; "none" is always compared.
    candidate : str, optional
        A candidate of the leaderboard, no ensemble, or "best" for the best of them; by default logistic
        regression, which is quick.
    max_rows : int, optional
        Of larger folds so many training rows, drawn at random, are fitted on; samplers that look for
        neighbours are slow.

    Raises
    ------
    DataError
        If the task is not binary.
    ParameterError
        If a method or the candidate is unknown, or there is no method but "none".
    """
    if trainer.task_ != "binary":
        raise DataError(
            f"Treatments of a rare class are compared for two classes; the task is {trainer.task_}."
        )
    names = ["none", *(name for name in methods if name != "none")]
    for name in names:
        check_imbalance(name, "binary")
    if len(names) < 2:
        raise ParameterError(
            f"methods is {list(methods)!r}; name one at least to compare with 'none', such as 'over'."
        )
    model, params = _candidate(trainer, candidate)
    tables = trainer.tables_.with_sampler("none") if max_rows is None else trainer.tables_.thinned(max_rows)
    each = {name: _scores(name, model, params, tables, trainer) for name in names}
    frame = pd.DataFrame(
        [{"method": name, "label": LABELS[name], **found.mean().to_dict()} for name, found in each.items()]
    )
    ratio = float(np.mean([len(f.valid) / len(f.train) for f in trainer.tables_.folds]))
    differences = [
        _difference(name, metric, found[metric], each["none"][metric], ratio, trainer.alpha)
        for name, found in each.items()
        if name != "none"
        for metric in found.columns
    ]
    rows = round(float(np.mean([len(fold.train) for fold in tables.folds])))
    columns = ["method", "metric", "difference", "lower", "upper", "p_value", "better"]
    return ImbalanceComparison(
        *(frame, pd.DataFrame(differences, columns=columns), model.label, rows, trainer.alpha),
        trainer.decision,
    )


def _candidate(trainer: ModelTrainer, name: str | None) -> tuple[Candidate, Params]:
    known = {item.name: item for item in trainer.candidates_ if not item.error and not item.weights}
    if name == "best":
        name = next((key for key in known if key != "baseline"), "baseline")
    if name is None and "logistic" not in known:
        return CANDIDATES["logistic"], dict(CANDIDATES["logistic"].prior)
    name = name or "logistic"
    if name not in known:
        raise ParameterError(f"There is no single fitted candidate {name!r}. {list_known(name, known)}")
    return trainer.chosen_[name], known[name].params


def _scores(
    method: str, candidate: Candidate, params: Params, tables: FoldTables, trainer: ModelTrainer
) -> pd.DataFrame:
    """Score a method on every fold: a row a fold."""
    treated = tables.with_sampler(method)
    found = []
    for fold, table in zip(treated.folds, treated.all(), strict=True):
        weight = balancing_weight(table.y) if method in WEIGHTS else 1.0
        setting = replace(trainer.setting_, positive_weight=weight, balanced=method in WEIGHTS)
        model = candidate.build(dict(params), setting).fit(table.Z, table.y)
        raw = predict(model, table.valid, "binary")
        right = candidate_shift(candidate, setting, table.shift, table.y).undo(raw)
        found.append(_row(tables.y[fold.valid], raw, right, trainer.decision))
    return pd.DataFrame(found)


def _row(y: Array, raw: Array, right: Array, decision: Decision | None) -> dict[str, float]:
    row = {name: METRICS[name].value(y, raw) for name in _RAW}
    row["brier_set_right"] = METRICS["brier"].value(y, right)
    if decision is not None:
        value = np.where(y == 1, decision.benefit, -decision.cost)
        for name, score in (("profit_raw", raw), ("profit_set_right", right)):
            row[name] = float(np.mean((score >= decision.threshold) * value))
    return row


def _difference(
    method: str, metric: str, scores: pd.Series, none: pd.Series, ratio: float, alpha: float
) -> tuple[str, str, float, float, float, float, bool]:
    paired = (scores - none).to_numpy()
    lower, upper = corrected_interval(paired, ratio, 1 - alpha)
    mean = float(paired.mean())
    p_value = corrected_t_test(scores, none, ratio)
    return method, metric, mean, lower, upper, p_value, (mean > 0) == (metric in _HIGHER)
