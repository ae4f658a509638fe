"""Which columns say the same: associations between columns of any kind, variance inflation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.exploration.associations import q_values
from ml_utils.exploration.comparing import compare
from ml_utils.exploration.effects import on_scale
from ml_utils.exploration.variables import Prepared, Variable
from ml_utils.wording import listing, times

STRONG = 0.8  # columns of one group are associated at least this strongly with one another, on average
HIGH_VIF = 10.0  # Kutner, Nachtsheim & Neter (2004): a variance inflated tenfold
VARIANCE_SHARE = 0.5  # Belsley, Kuh & Welsch (1980, ch. 3)
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Redundancy:
    """How columns relate to one another.

    Parameters
    ----------
    strength : DataFrame of shape (n_columns, n_columns)
        Strength of association, 0 to 1: |rho| or |r| of two numbers, the correlation ratio of a number and a
        category, Cramér's V of two categories; like columns next to one another.
    pairs : DataFrame
        first, second, test, strength, p_value, q_value, effect, value; strongest first.
    vif : DataFrame
        column, vif (infinite where others make it up exactly), partners (columns it is collinear with).
    groups : list of list of str
        Columns of which one would nearly do.
    rows : int
        Rows looked at.
    left_out : int
        Columns that were not compared because there are too many.
    """

    strength: pd.DataFrame
    pairs: pd.DataFrame
    vif: pd.DataFrame
    groups: list[list[str]]
    rows: int
    left_out: int

    def to_frame(self) -> pd.DataFrame:
        """Return the pairs of columns, the strongest associations first."""
        return self.pairs

    @property
    def inflated(self) -> list[str]:
        """Columns whose variance inflation is 10 or more."""
        return self.vif.loc[self.vif["vif"] >= HIGH_VIF, "column"].tolist()

    def sentence(self) -> str:
        """Say in one sentence which columns repeat others."""
        named = [listing(group) for group in self.groups[:3]]
        if named:
            say = f"{times(len(self.groups), 'group')} of columns say much the same: {'; '.join(named)}"
        else:
            say = "No two columns say the same"
        if self.inflated:
            with_others = f"{listing(self.inflated)} can nearly be computed from other columns"
            return f"{say}; {with_others} (variance inflation of {HIGH_VIF:.0f} or more)."
        return f"{say}; no number can be computed from the others."

    def _repr_html_(self) -> str:
        shown = self.pairs[["first", "second", "test", "strength", "q_value"]].head(12)
        return shown.to_html(index=False, float_format="{:.3g}".format, border=0)


def relate(prepared: Prepared, order: list[str], seed: int = 42, max_columns: int = 30) -> Redundancy:
    """Measure how columns relate to one another.

    Parameters
    ----------
    prepared : Prepared
    order : list of str
        Columns, those that should not be left out first.
    seed : int
    max_columns : int
        Only so many are compared with one another.

    Returns
    -------
    Redundancy
    """
    rng = np.random.default_rng(seed)
    sample = prepared.sample(3000, rng)
    names = order[:max_columns]
    variables = [sample.variables[name] for name in names]
    pairs = _pairs(variables, rng)
    strength = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for row in pairs.itertuples():
        strength.loc[row.first, row.second] = strength.loc[row.second, row.first] = row.strength
    groups, sequence = cluster(strength)
    numbers = [v for v in prepared.variables.values() if v.kind == "number"]
    vif = variance_inflation(
        {v.name: v.cells.astype(float) for v in numbers if v.name in set(order[: 2 * max_columns])}, rng
    )
    return Redundancy(
        strength.loc[sequence, sequence], pairs, vif, groups, sample.rows, max(len(order) - max_columns, 0)
    )


def cluster(strength: pd.DataFrame, strong: float = STRONG) -> tuple[list[list[str]], list[str]]:
    """Group columns that are associated strongly (average linkage), and put like ones side by side.

    Parameters
    ----------
    strength : DataFrame of shape (n_columns, n_columns)
        Symmetric, 0 to 1.
    strong : float
        Mean association within a group.

    Returns
    -------
    groups : list of list of str
        Groups of two columns or more, in the matrix's order.
    sequence : list of str
        All columns.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    names = strength.index.tolist()
    if len(names) < 2:
        return [], names
    distance = np.clip(1 - strength.to_numpy(), 0, 1)
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, "average", optimal_ordering=len(names) <= 60)
    label = fcluster(tree, 1 - strong, "distance")
    groups = [[names[i] for i in np.flatnonzero(label == k)] for k in dict.fromkeys(label)]
    return [group for group in groups if len(group) > 1], [names[i] for i in leaves_list(tree)]


