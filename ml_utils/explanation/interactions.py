"""Which pairs of columns act together: exact for trees and linear models, Friedman's H for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import Scale, check_columns, draw_rows, scores_of
from ml_utils.explanation.families import ADDITIVE_TREES, family, linear_parts
from ml_utils.explanation.sources import ownership
from ml_utils.model import Model
from ml_utils.wording import figure, listing, percent

TREES, H_STATISTIC = "SHAP interaction values", "Friedman's H"
_WORTH_NAMING = 0.02  # of all that columns do


@dataclass(frozen=True)
class Interactions:
    """Pairs of columns, the strongest first.

    Parameters
    ----------
    method : {"SHAP interaction values", "Friedman's H"}
    unit : str
    table : DataFrame
        first, second, strength (mean |interaction| of a row, or H times the pair's spread), share (of all
        contributions; H: of the pair's variance).
    sources : tuple of str
    values : ndarray of shape (n_rows, n_sources, n_sources) or None
        SHAP interaction values by column: symmetric, and rows add up to the column's contribution. None for
        Friedman's H.
    rows : DataFrame
        The raw rows.
    """

    method: str
    unit: str
    table: pd.DataFrame
    sources: tuple[str, ...]
    values: Array | None = field(repr=False)
    rows: pd.DataFrame = field(repr=False)

    def to_frame(self, n: int = 5) -> pd.DataFrame:
        """Return the `n` strongest pairs as a table for a page."""
        top = self.table.head(n)
        share = "share of all contributions" if self.values is not None else "share of the pair's effect"
        return pd.DataFrame(
            {
                "pair": [f"{row.first} × {row.second}" for row in top.itertuples()],
                f"strength, {self.unit}": [figure(value) for value in top["strength"]],
                share: [percent(value) for value in top["share"]],
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say which columns act together."""
        strong = self.table[self.table["share"] >= _WORTH_NAMING].head(3)
        if strong.empty:
            return "No two columns act together to speak of: the model nearly adds up their effects."
        pairs = [f"{row.first} with {row.second}" for row in strong.itertuples()]
        return f"Most of what columns do together: {listing(pairs)} (by {self.method})."

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {"method": self.method, "unit": self.unit, "rows": len(self.rows), "table": self.table}


def interactions(
    model: Model,
    X: pd.DataFrame,
    background: pd.DataFrame | None = None,
    columns: list[str] | None = None,
    n_rows: int = 60,
    seed: int = 42,
) -> Interactions:
    """Measure how strongly pairs of raw columns act together.

    Parameters
    ----------
    model : Model
        LightGBM, XGBoost, scikit-learn's boosters, linear models, blends of these and models that a sigmoid
        calibrates have SHAP interaction values; for any other model Friedman's H is taken.
    X : DataFrame of shape (n, n_columns)
        Raw rows.
    background : DataFrame, optional
        For linear models: what is usual. `X` by default.
    columns : list of str, optional
        Only pairs of these; Friedman's H asks the model some thousand times a pair, and without `columns`
        takes the model's first six.
    n_rows : int
        Rows used at most (Friedman's H: forty); XGBoost takes about 30 ms a row and 50 features.
    seed : int

    Returns
    -------
    Interactions

    Raises
    ------
    ParameterError
        If a column is none of the model's, or there are fewer than two.

    Notes
    -----
    Lundberg et al. (2020), Nature Machine Intelligence 2; Friedman & Popescu (2008), Annals of Applied
    Statistics 2(3), eq. 44. Values of features are summed up to their columns on both sides; a feature of
    several columns, like a product, belongs to them in equal parts, and its own effect to their pairs alike.
    """
    check_columns(model, X, columns or [])
    if len(columns or model.columns) < 2:
        raise ParameterError("An interaction takes two columns at least; name more of them.")
    table = draw_rows(X[list(model.columns)], n_rows, seed)
    engineer = model.pipeline.named_steps.get("features")
    Z = table if engineer is None else engineer.transform(table)
    usual = table if background is None else draw_rows(background[list(model.columns)], 1000, seed)
    usual = usual if engineer is None else engineer.transform(usual)
    found = _matrices(model.pipeline.named_steps["model"], Z, usual)
    unit = "log-odds" if model.task == "binary" else "the target's unit"
    if found is None:
        return _h_statistics(model, table, columns or list(model.columns)[:6], unit, seed)
    shares = ownership(engineer, tuple(Z.columns), model.columns)
    values = np.einsum("fa,nfg,gb->nab", shares, found, shares, optimize=True)
    pairs = _shap_pairs(values, model.columns, columns or list(model.columns))
    return Interactions(TREES, unit, pairs, model.columns, values, table)


def _matrices(estimator: Any, Z: pd.DataFrame, usual: pd.DataFrame) -> Array | None:
    """Return SHAP interaction values (n_rows, n_features, n_features); None where there is no exact way."""
    if hasattr(estimator, "members_"):
        total = np.zeros((len(Z), Z.shape[1], Z.shape[1]))
        for weight, (_, member) in zip(estimator.weights, estimator.members_, strict=True):
            part = _matrices(member, Z, usual)
            if part is None:
                return None
            total += weight * part
        return total
    if hasattr(estimator, "calibrator"):
        part = _matrices(estimator.estimator_, Z, usual)
        return None if part is None else float(estimator.calibrator.slope) * part
    if family(estimator) in ("lightgbm", "xgboost") or type(estimator).__name__ in ADDITIVE_TREES:
        import shap

        found = np.asarray(shap.TreeExplainer(estimator).shap_interaction_values(Z), dtype=float)
        return found if found.ndim == 3 else None
    linear = linear_parts(estimator, Z, usual)
    if linear is None or linear[0].shape[2] != 1:
        return None
    total = np.zeros((len(Z), Z.shape[1], Z.shape[1]))
    np.einsum("nff->nf", total)[...] = linear[0][:, :, 0]  # a sum has effects of single columns only
    return total


def _shap_pairs(values: Array, sources: tuple[str, ...], wanted: list[str]) -> pd.DataFrame:
    strength = 2 * np.abs(values).mean(axis=0)  # each pair stands in the matrix twice
    total = float(np.abs(values.sum(axis=2)).mean(axis=0).sum())
    rows = [
        (sources[i], sources[j], strength[i, j], strength[i, j] / total if total > 0 else 0.0)
        for i, j in combinations(range(len(sources)), 2)
        if sources[i] in wanted and sources[j] in wanted
    ]
    return _ordered(rows)


def _ordered(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["first", "second", "strength", "share"])
    return table.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _h_statistics(
    model: Model, table: pd.DataFrame, columns: list[str], unit: str, seed: int
) -> Interactions:
    rows = draw_rows(table, 40, seed).reset_index(drop=True)
    single = {(name,): _centred_dependence(model, rows, [name]) for name in columns}
    found = []
    for first, second in combinations(columns, 2):
        both = _centred_dependence(model, rows, [first, second])
        rest = both - single[(first,)] - single[(second,)]
        power = float(both @ both)
        # of a pair without any effect the ratio is noise over noise
        share = float(rest @ rest) / power if power > 1e-12 * len(rows) else 0.0  # eq. 44
        found.append((first, second, float(np.sqrt(rest @ rest / len(rows))), share))
    return Interactions(H_STATISTIC, unit, _ordered(found), tuple(columns), None, rows)


def _centred_dependence(model: Model, rows: pd.DataFrame, columns: list[str]) -> Array:
    """Return the partial dependence at each row's own values of the columns, less its mean."""
    n = len(rows)
    stacked = pd.concat([rows] * n, ignore_index=True)
    own = rows[columns].iloc[np.repeat(np.arange(n), n)]
    stacked[columns] = own.set_axis(stacked.index)
    scale: Scale = "log-odds" if model.task == "binary" else "score"
    mean = scores_of(model, stacked, scale).reshape(n, n).mean(axis=1)
    return mean - mean.mean()
