"""Do SHAP, shuffling, accumulated effects and LIME name the same columns, and why not where they don't?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.explanation.accumulated import accumulated_effects
from ml_utils.explanation.columns import describe_column, draw_rows, one_spelling
from ml_utils.explanation.explain import Explanation
from ml_utils.explanation.surrogate import LocalSurrogates
from ml_utils.model import Model
from ml_utils.wording import figure, listing

SHAP, SHUFFLING, EFFECTS, LIME = "SHAP", "shuffling", "accumulated effects", "LIME"
_CORRELATED = 0.5  # association from which two columns can stand for each other
_APART = 3  # places between a column's ranks that are worth a word
_ROWS = 5000


@dataclass(frozen=True)
class Agreement:
    """Columns ranked by several methods.

    Parameters
    ----------
    strength : DataFrame of shape (n_columns, n_methods)
        Each method's strength of each column, indexed by column; methods differ in unit.
    ranks : DataFrame
        1 is the strongest.
    pairs : DataFrame
        first, second, spearman (of the strengths over all columns), shared (of both methods' first columns).
    apart : DataFrame
        column, high (method), high_rank, low (method), low_rank, partner, association: columns among a
        method's first whose ranks lie apart, and the column that each is most associated with.
    n : int
        How many columns are a method's first.
    """

    strength: pd.DataFrame
    ranks: pd.DataFrame
    pairs: pd.DataFrame
    apart: pd.DataFrame
    n: int

    def to_frame(self, n: int = 10) -> pd.DataFrame:
        """Return the ranks of the `n` columns with the best mean rank."""
        order = self.ranks.mean(axis=1).sort_values(kind="stable").index[:n]
        return self.ranks.loc[order].astype(int).rename_axis("column").reset_index()

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say how far the methods agree, on which columns they don't, and the likely reason."""
        if not len(self.pairs):
            return "Only one method was used."
        least = self.pairs.loc[self.pairs["spearman"].idxmin()]
        shared = self._shared()
        agree = (
            f"{listing(list(self.ranks.columns))} share {len(shared)} of their first {self.n} columns"
            f"{f' ({listing(shared)})' if shared else ''}; least alike are {least['first']} and "
            f"{least['second']}, with a rank correlation of {figure(least['spearman'], 2)} over all columns."
        )
        return f"{agree[0].upper()}{agree[1:]} {self._reasons()}"

    def _shared(self) -> list[str]:
        first = self.ranks[(self.ranks <= self.n).all(axis=1)]
        return [str(name) for name in first.mean(axis=1).sort_values(kind="stable").index]

    def _reasons(self) -> str:
        if self.apart.empty:
            return "No leading column's rank differs by three places or more."
        told = []
        for row in self.apart.head(3).itertuples():
            reason = (
                f"it is associated with {row.partner} ({figure(row.association, 2)}), and either can stand "
                "for the other"
                if row.association >= _CORRELATED
                else "no other column is strongly associated with it; the methods ask different questions"
            )
            told.append(
                f"{row.column} is number {row.high_rank} by {row.high} and number {row.low_rank} by "
                f"{row.low}: {reason}"
            )
        return f"They disagree on this: {'; '.join(told)}."

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {
            "strength": self.strength.rename_axis("column").reset_index(),
            "pairs": self.pairs,
            "apart": self.apart,
        }


def compare_methods(
    model: Model,
    X: pd.DataFrame,
    explanation: Explanation,
    surrogates: LocalSurrogates | None = None,
    n: int = 5,
    n_rows: int = 500,
    seed: int = 42,
) -> Agreement:
    """Hold the methods' rankings of columns against each other.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n, n_columns)
        Raw rows for the accumulated effects and the associations between columns.
    explanation : Explanation
        SHAP, and shuffling where it was asked for.
    surrogates : LocalSurrogates, optional
        LIME.
    n : int
        How many columns are a method's first.
    n_rows : int
        Rows for each column's accumulated effects.
    seed : int

    Returns
    -------
    Agreement
    """
    found: dict[str, Mapping[str, float]] = {
        SHAP: explanation.importance.set_index("source")["mean_abs"].to_dict()
    }
    if explanation.permutation is not None:
        found[SHUFFLING] = explanation.permutation.set_index("source")["loss"].to_dict()
    effects = {
        name: accumulated_effects(model, X, name, n_bins=10, n_rows=n_rows, seed=seed).span
        for name in model.columns
    }
    found[EFFECTS] = effects
    if surrogates is not None:
        found[LIME] = surrogates.importance.to_dict()
    columns = draw_rows(X[list(model.columns)], _ROWS, seed)
    return hold_together(found, one_spelling(model, columns, model.columns), n, seed)


def hold_together(
    strengths: Mapping[str, Mapping[str, float]], X: pd.DataFrame, n: int = 5, seed: int = 42
) -> Agreement:
    """Rank columns by each method and find those that methods rank apart.

    Parameters
    ----------
    strengths : mapping of str to mapping of str to float
        By method, each column's strength; a column that a method leaves out has none.
    X : DataFrame
        The columns, for the associations between them.
    n : int
    seed : int

    Returns
    -------
    Agreement

    Raises
    ------
    ParameterError
        If there are no strengths.
    """
    strength = pd.DataFrame(strengths).reindex(list(X.columns)).fillna(0.0)
    if strength.empty:
        raise ParameterError("There are no strengths to compare; give those of one method at least.")
    ranks = strength.rank(ascending=False, method="first").astype(int)
    pairs = []
    for first, second in combinations(strength.columns, 2):
        rho = strength[first].corr(strength[second], method="spearman")
        shared = int(((ranks[first] <= n) & (ranks[second] <= n)).sum())
        pairs.append((first, second, float(rho), shared))
    table = pd.DataFrame(pairs, columns=["first", "second", "spearman", "shared"])
    return Agreement(strength, ranks, table, _apart(ranks, X, n, seed), n)


def _apart(ranks: pd.DataFrame, X: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    rows = []
    leading = ranks[(ranks <= n).any(axis=1)]
    gaps = (leading.max(axis=1) - leading.min(axis=1)).sort_values(ascending=False, kind="stable")
    table = draw_rows(X, _ROWS, seed)
    for name, gap in gaps.items():
        if gap < _APART:
            break
        high, low = leading.loc[name].idxmin(), leading.loc[name].idxmax()
        partner, association = strongest_partner(table, str(name))
        ranked = (high, int(ranks.loc[name, high]), low, int(ranks.loc[name, low]))
        rows.append((name, *ranked, partner, association))
    names = ["column", "high", "high_rank", "low", "low_rank", "partner", "association"]
    return pd.DataFrame(rows, columns=names)


def strongest_partner(X: pd.DataFrame, name: str) -> tuple[str, float]:
    """Return the column that another is most associated with, and how strongly (0 to 1).

    Parameters
    ----------
    X : DataFrame
    name : str

    Returns
    -------
    tuple of str and float
        |Spearman's ρ| of two numbers, Cramér's V of two categories, the correlation ratio η of ranks for a
        number and a category; "" and 0 where there is no other column.
    """
    found = [(association(X[name], X[other]), other) for other in X.columns if other != name]
    if not found:
        return "", 0.0
    strongest = max(found, key=lambda pair: pair[0])
    return str(strongest[1]), strongest[0]


def association(first: pd.Series, second: pd.Series) -> float:
    """Measure how strongly two columns go together, 0 to 1."""
    both = (first.notna() & second.notna()).to_numpy()
    a, b = first[both], second[both]
    if len(a) < 3 or a.nunique() < 2 or b.nunique() < 2:
        return 0.0
    graded = [describe_column(column).kind in ("number", "date") for column in (a, b)]
    if all(graded):
        return abs(float(a.rank().corr(b.rank())))
    if not any(graded):
        return _cramers_v(a, b)
    number, level = (a, b) if graded[0] else (b, a)
    return _correlation_ratio(number.rank().to_numpy(float), level)


def _correlation_ratio(ranks: np.ndarray, level: pd.Series) -> float:
    codes, _ = pd.factorize(level)
    sizes = np.bincount(codes)
    means = np.bincount(codes, ranks) / sizes
    between = float(sizes @ (means - ranks.mean()) ** 2)
    return float(np.sqrt(between / ((ranks - ranks.mean()) ** 2).sum()))


def _cramers_v(first: pd.Series, second: pd.Series) -> float:
    from scipy.stats.contingency import association as contingency

    table = pd.crosstab(first.to_numpy(), second.to_numpy()).to_numpy()
    return float(contingency(table, method="cramer"))
