"""Why a model predicts what it predicts, told in the columns that the user knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.classes import class_contributions
from ml_utils.explanation.contributions import Contributions, contributions, margin, spread_rounding
from ml_utils.explanation.permutation import permutation_importance
from ml_utils.explanation.rounding import DOUBLE
from ml_utils.explanation.sources import SEVERAL, category_effects, importance_table, ownership, share_text
from ml_utils.model import Model
from ml_utils.wording import figure, listing

__all__ = ["SEVERAL", "Explanation", "category_effects", "explain", "explain_classes", "share_text"]

USUAL_ROWS = 1000  # background rows at least, however few are explained


@dataclass(frozen=True)
class Explanation:
    """What `explain` found.

    Parameters
    ----------
    model : str
    method : str
        How the contributions were computed.
    unit : str
        "log-odds", "log-odds before calibration", or "the target's unit".
    sources : tuple of str
        Raw columns, in the order of `values`.
    values : ndarray of shape (n_rows, n_sources)
        Contribution of each column to each row.
    base : float
        A row's output is the base plus its contributions.
    rows : DataFrame of shape (n_rows, n_sources)
        The raw columns of the rows explained.
    importance : DataFrame
        source, mean_abs, share, direction (1 higher raises, −1 higher lowers, 0 no single direction or a
        category), effect (the same in words); in falling order.
    additivity_error : float
        Largest distance between base plus contributions and the model's output.
    permutation : DataFrame or None
        From `permutation_importance`.
    note : str
        What a reader must know of what is explained; empty where it is the prediction's own log-odds.
    """

    model: str
    method: str
    unit: str
    sources: tuple[str, ...]
    values: Array = field(repr=False)
    base: float
    rows: pd.DataFrame = field(repr=False)
    importance: pd.DataFrame
    additivity_error: float
    permutation: pd.DataFrame | None = None
    note: str = ""

    def to_frame(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` most important columns as a table for a page."""
        used = self.importance[self.importance["mean_abs"] > 0].head(n)
        shown = pd.DataFrame(
            {
                "column": used["source"],
                f"mean |contribution|, {self.unit}": used["mean_abs"].map(figure),
                "share": used["share"].map(share_text),
                "effect": used["effect"],
            }
        )
        if self.permutation is not None:
            digits = 4 if self.unit.startswith("log-odds") else 1  # of AUC, or of the target's unit
            found = self.permutation.set_index("source").loc[used["source"]]
            shown["loss when shuffled"] = [figure(value, digits) for value in found["loss"]]
            shown["95 % interval"] = [
                f"{figure(row.lower, digits)} to {figure(row.upper, digits)}" for row in found.itertuples()
            ]
        return shown.reset_index(drop=True)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def top(self, n: int = 5) -> list[str]:
        """Return the names of the most important columns that are used at all."""
        return [str(name) for name in self.importance.loc[self.importance["mean_abs"] > 0, "source"].head(n)]

    def disagreement(self, n: int = 5) -> str:
        """Say which columns are among the first `n` by one method only."""
        if self.permutation is None:
            return "Only one method was used."
        if not self.top(1):
            return "The model uses no column."
        first = self.top(n)
        second = [str(name) for name in self.permutation["source"].head(len(first))]
        only_first, only_second = (
            [x for x in a if x not in b] for a, b in ((first, second), (second, first))
        )
        if not only_first:
            return f"Both methods name the same first {len(first)} columns: {listing(first)}."
        verb = "is" if len(only_first) == 1 else "are"
        return (
            f"Of the first {len(first)}, {listing(only_first)} {verb} there by SHAP only and "
            f"{listing(only_second)} by shuffling only."
        )

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {
            "method": self.method,
            "unit": self.unit,
            "note": self.note,
            "rows": len(self.values),
            "additivity_error": self.additivity_error,
            "importance": self.importance,
            "permutation": self.permutation,
        }


def explain(
    model: Model,
    X: pd.DataFrame,
    background: pd.DataFrame | None = None,
    n_rows: int = 1000,
    seed: int = 42,
    y: npt.ArrayLike | None = None,
) -> Explanation:
    """Explain a model by SHAP values, summed from its features back to the raw columns they come from.

    Parameters
    ----------
    model : Model
        Its pipeline has the steps "features" (with `dictionary_`) and "model".
    X : DataFrame of shape (n, n_columns)
        Raw rows to explain.
    background : DataFrame, optional
        Raw rows that say what is usual; `X` by default.
    n_rows : int
        Rows explained at most, drawn from `X`; all of them where there are fewer.
    seed : int
    y : array of shape (n,), optional
        Targets; with them permutation importance is put beside.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If `X` has no rows, the features cannot be traced back to columns, or the model has no probabilities.
    ParameterError
        If `n_rows` is below 1, or the model has several classes: see `explain_classes`.

    Notes
    -----
    The contribution of a feature that comes from several columns is shared equally among them.

    Contributions add up to the log-odds of the prediction, after calibration by a sigmoid too. Isotonic and
    Venn–Abers calibration are staircases, in which sums end: there the log-odds before it are explained, and
    `note` says so.
    """
    if model.task == "multiclass":
        raise ParameterError(
            f"The model {model.name} has several classes, and each has an explanation of its own; "
            "use explain_classes, which returns one a class."
        )
    table, usual = _rows_to_explain(model, X, background, n_rows, seed)
    estimator, unit, note = _explained_output(model)
    Z = _features(model, table)
    found = contributions(estimator, Z, _features(model, usual), seed)
    rows = table.iloc[: len(found.shap)]
    output = margin(estimator, Z.iloc[: len(rows)]) if note else margin(model.pipeline, rows)
    explained = _explanation(model, found, rows, output, (unit, note))
    if y is None:
        return explained
    shuffled = permutation_importance(model, X, np.asarray(y, dtype=float), seed=seed)
    return replace(explained, permutation=shuffled)


