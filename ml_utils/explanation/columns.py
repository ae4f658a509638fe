"""Raw columns as explanations vary them: their kind, their known values, tables with a value put in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.rounding import log_odds
from ml_utils.model import Model

Kind = Literal["number", "date", "category", "empty"]
Scale = Literal["score", "log-odds"]
MOST_LEVELS = 12  # of a category that are varied, the most frequent
TAILS = 0.01  # share of rows at either end that a grid leaves out: mistyped numbers would squeeze the rest


@dataclass(frozen=True)
class Column:
    """What is known of one raw column.

    Parameters
    ----------
    name : str
    kind : {"number", "date", "category", "empty"}
        Empty where no row has a value.
    levels : tuple
        Known values of a category, the most frequent first; empty for the other kinds.
    whole : bool
        Whether every known number is a whole one.
    missing : float
        Share of rows without a value.
    """

    name: str
    kind: Kind
    levels: tuple[Hashable, ...] = ()
    whole: bool = False
    missing: float = 0.0


def describe_column(values: pd.Series) -> Column:
    """Tell the kind of a raw column.

    Examples
    --------
    >>> describe_column(pd.Series([1.0, 4.0, None], name="visits")).whole
    True
    >>> describe_column(pd.Series(["a", "b", "a"], name="plan")).levels
    ('a', 'b')
    """
    name, known = str(values.name), values.dropna()
    missing = 1 - len(known) / max(len(values), 1)
    if known.empty:
        return Column(name, "empty", missing=missing)
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(name, "date", missing=missing)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = known.to_numpy(dtype=float)
        whole = bool(np.all(numbers == np.round(numbers)))
        return Column(name, "number", whole=whole, missing=missing)
    counted = known.value_counts()  # ties as they come in the table, which is one order for one table
    return Column(name, "category", tuple(counted.index), missing=missing)


def one_spelling(model: Model, X: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Write every category of some columns as most of its rows write it.

    Parameters
    ----------
    model : Model
        Left as they are where it has no FeatureEngineer, to which spellings of a category are one.
    X : DataFrame
    names : sequence of str

    Returns
    -------
    DataFrame
        Like `X`; its rows have the same scores.
    """
    from ml_utils.evaluation.fairness import group_labels

    if "features" not in model.pipeline.named_steps:
        return X
    changed = {}
    for name in names:
        column = X[name]
        if not (pd.api.types.is_string_dtype(column) or column.dtype == object) or not column.notna().any():
            continue
        counts = column.value_counts()
        written = pd.Series(counts.index, dtype=column.dtype)
        first = written.groupby(group_labels(written).to_numpy(), sort=False).transform("first")
        if not first.equals(written):
            usual = pd.Series(first.to_numpy(), index=written.to_numpy(), dtype=column.dtype)
            changed[name] = column.map(usual).astype(column.dtype)
    return X.assign(**changed) if changed else X


def check_columns(model: Model, X: pd.DataFrame, names: Sequence[str]) -> None:
    """Make sure that rows can be scored and that the columns asked for are the model's.

    Raises
    ------
    ParameterError
        If a column is not one that the model was fitted on.
    DataError
        If there are no rows, the table lacks one of the model's columns, or the model has several classes.
    """
    for name in names:
        if name not in model.columns:
            raise ParameterError(
                f"The model {model.name} takes no column {name!r}. {list_known(name, model.columns)}"
            )
    if X.empty:
        raise DataError("There are no rows to explain; give at least one.")
    lacking = [name for name in model.columns if name not in X.columns]
    if lacking:
        raise DataError(
            f"The model {model.name} takes the columns {', '.join(lacking)}, which the table lacks. Add them "
            "(empty where unknown)."
        )
    if model.task == "multiclass":
        raise DataError(
            f"The model {model.name} has several classes; curves, surfaces and counterfactuals are drawn for "
            "one score. Use explain_classes, or a model of one class against the rest."
        )
    if model.task == "binary" and not hasattr(model.pipeline, "predict_proba"):
        raise DataError(
            f"The model {model.name} has no predict_proba, so that it has no score to follow. Wrap it, for "
            "instance in sklearn.calibration.CalibratedClassifierCV."
        )


def draw_rows(X: pd.DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    """Draw at most `n_rows` rows, in their order.

    Raises
    ------
    ParameterError
        If `n_rows` is below 1.
    """
    if n_rows < 1:
        raise ParameterError(f"n_rows is {n_rows}; use at least 1 row.")
    if len(X) <= n_rows:
        return X
    keep = np.random.default_rng(seed).choice(len(X), n_rows, replace=False)
    return X.iloc[np.sort(keep)]


def grid_of(values: pd.Series, n_points: int) -> pd.Series:
    """Return values to put into a column: quantiles of a number or a date, levels of a category.

    Parameters
    ----------
    values : Series
        The column in the rows that are known.
    n_points : int
        Quantiles at most.

    Returns
    -------
    Series of the column's dtype, ascending, or the most frequent first; empty where no value is known
    """
    column, known = describe_column(values), values.dropna()
    if column.kind == "empty":
        return known
    if column.kind == "category":
        first = known.drop_duplicates()
        order = {level: i for i, level in enumerate(column.levels[:MOST_LEVELS])}
        shown = first[first.isin(list(order))]
        return shown.iloc[np.argsort([order[level] for level in shown])].reset_index(drop=True)
    ordered = known.sort_values(ignore_index=True)
    # values that occur: a whole number stays whole, and no row is asked about a gap
    places = np.linspace(TAILS, 1 - TAILS, n_points) * (len(ordered) - 1)
    return ordered.iloc[np.round(places).astype(int)].drop_duplicates().reset_index(drop=True)


def with_values(rows: pd.DataFrame, name: str, grid: pd.Series) -> pd.DataFrame:
    """Stack the rows once for each value of the grid, the column set to it: (n_grid · n_rows, n_columns)."""
    stacked = pd.concat([rows] * len(grid), ignore_index=True)
    stacked[name] = grid.repeat(len(rows)).set_axis(stacked.index)
    return stacked


def scores_of(model: Model, table: pd.DataFrame, scale: Scale = "score") -> Array:
    """Score rows, as a probability (or a predicted value), or in log-odds.

    Raises
    ------
    ParameterError
        If the scale is unknown, or log-odds are asked of a regression.
    """
    if scale not in ("score", "log-odds"):
        raise ParameterError(f"scale is {scale!r}. {list_known(scale, ('score', 'log-odds'))}")
    if scale == "log-odds" and model.task == "regression":
        raise ParameterError(f"The model {model.name} is a regression and has no log-odds; use 'score'.")
    found = model.predict_score(table)
    return log_odds(found) if scale == "log-odds" else found


def scale_name(model: Model, scale: Scale) -> str:
    """Name what a curve's axis shows."""
    if model.task == "regression":
        return "predicted value"
    return "log-odds" if scale == "log-odds" else "predicted probability"
