"""LIME: a small linear model around one row, of raw columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import check_columns, describe_column, draw_rows, one_spelling
from ml_utils.model import Model

if TYPE_CHECKING:
    from lime.lime_tabular import LimeTabularExplainer

_BACKGROUND = 2000  # rows that the neighbourhood's distribution is learnt from


@dataclass(frozen=True)
class LocalSurrogates:
    """LIME's weights of each row's columns.

    Parameters
    ----------
    sources : tuple of str
        Columns that take part; empty and constant ones do not.
    weights : ndarray of shape (n_rows, n_sources)
        What having the row's own value (its quarter, of a number) adds to the score around it.
    fit : ndarray of shape (n_rows,)
        R² of each linear model around its row: where it is low, its weights say little.
    n_samples : int
        Made-up neighbours a row.
    """

    sources: tuple[str, ...]
    weights: Array = field(repr=False)
    fit: Array = field(repr=False)
    n_samples: int

    @property
    def importance(self) -> pd.Series:
        """Mean |weight| of each column, the largest first."""
        found = pd.Series(np.abs(self.weights).mean(axis=0), index=list(self.sources))
        return found.sort_values(ascending=False, kind="stable")

    def to_frame(self) -> pd.DataFrame:
        """Return a row a column: mean |weight| and mean weight."""
        means = pd.Series(self.weights.mean(axis=0), index=list(self.sources))
        table = self.importance.rename("mean_abs").to_frame()
        return table.assign(mean=means).rename_axis("source").reset_index()

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {"table": self.to_frame(), "fit": self.fit.tolist(), "n_samples": self.n_samples}


def local_surrogates(
    model: Model,
    rows: pd.DataFrame,
    X: pd.DataFrame,
    n_rows: int = 12,
    n_samples: int = 1000,
    seed: int = 42,
) -> LocalSurrogates:
    """Explain rows by LIME, in raw columns.

    Parameters
    ----------
    model : Model
        Binary or a regression.
    rows : DataFrame of shape (n, n_columns)
        Raw rows to explain.
    X : DataFrame of shape (n_known, n_columns)
        Training rows, which say what neighbours look like.
    n_rows : int
        Rows explained at most, drawn from `rows`.
    n_samples : int
        Neighbours made up for each.
    seed : int

    Returns
    -------
    LocalSurrogates

    Raises
    ------
    ParameterError
        If `n_samples` is below 100.
    DataError
        If no column varies.

    Notes
    -----
    Ribeiro, Singh & Guestrin (2016), KDD, by their package `lime`: numbers in quarters, categories as codes
    (decoded before the pipeline scores them; a missing one is a level of its own). LIME takes no missing
    numbers: they are the training median to it, and to the score. Neighbours draw each column by itself.
    """
    check_columns(model, X, [])
    check_columns(model, rows, [])
    if n_samples < 100:
        raise ParameterError(f"n_samples is {n_samples}; a local model takes at least 100.")
    usual = draw_rows(X[list(model.columns)], _BACKGROUND, seed)
    chosen = draw_rows(rows[list(model.columns)], n_rows, seed)
    both = one_spelling(model, pd.concat([usual, chosen], ignore_index=True), model.columns)
    coder, chosen = _Coder(model, both.iloc[: len(usual)]), both.iloc[len(usual) :]
    explainer = _explainer(model, coder, seed)
    weights, fit = [], []
    for codes in coder.encode(chosen):
        found = explainer.explain_instance(
            *(codes, coder.predict), labels=(1,), num_features=len(coder.names), num_samples=n_samples
        )
        label = 1 if model.task == "binary" else 0
        row = np.zeros(len(coder.names))
        for place, weight in found.as_map()[label if label in found.as_map() else 1]:
            row[place] = weight
        weights.append(row)
        fit.append(float(np.ravel(found.score)[0]) if not isinstance(found.score, dict) else found.score[1])
    return LocalSurrogates(tuple(coder.names), np.array(weights), np.array(fit), n_samples)


def _explainer(model: Model, coder: _Coder, seed: int) -> LimeTabularExplainer:
    from lime.lime_tabular import LimeTabularExplainer

    categories = {coder.names.index(name): [str(x) for x in levels] for name, levels in coder.levels.items()}
    return LimeTabularExplainer(
        coder.encode(coder.usual),
        mode="regression" if model.task == "regression" else "classification",
        feature_names=coder.names,
        categorical_features=sorted(categories),
        categorical_names=categories,
        random_state=seed,
    )


class _Coder:
    """Raw rows as the matrix of numbers that LIME takes, and back."""

    def __init__(self, model: Model, usual: pd.DataFrame) -> None:
        self.model, self.usual = model, usual.reset_index(drop=True)
        self.names: list[str] = []
        self.levels: dict[str, list[Any]] = {}
        self.middles: dict[str, float] = {}
        for name in usual.columns:
            kind = describe_column(usual[name]).kind
            if usual[name].nunique(dropna=False) < 2 or kind == "empty":
                continue
            self.names.append(name)
            if kind == "category":
                self.levels[name] = self._levels(usual[name])
            else:
                self.middles[name] = float(self._numbers(usual[name]).median())
        if not self.names:
            raise DataError("No column varies in the training rows, so that rows have no neighbours.")

    def encode(self, table: pd.DataFrame) -> Array:
        """Return the rows as numbers (n_rows, n_names); levels that are not known are the most frequent."""
        columns = []
        for name in self.names:
            if name in self.levels:
                codes = pd.Index(self.levels[name]).get_indexer(pd.Index(table[name]))
                columns.append(np.where(codes < 0, 0, codes))
            else:
                columns.append(self._numbers(table[name]).fillna(self.middles[name]))
        return np.column_stack(columns).astype(float)

    def decode(self, codes: Array) -> pd.DataFrame:
        """Return raw rows; columns that do not vary have their value."""
        table = self.usual.iloc[np.zeros(len(codes), dtype=int)].reset_index(drop=True)
        for i, name in enumerate(self.names):
            if name in self.levels:
                values = pd.Series(self.levels[name], dtype=self.usual[name].dtype)
                table[name] = values.iloc[codes[:, i].astype(int)].set_axis(table.index)
            elif pd.api.types.is_datetime64_any_dtype(self.usual[name]):
                table[name] = pd.to_datetime(codes[:, i]).astype(self.usual[name].dtype)
            else:
                table[name] = codes[:, i]
        return table

    def predict(self, codes: Array) -> Array:
        """Score rows of numbers, as LIME asks: both classes' probabilities, or the predicted values."""
        score = self.model.predict_score(self.decode(codes))
        return np.column_stack([1 - score, score]) if self.model.task == "binary" else score

    def _levels(self, column: pd.Series) -> list[Any]:
        known = list(column.value_counts().index)
        missing = column[column.isna()]
        return known + ([missing.iloc[0]] if len(missing) else [])

    def _numbers(self, column: pd.Series) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(column):
            known = column.astype("datetime64[ns]")
            return known.astype("int64").astype(float).where(known.notna())
        return column.astype(float)