def explain_classes(
    model: Model,
    X: pd.DataFrame,
    background: pd.DataFrame | None = None,
    n_rows: int = 1000,
    seed: int = 42,
) -> dict[str, Explanation]:
    """Explain each class of a model of several classes.

    Parameters
    ----------
    model : Model
    X, background, n_rows, seed
        As in `explain`.

    Returns
    -------
    dict of str to Explanation
        By class. Contributions add up to the class's log-probability less the mean of all classes' (in which
        blends and temperature scaling are sums): positive where the class is likelier than the others are on
        average.

    Raises
    ------
    ParameterError
        If the model has not several classes.
    """
    if model.task != "multiclass":
        raise ParameterError(f"The model {model.name} is a {model.task} model; use explain.")
    table, usual = _rows_to_explain(model, X, background, n_rows, seed)
    estimator, unit, note = _explained_output(model)
    Z = _features(model, table)
    found = class_contributions(estimator, Z, _features(model, usual), seed)
    rows = table.iloc[: len(found[0].shap)]
    output = margin(estimator, Z.iloc[: len(rows)])
    return {
        str(label): _explanation(model, part, rows, output[:, k], (unit, note))
        for k, (label, part) in enumerate(zip(estimator.classes_, found, strict=True))
    }


def _rows_to_explain(
    model: Model, X: pd.DataFrame, background: pd.DataFrame | None, n_rows: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if X.empty:
        raise DataError("There are no rows to explain; give at least one.")
    if n_rows < 1:
        raise ParameterError(f"n_rows is {n_rows}; explain at least 1 row.")
    if model.task != "regression" and not hasattr(model.pipeline, "predict_proba"):
        raise DataError(
            f"The model {model.name} has no predict_proba, and log-odds are taken from probabilities. Wrap "
            "it, for instance in sklearn.calibration.CalibratedClassifierCV."
        )
    rng = np.random.default_rng(seed)
    table = _draw(X[list(model.columns)], n_rows, rng)
    if background is None:
        return table, table
    return table, _draw(background[list(model.columns)], max(n_rows, USUAL_ROWS), rng)


def _explained_output(model: Model) -> tuple[Any, str, str]:
    """Return the estimator whose output is explained, its unit, and what a reader must know of it."""
    estimator = model.pipeline.named_steps["model"]
    if model.task == "regression":
        return estimator, "the target's unit", ""
    calibrator = getattr(estimator, "calibrator", None)
    if calibrator is None or calibrator.method in ("none", "sigmoid"):
        return estimator, "log-odds", ""
    how = {"isotonic": "isotonic", "venn_abers": "Venn–Abers"}.get(calibrator.method, calibrator.method)
    note = (
        f"What is explained are the log-odds before the {how} calibration, which keeps the order of the rows "
        "but is a staircase that contributions cannot add up to."
    )
    return estimator.estimator_, "log-odds before calibration", note


def _explanation(
    model: Model, found: Contributions, rows: pd.DataFrame, output: Array, told: tuple[str, str]
) -> Explanation:
    sources = tuple(model.columns)
    # the pipeline's own probability is rounded once more, in 64 bits
    shap = spread_rounding(found.shap, found.base, output, model.task != "regression", DOUBLE)
    values = shap @ ownership(model.pipeline.named_steps.get("features"), found.features, sources)
    unit, note = told
    return Explanation(
        model=model.name,
        method=found.method,
        unit=unit,
        sources=sources,
        values=values,
        base=found.base,
        rows=rows,
        importance=importance_table(values, rows),
        additivity_error=float(np.abs(found.base + values.sum(axis=1) - output).max()),
        note=note,
    )


def _draw(table: pd.DataFrame, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    if len(table) <= n_rows:
        return table
    return table.iloc[np.sort(rng.choice(len(table), n_rows, replace=False))]


def _features(model: Model, table: pd.DataFrame) -> pd.DataFrame:
    engineer = model.pipeline.named_steps.get("features")
    return table if engineer is None else engineer.transform(table)
