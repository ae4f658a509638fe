"""The honest check of a search: its best model on rows that took no part in it, and what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.intervals import Z95, wilson
from ml_utils.evaluation.metrics import METRICS, Array, calibration_bins
from ml_utils.model import Model
from ml_utils.problem import Problem
from ml_utils.training.thresholds import ANALYTIC, HALF
from ml_utils.training.trainer import ModelTrainer
from ml_utils.wording import count, figure, listing, money, percent

SHOWN = {
    "binary": ("roc_auc", "average_precision", "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "r2"),
}
TRUTH = "best achievable"
CARRIES_OVER = 0.15  # share of what was learnt that may be lost on new rows before the page warns


@dataclass(frozen=True)
class HoldoutCheck:
    """Models on rows that the search never saw.

    Parameters
    ----------
    metrics : DataFrame
        A row a model, a column a metric; the last row is the truth's where it is known.
    calibration : DataFrame
        Of the first model, in bins of about equal numbers of rows: predicted (mean score), observed (mean
        target), lower, upper (95 % interval of observed), rows.
    rows : int
    achieved : float
        Share of the best achievable AUC (of the best achievable R² in a regression) that the first model
        reaches; NaN where the truth is not known.
    """

    metrics: pd.DataFrame
    calibration: pd.DataFrame
    rows: int
    achieved: float

    def to_frame(self) -> pd.DataFrame:
        """Return the metrics with their labels as columns."""
        labels = {name: METRICS[name].label for name in self.metrics.columns if name in METRICS}
        return self.metrics.rename(columns=labels)

    def results(self) -> dict[str, object]:
        """Return everything, for a results file."""
        return {"valid": self.metrics, "calibration_bins": self.calibration, "achieved": self.achieved}

    def headline(self, trainer: ModelTrainer) -> dict[str, str]:
        """Return the figures that stand for the page on the index."""
        best, metric = trainer.chosen_result_, trainer.metric_
        shown = {"chosen model": best.label, f"{metric.label}, cross-validated": _score(best.mean)}
        if metric.name in self.metrics:
            shown[f"{metric.label}, rows kept apart"] = _score(self.metrics[metric.name].iloc[0])
        if np.isfinite(self.achieved):
            shown["of the best achievable"] = percent(self.achieved)
        return shown

    def _repr_html_(self) -> str:
        return self.to_frame().style.format(precision=4).hide().to_html()


def check_holdout(
    models: Mapping[str, Model],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    truth: npt.ArrayLike | None = None,
) -> HoldoutCheck:
    """Judge models on rows that took no part in training or selection.

    Parameters
    ----------
    models : mapping of str to Model
        Label to model; the first is the one whose calibration is looked at.
    X : DataFrame of shape (n_rows, n_columns)
    y : array of shape (n_rows,)
    truth : array of shape (n_rows,), optional
        True probability, or expected value, of each row: what no model can beat but by luck.

    Returns
    -------
    HoldoutCheck

    Raises
    ------
    ParameterError
        If no model is given.
    """
    if not models:
        raise ParameterError("models is empty; give at least one to check.")
    task = next(iter(models.values())).task
    target = np.asarray(y, dtype=float)
    scores = {label: model.predict_score(X) for label, model in models.items()}
    first = next(iter(scores.values()))
    if truth is not None:
        scores[TRUTH] = np.asarray(truth, dtype=float)
    table = pd.DataFrame(
        [
            {"model": label, **{name: METRICS[name].value(target, score) for name in SHOWN[task]}}
            for label, score in scores.items()
        ]
    )
    by = "roc_auc" if task == "binary" else "r2"
    achieved = float(table[by].iloc[0] / table[by].iloc[-1]) if truth is not None else float("nan")
    return HoldoutCheck(table, calibration_table(target, first, task), len(target), achieved)


def calibration_table(y: Array, score: Array, task: str, bins: int = 10) -> pd.DataFrame:
    """Return predicted (mean score), observed (mean target) with a 95 % interval, and rows, by bin."""
    grouped = pd.DataFrame({"y": y, "score": score}).groupby(calibration_bins(score, bins))
    rows, observed = grouped.size(), grouped["y"].mean()
    if task == "binary":
        lower, upper = wilson(grouped["y"].sum(), rows)
    else:
        half = Z95 * grouped["y"].std(ddof=1) / np.sqrt(rows)
        lower, upper = (observed - half).to_numpy(), (observed + half).to_numpy()
    return pd.DataFrame(
        {
            "predicted": grouped["score"].mean().to_numpy(),
            "observed": observed.to_numpy(),
            "lower": lower,
            "upper": upper,
            "rows": rows.to_numpy(),
        }
    )


def gap_sentence(trainer: ModelTrainer) -> str:
    """Say in words how much of what the chosen model learnt does not carry over to new rows."""
    best, label = trainer.chosen_result_, trainer.metric_.label
    base = next(item for item in trainer.candidates_ if item.name == "baseline")
    if best.name == "baseline":
        return "The baseline learns nothing, so that nothing can be learnt by heart."
    learnt = abs(best.train_mean - base.train_mean)
    gap = float(trainer.leaderboard_.set_index("candidate").loc[best.name, "gap"])
    lost = max(gap, 0.0) / learnt if learnt else 0.0
    verdict = "which is little" if lost <= CARRIES_OVER else "which is much: it learns rows by heart"
    reached = f"{_metric(label)} {_score(best.train_mean)} on the rows it was fitted on"
    return (
        f"{_capital(best.label)} reaches {reached} and {_score(best.mean)} on the others: "
        f"{percent(lost, 0)} of what it seems to have learnt does not carry over, {verdict}."
    )


def lever_sentence(trainer: ModelTrainer, y: npt.ArrayLike) -> str:
    """Say which moves profit more: the choice among models that are tied, or that of the threshold.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted.
    y : array of shape (n_rows,)
        The target that it was fitted on.
    """
    rules, decision = trainer.thresholds_, trainer.decision
    if rules is None or decision is None:
        return "The problem file states no benefit and cost, so that no threshold can be said to pay more."
    profit = rules.set_index("rule")["profit"]
    target = np.asarray(y, dtype=float)[trainer.rows_]
    cut = float(rules.set_index("rule").loc[ANALYTIC, "threshold"])
    earned = []
    for item in trainer.candidates_:
        if item.name != "baseline" and not item.error:
            acted = item.oof >= cut
            hits = float(target[acted].sum())
            earned.append(decision.benefit * hits - decision.cost * (float(acted.sum()) - hits))
    spread = max(earned) - min(earned) if earned else 0.0
    by_rule = abs(float(profit[ANALYTIC] - profit[HALF]))
    return (
        f"Acting from the analytic threshold instead of from one half moves profit by "
        f"{money(by_rule, decision.currency)}, choosing among the models at that threshold by "
        f"{money(spread, decision.currency)}: the {'threshold' if by_rule > spread else 'model'} is the "
        "greater lever."
    )


def training_sentences(trainer: ModelTrainer, check: HoldoutCheck, problem: Problem) -> list[str]:
    """Answer notebook 02's question in three sentences: the answer, how sure it is, what to do.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted.
    check : HoldoutCheck
        Of its best model.
    problem : Problem

    Returns
    -------
    list of str
    """
    return [_winner(trainer, check, problem), _doubt(trainer, check), _advice(trainer)]


def _winner(trainer: ModelTrainer, check: HoldoutCheck, problem: Problem) -> str:
    best, metric = trainer.chosen_result_, trainer.metric_
    base = next(item for item in trainer.candidates_ if item.name == "baseline")
    if best.name == "baseline":
        return (
            "No model predicts better than taking no column into account: the best "
            f"{metric.label} of cross-validation is the baseline's {_score(base.mean)}."
        )
    ahead = best is trainer.candidates_[0]
    well = (
        "best" if ahead else f"as well as can be told from {trainer.candidates_[0].label}, and more simply,"
    )
    what = f"predicts {problem.target} {well}"
    if trainer.task_ == "binary" and problem.outcome:
        what = f"predicts {well} which {problem.entity} {problem.outcome}"
    seen = check.metrics[metric.name].iloc[0] if metric.name in check.metrics else float("nan")
    held = f", and {_score(seen)} on {count(check.rows)} rows kept apart" if np.isfinite(seen) else ""
    return (
        f"{_capital(best.label)} {what}: {metric.label} {_score(best.mean)} in "
        f"cross-validation{held}, against {_score(base.mean)} without any column."
    )


def _doubt(trainer: ModelTrainer, check: HoldoutCheck) -> str:
    board = trainer.leaderboard_[trainer.leaderboard_["error"] == ""]
    row = board.set_index("candidate").loc[trainer.chosen_result_.name]
    share = ""
    if np.isfinite(check.achieved):
        what = "AUC" if trainer.task_ == "binary" else "R²"
        share = f"; the model reaches {percent(check.achieved)} of the best achievable {what}"
    interval = f"between {_score(row['lower'])} and {_score(row['upper'])}"
    return f"With 95 % certainty its {trainer.metric_.label} lies {interval}; {_rivals(trainer)}{share}."


def _rivals(trainer: ModelTrainer) -> str:
    """Say which of the other candidates may be as good."""
    board = trainer.leaderboard_[trainer.leaderboard_["error"] == ""]
    best, others = board.iloc[0], board.iloc[1:]
    if trainer.chosen_result_.name != best["candidate"]:
        return f"{best['label']} scores {_score(best['mean'])}, a lead that may be chance"
    tied = others.loc[others["tied_with_best"], "label"].tolist()
    behind = others.loc[~others["tied_with_best"] & (others["candidate"] != "baseline"), "label"].tolist()
    parts = []
    if tied:
        parts.append(f"its lead over {listing(tied)} may be chance")
    if behind:
        parts.append(f"its lead over {listing(behind)} is real")
    return " and ".join(parts) or "only the baseline stands beside it"


def _advice(trainer: ModelTrainer) -> str:
    decision, label = trainer.decision, trainer.chosen_result_.label
    text, rules = f"Register {label} as the challenger", trainer.thresholds_
    if rules is None:
        return f"{text} and let the test rows decide whether it ships."
    threshold = trainer.best_.threshold or 0.0
    taken = rules.loc[(rules["threshold"] - threshold).abs().idxmin()]
    if decision is None:
        return f"{text} and act from a score of {percent(threshold)} on ({taken['rule']})."
    earned = money(float(taken["profit"]), decision.currency)
    half = money(float(rules.set_index("rule").loc[HALF, "profit"]), decision.currency)
    return (
        f"{text} and {decision.action} from a score of {percent(threshold)} on, which earns {earned} "
        f"on the {count(len(trainer.rows_))} rows of cross-validation, against {half} from one half on."
    )


def _metric(label: str) -> str:
    return f"{'an' if label[0] in 'AaRe' else 'a'} {label} of"


def _score(value: float) -> str:
    """Format a metric: three decimals of a score, one of an error in the target's unit."""
    return figure(value, 3 if abs(value) < 10 else 1)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
