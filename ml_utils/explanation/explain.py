"""Why a model predicts what it predicts, told in the columns that the user knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.contributions import contributions, log_odds
from ml_utils.explanation.permutation import permutation_importance
from ml_utils.model import Model
from ml_utils.wording import figure, listing, percent

SEVERAL = " + "  # between the names of a feature's source columns, in the feature dictionary
_CLEAR = 0.2  # rank correlation below which a number has no single direction


@dataclass(frozen=True)
class Explanation:
    """What `explain` found.

    Parameters
    ----------
    model : str
    method : str
        How the contributions were computed.
    unit : str
        "log-odds", or "the target's unit".
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
            digits = 4 if self.unit == "log-odds" else 1  # of AUC, or of the target's unit
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
            "rows": len(self.values),
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
        Rows explained at most, drawn from `X`.
    seed : int
    y : array of shape (n,), optional
        Targets; with them permutation importance is put beside.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If `X` has no rows, or the features cannot be traced back to columns.

    Notes
    -----
    The contribution of a feature that comes from several columns is shared equally among them.
    """
    if X.empty:
        raise DataError("There are no rows to explain; give at least one.")
    rng = np.random.default_rng(seed)
    table = _draw(X[list(model.columns)], n_rows, rng)
    usual = table if background is None else _draw(background[list(model.columns)], n_rows, rng)
    steps = model.pipeline.named_steps
    engineer = steps.get("features")
    Z = _features(engineer, table)
    found = contributions(steps["model"], Z, _features(engineer, usual), seed)
    rows = table.iloc[: len(found.shap)]
    sources = tuple(model.columns)
    values = found.shap @ _ownership(engineer, found.features, sources)
    output = model.predict_score(rows)
    output = log_odds(output) if model.task == "binary" else output
    explained = Explanation(
        model=model.name,
        method=found.method,
        unit="log-odds" if model.task == "binary" else "the target's unit",
        sources=sources,
        values=values,
        base=found.base,
        rows=rows,
        importance=_importance(values, rows),
        additivity_error=float(np.abs(found.base + values.sum(axis=1) - output).max()),
    )
    if y is None:
        return explained
    shuffled = permutation_importance(model, X, np.asarray(y, dtype=float), seed=seed)
    return replace(explained, permutation=shuffled)


def _draw(table: pd.DataFrame, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    if len(table) <= n_rows:
        return table
    return table.iloc[np.sort(rng.choice(len(table), n_rows, replace=False))]


def _features(engineer: object, table: pd.DataFrame) -> pd.DataFrame:
    return table if engineer is None else engineer.transform(table)  # type: ignore[attr-defined]


def _ownership(engineer: object, features: tuple[str, ...], sources: tuple[str, ...]) -> Array:
    """Return the share of each feature (row) that belongs to each source column."""
    if engineer is None:
        origin = {name: name for name in features}
    else:
        dictionary = engineer.dictionary_  # type: ignore[attr-defined]
        origin = dict(zip(dictionary["feature"], dictionary["source"], strict=True))
    place = {name: i for i, name in enumerate(sources)}
    shares = np.zeros((len(features), len(sources)))
    for i, feature in enumerate(features):
        owners = [place.get(name) for name in str(origin.get(feature, "")).split(SEVERAL)]
        known = [owner for owner in owners if owner is not None]
        if not known:
            raise DataError(
                f"The feature {feature!r} cannot be traced to a column; the feature dictionary says it comes "
                f"from {origin.get(feature)!r}. Fit the model again with this version's FeatureEngineer."
            )
        shares[i, known] = 1 / len(known)
    return shares


def _importance(values: Array, rows: pd.DataFrame) -> pd.DataFrame:
    mean_abs = np.abs(values).mean(axis=0)
    total = mean_abs.sum()
    told = [_direction(rows.iloc[:, i], values[:, i]) for i in range(values.shape[1])]
    table = pd.DataFrame(
        {
            "source": list(rows.columns),
            "mean_abs": mean_abs,
            "share": mean_abs / total if total > 0 else 0.0,
            "direction": [direction for direction, _ in told],
            "effect": [effect for _, effect in told],
        }
    )
    return table.sort_values("mean_abs", ascending=False, kind="stable", ignore_index=True)


def _direction(column: pd.Series, contribution: Array) -> tuple[int, str]:
    if not np.any(contribution):
        return 0, "not used"
    if pd.api.types.is_numeric_dtype(column):
        known = column.notna().to_numpy()
        values = column.to_numpy(dtype=float, na_value=np.nan)[known]
        return _number_direction(values, contribution[known])
    if pd.api.types.is_datetime64_any_dtype(column):
        return _number_direction(column.astype("int64").to_numpy(float), contribution)
    means = category_effects(column, contribution)
    return 0, f"raised by {means.index[0]}, lowered by {means.index[-1]}"


def _number_direction(values: Array, contribution: Array) -> tuple[int, str]:
    ranks = pd.DataFrame({"x": values, "y": contribution}).rank()
    spread = ranks.std()
    if len(ranks) < 3 or not (spread > 0).all():
        return 0, "no single direction"
    rho = float(np.corrcoef(ranks["x"], ranks["y"])[0, 1])
    if abs(rho) < _CLEAR:
        return 0, "no single direction"
    return (1, "higher raises") if rho > 0 else (-1, "higher lowers")


def share_text(share: float) -> str:
    """Format a share for a narrow column: its sign stays on the line."""
    return percent(share).replace(" ", "\u00a0")


def category_effects(column: pd.Series, contribution: Array) -> pd.Series:
    """Return the mean contribution of each category of a column, the highest first.

    Spellings of one category are brought together; categories with fewer than five rows are left out where
    others have more.
    """
    from ml_utils.evaluation.fairness import group_labels

    labels = group_labels(column)
    table = pd.Series(contribution, index=column.index).groupby(labels).agg(["mean", "size"])
    enough = table[table["size"] >= 5]
    means = (enough if len(enough) else table)["mean"]
    return means.sort_values(ascending=False)
