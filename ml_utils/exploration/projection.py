"""The table in two dimensions: principal components, and t-SNE for what lies near to what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.exploration.redundancy import standardised
from ml_utils.exploration.variables import Prepared, Variable
from ml_utils.wording import count, listing, percent

MAX_COMPONENTS = 10
RARE_LEVEL = 0.02  # a level with fewer rows would bend the components towards a few of them
RARE_SHARE = 0.25  # of the rows shown, so that a rare class can be seen
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """Rows laid out in two dimensions, in two ways.

    Parameters
    ----------
    explained : DataFrame
        component, variance (eigenvalue), share, cumulative.
    loadings : DataFrame
        column (of the encoded table), source, PC1, PC2, …: correlation with the component.
    scores : DataFrame
        pc1, pc2, tsne1, tsne2, target of the rows shown.
    rows, shown : int
        Rows that the components were fitted on; rows shown.
    enriched : bool
        Whether the rarer class was drawn more often than it occurs, to be seen.
    """

    explained: pd.DataFrame
    loadings: pd.DataFrame
    scores: pd.DataFrame
    rows: int
    shown: int
    enriched: bool

    def to_frame(self) -> pd.DataFrame:
        """Return how much of the variation each component holds."""
        return self.explained

    def leading(self, component: int = 1, limit: int = 3) -> list[str]:
        """Name the columns that a component mostly consists of."""
        weight = self.loadings[f"PC{component}"].abs().groupby(self.loadings["source"], sort=False).max()
        return weight.sort_values(ascending=False, kind="stable").index[:limit].tolist()

    def sentence(self) -> str:
        """Say how far the table can be pressed into two dimensions."""
        two = self.explained["share"].head(2).sum()
        most = int((self.explained["cumulative"] < 0.8).sum()) + 1
        say = f"Two directions hold {percent(two, 0)} of the columns' variation"
        if 2 < most <= len(self.explained):
            say += f" and {count(most)} hold 80 %"
        first = listing(self.leading())
        return f"{say}; the first is mostly {first}."

    def _repr_html_(self) -> str:
        return self.explained.to_html(index=False, float_format="{:.3g}".format, border=0)


def project(
    prepared: Prepared, seed: int = 42, max_rows: int = 5000, shown: int = 800, tsne: bool = True
) -> Projection | None:
    """Lay rows out by principal components and by t-SNE; None where only one column could be used.

    Numbers are standardised, far-out ones held at their fences, missing ones put at the median; a category
    becomes one column a level, divided by the root of its share, so that a category of any number of levels
    has its fair weight (factor analysis of mixed data, Pagès 2004); levels of under 2 % are left out.

    Parameters
    ----------
    prepared : Prepared
    seed : int
    max_rows : int
        Rows that the components are fitted on.
    shown : int
        Rows that are laid out; t-SNE takes about two seconds for 800.
    tsne : bool

    Returns
    -------
    Projection or None
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    sample = prepared.sample(max_rows, rng)
    X, names, sources = encode(list(sample.variables.values()))
    if X.shape[1] < 2:
        return None
    n = min(MAX_COMPONENTS, X.shape[1], len(X) - 1)
    model = PCA(n, svd_solver="full").fit(X)
    scores = model.transform(X)
    keep, enriched = rows_to_show(sample, shown, rng)
    variance = model.explained_variance_
    explained = pd.DataFrame({"component": [f"PC{i + 1}" for i in range(n)], "variance": variance})
    explained["share"] = model.explained_variance_ratio_
    explained["cumulative"] = explained["share"].cumsum()
    spread = X.std(axis=0, ddof=1)
    weights = model.components_.T * np.sqrt(variance) / np.where(spread > 0, spread, 1)[:, None]
    loadings = pd.DataFrame(weights, columns=explained["component"])
    loadings.insert(0, "source", sources)
    loadings.insert(0, "column", names)
    laid = pd.DataFrame({"pc1": scores[keep, 0], "pc2": scores[keep, 1]})
    near = _tsne(scores[keep], seed) if tsne and len(keep) >= 10 else np.full((len(keep), 2), np.nan)
    laid["tsne1"], laid["tsne2"] = near[:, 0], near[:, 1]
    laid["target"] = sample.target.cells[keep].astype(float)
    return Projection(explained, loadings, laid, sample.rows, len(keep), enriched)


def encode(variables: list[Variable]) -> tuple[Array, list[str], list[str]]:
    """Turn columns of any kind into weighted numbers.

    Returns
    -------
    X : ndarray of shape (n_rows, n_encoded)
    names, sources : list of str
        What each encoded column is, and which column it comes from.
    """
    parts: list[Array] = []
    names: list[str] = []
    sources: list[str] = []
    for variable in variables:
        if variable.kind == "number":
            parts.append(standardised(variable.cells.astype(float)))
            names.append(variable.name)
            sources.append(variable.name)
            continue
        for i, level in enumerate(variable.levels):
            hit = (variable.cells == i).astype(float)
            share = hit.mean()
            if RARE_LEVEL <= share < 1:
                parts.append((hit - share) / np.sqrt(share))
                names.append(f"{variable.name} = {level}")
                sources.append(variable.name)
    rows = len(variables[0].cells)
    return (np.column_stack(parts) if parts else np.empty((rows, 0))), names, sources


def rows_to_show(
    prepared: Prepared, shown: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], bool]:
    """Draw the rows to lay out; of a rare class so many that it can be seen."""
    rows = np.arange(prepared.rows)
    if len(rows) <= shown:
        return rows, False
    if prepared.binary:
        y = prepared.target.cells
        rare = np.flatnonzero(y == (1 if y.mean() <= 0.5 else 0))
        wanted = min(int(RARE_SHARE * shown), len(rare))
        if len(rare) / len(rows) < RARE_SHARE and wanted > shown * len(rare) / len(rows):
            rest = np.setdiff1d(rows, rare)
            drawn = [rng.choice(rare, wanted, replace=False), rng.choice(rest, shown - wanted, replace=False)]
            return np.sort(np.concatenate(drawn)), True
    return np.sort(rng.choice(rows, shown, replace=False)), False


def _tsne(X: Array, seed: int) -> Array:
    """Lay rows out so that near ones stay near (van der Maaten & Hinton 2008).

    On one thread: the order in which several add up their sums would change the picture from run to run.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(X) - 1) / 3)
    with threadpool_limits(1):
        model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, max_iter=500, n_jobs=1)
        return np.asarray(model.fit_transform(X), dtype=float)