def variance_inflation(
    columns: dict[str, Array], rng: np.random.Generator, max_rows: int = 5000
) -> pd.DataFrame:
    """Measure how far each number can be computed from the others, and from which.

    Parameters
    ----------
    columns : dict of str to ndarray
        Numbers; missing values are put at the median. At most `max_rows` rows are used.
    rng : numpy.random.Generator
    max_rows : int

    Returns
    -------
    DataFrame
        column, vif, partners (names of the columns of the same collinear set), largest first.
    """
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    names = list(columns)
    empty = pd.DataFrame({"column": names, "vif": np.ones(len(names)), "partners": [""] * len(names)})
    if len(names) < 2 or len(columns[names[0]]) <= len(names) + 2:
        return empty
    X = np.column_stack([standardised(columns[name]) for name in names])
    if len(X) > max_rows:
        X = X[rng.choice(len(X), max_rows, replace=False)]
    varies = np.flatnonzero(X.std(axis=0) > 0)
    names, X = [names[i] for i in varies], X[:, varies] - X[:, varies].mean(axis=0)
    with warnings.catch_warnings():  # an exact copy is what this looks for: infinity is the answer
        warnings.simplefilter("ignore")
        vif = [float(variance_inflation_factor(X, i)) for i in range(len(names))]
    values = [value if value < 1e9 else np.inf for value in vif]
    partners = collinear_with(X, names)
    table = pd.DataFrame(
        {"column": names, "vif": values, "partners": [partners.get(name, "") for name in names]}
    )
    return table.sort_values(["vif", "column"], ascending=[False, True], kind="stable").reset_index(drop=True)


def collinear_with(X: Array, names: list[str]) -> dict[str, str]:
    """Name each column's partners in a collinear set.

    A small singular value is a near-dependency; the columns whose variance it inflates most make the set
    (variance-decomposition proportions, Belsley, Kuh & Welsch 1980, ch. 3).

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Centred.
    names : list of str
    """
    scaled = X / np.linalg.norm(X, axis=0)
    _, singular, v = np.linalg.svd(scaled, full_matrices=False)
    singular = np.maximum(singular, 1e-12)
    phi = (v.T / singular) ** 2  # columns of X by singular values
    shares = phi / phi.sum(axis=1, keepdims=True)
    partners: dict[str, str] = {}
    for k in np.flatnonzero(singular.max() / singular >= np.sqrt(HIGH_VIF)):
        heavy = [i for i in range(len(names)) if shares[i, k] >= VARIANCE_SHARE]
        for i in heavy if len(heavy) > 1 else []:
            partners.setdefault(names[i], ", ".join(names[j] for j in heavy if j != i))
    return partners


def standardised(values: Array) -> Array:
    """Return numbers with mean 0 and standard deviation 1.

    Far-out ones are held at their fences, as in the features; missing ones are put at the median.

    >>> standardised(np.array([1.0, np.nan, 3.0])).round(3).tolist()
    [-1.225, 0.0, 1.225]
    """
    from ml_utils.features.cleaning import NumericCleaner

    x = NumericCleaner().fit_transform(pd.DataFrame({"x": values}))["x"].to_numpy(float)
    known = x[~np.isnan(x)]
    x = np.where(np.isnan(x), np.median(known) if len(known) else 0.0, x)
    spread = x.std()
    return (x - x.mean()) / spread if spread > 0 else np.zeros_like(x)


def _pairs(variables: list[Variable], rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for a, b in combinations(variables, 2):
        found = compare(a, b, rng)
        strength = min(on_scale(found.effect, "r", found.share)[0], 1.0)
        strength = strength if np.isfinite(strength) else 0.0
        rows.append(
            (a.name, b.name, found.test, strength, found.p_value, found.effect.name, found.effect.value)
        )
    table = pd.DataFrame(rows, columns=["first", "second", "test", "strength", "p_value", "effect", "value"])
    table.insert(5, "q_value", q_values(table["p_value"].to_numpy(float)))
    order = table.sort_values("strength", ascending=False, kind="stable")
    return order.reset_index(drop=True)
