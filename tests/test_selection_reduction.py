"""Reduction: scikit-learn's components, the same for one row as for many, and told in words."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.selection import Reduction


@pytest.fixture(scope="module")
def iris() -> tuple[pd.DataFrame, np.ndarray]:
    """Fisher's iris (1936)."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X.rename(columns=lambda name: name.removesuffix(" (cm)")), y.to_numpy()


@pytest.mark.parametrize("n_components", [2, 4, 0.9])
def test_pca_is_scikit_learns(iris: tuple[pd.DataFrame, np.ndarray], n_components: float) -> None:
    X, _ = iris
    pca = PCA(n_components=n_components, svd_solver="full")
    expected = pca.fit_transform(StandardScaler().fit_transform(X))
    reduced = Reduction("pca", n_components).fit(X)
    np.testing.assert_allclose(reduced.transform(X), expected, atol=1e-9)
    np.testing.assert_allclose(reduced.explained_, pca.explained_variance_ratio_, atol=1e-12)


def test_the_share_that_is_known_of_iris(iris: tuple[pd.DataFrame, np.ndarray]) -> None:
    """Of the correlations of iris 73.0 % and 22.9 % (R: summary(prcomp(iris[1:4], scale. = TRUE)))."""
    reduced = Reduction("pca").fit(iris[0])
    np.testing.assert_allclose(reduced.explained_, [0.7296, 0.2285], atol=5e-5)
    first = reduced.created_[0]
    assert first.name == "pca_1"
    assert first.kind == "pca"
    assert set(first.sources) == set(iris[0].columns)
    assert first.meaning == (
        "principal component 1, 73.0 % of the variance; mostly petal length, petal width and sepal length"
    )
    assert (
        first.formula
        == "+ 0.58 petal length + 0.565 petal width + 0.521 sepal length and 1 more (standardised)"
    )


@pytest.mark.parametrize("n_components", [None, 1, 7])
def test_lda_is_scikit_learns(iris: tuple[pd.DataFrame, np.ndarray], n_components: int | None) -> None:
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LinearDiscriminantAnalysis().fit(StandardScaler().fit_transform(X), names)
    expected = model.transform(StandardScaler().fit_transform(X))
    reduced = Reduction("lda", n_components).fit(X, names)
    wanted = min(n_components or 2, 2)
    assert list(reduced.get_feature_names_out()) == ["lda_1", "lda_2"][:wanted]
    np.testing.assert_allclose(reduced.transform(X), expected[:, :wanted], atol=1e-9)
    assert reduced.explained_[0] == pytest.approx(0.9912, abs=5e-5)  # R: MASS::lda(Species ~ ., iris)


@pytest.mark.parametrize("method", ["pca", "lda"])
def test_one_row_equals_the_same_row_in_a_batch(method: str) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(9000, 30)), columns=[f"x{i}" for i in range(30)])
    y = (X["x0"] + rng.normal(size=9000) > 0).to_numpy(int)
    reduced = Reduction(method, 1 if method == "lda" else 12).fit(X, y)
    batch = reduced.transform(X[list(X.columns[::-1])].assign(extra=1.0))
    for i in (0, 17, 8999):
        pd.testing.assert_frame_equal(reduced.transform(X.iloc[[i]]), batch.iloc[[i]], check_exact=True)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(reduced)).transform(X), batch, check_exact=True)
    again = clone(reduced)
    assert again.get_params() == reduced.get_params()
    pd.testing.assert_frame_equal(again.fit_transform(X, y), batch, check_exact=True)


def test_collinear_and_constant_features() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(100, 3)), columns=list("abc"))
    X["twice"], X["one"] = 2 * X["a"], 1e9
    y = rng.integers(0, 2, 100)
    for method in ("pca", "lda"):
        reduced = Reduction(method, 5).fit(X, y)
        assert reduced.weights_.shape[1] == (3 if method == "pca" else 1)
        assert all("one" not in item.sources for item in reduced.created_)
        moved = reduced.transform(X.assign(one=5.0))
        pd.testing.assert_frame_equal(moved, reduced.transform(X))
        assert np.isfinite(moved.to_numpy()).all()


def test_wrong_use(iris: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = iris
    for options, message in (
        ({"method": "umap"}, "method is 'umap'. Known: lda, pca"),
        ({"n_components": 0}, "n_components is 0"),
        ({"n_components": 1.5}, "a whole number, or for pca a share"),
        ({"method": "lda", "n_components": 0.5}, "n_components is 0.5"),
    ):
        with pytest.raises(ParameterError, match=message):
            Reduction(**options).fit(X, y)
    with pytest.raises(ParameterError, match="needs y"):
        Reduction("lda").fit(X)
    with pytest.raises(ParameterError, match="Use 'pca'"):
        Reduction("lda").fit(X, np.linspace(0, 1, len(X)))
    with pytest.raises(DataError, match="constant"):
        Reduction().fit(X * 0)
    reduced = Reduction().fit(X)
    with pytest.raises(DataError, match="lack petal width"):
        reduced.transform(X.drop(columns="petal width"))
    with pytest.raises(DataError, match="Impute first"):
        reduced.transform(X.assign(**{"petal width": np.nan}))
