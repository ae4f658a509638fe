"""Selection: each method is scikit-learn's own, finds what is planted, and says why."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import feature_selection as sk
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.selection import SELECTIONS, needs_target, select_features
from ml_utils.features.selection.filters import univariate_f
from ml_utils.features.selection.material import encode_target, make_material
from ml_utils.features.selection.resampling import allowed_entries, false_bound
from ml_utils.features.selection.result import by_rank, top

RANKING = tuple(name for name in SELECTIONS if name not in ("none", "variance", "correlation"))
QUICK = tuple(name for name in RANKING if name not in ("permutation", "sequential"))
SIGNAL = ["s1", "s2", "s3"]


def planted(
    task: str = "binary", n: int = 500, noise: int = 6, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Three features that drive the target, and some that do not."""
    rng = np.random.default_rng(seed)
    names = [*(f"n{i}" for i in range(noise)), *SIGNAL]
    X = pd.DataFrame(rng.normal(size=(n, len(names))), columns=names)
    X["n0"] = (X["n0"] > 0).astype(float)
    score = 2.0 * X["s1"] - 1.7 * X["s2"] + 1.7 * X["s3"]
    if task == "regression":
        return X, (score + rng.normal(size=n)).to_numpy()
    noisy = score + rng.logistic(size=n)
    if task == "binary":
        return X, (noisy > 0).to_numpy(int)
    return X, np.array(["low", "middle", "high"])[np.digitize(noisy, [-1.5, 1.5])]


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
@pytest.mark.parametrize("method", RANKING)
def test_planted_signal_is_found(method: str, task: str) -> None:
    X, y = planted(task, noise=2 if method == "sequential" else 6)
    if method == "chi2" and task == "regression":
        with pytest.raises(ParameterError, match="compares classes"):
            select_features(X, y, method, n_features=3)
        return
    found = select_features(X, y, method, n_features=3, seed=1)
    assert found.kept == SIGNAL
    assert found.scores["feature"].tolist() == list(X.columns)
    assert found.scores.loc[found.scores["kept"], "feature"].tolist() == SIGNAL
    assert (found.scores["why"].str.len() > 0).all()


@pytest.mark.parametrize("method", [name for name in RANKING if name != "importance"])
def test_without_a_number_signal_stays_and_most_noise_goes(method: str) -> None:
    task = "regression" if method in ("sequential", "rfe") else "binary"
    n = 1500 if method == "mutual_information" else 500
    X, y = planted(task, n, noise=30 if method == "stability" else 6)
    kept = select_features(X, y, method, seed=1).kept
    assert set(SIGNAL) <= set(kept)
    assert len(kept) <= 6


# --- against scikit-learn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_f_test_is_scikit_learns(task: str) -> None:
    X, y = planted(task)
    test = sk.f_regression if task == "regression" else sk.f_classif
    best = sk.SelectKBest(test, k=5).fit(X, y)
    found = select_features(X, y, "f_test", n_features=5)
    assert found.kept == list(X.columns[best.get_support()])
    np.testing.assert_allclose(found.scores["score"], best.scores_)
    np.testing.assert_allclose(found.steps[-1].details["p_value"], best.pvalues_)
    discoveries = sk.SelectFdr(test, alpha=0.05).fit(X, y)
    assert select_features(X, y, "f_test").kept == list(X.columns[discoveries.get_support()])


def test_chi2_is_scikit_learns_over_the_bins() -> None:
    """Scikit-learn's chi2 of one-hot bins, summed over a feature's bins, is the test of the whole table."""
    X, y = planted()
    found = select_features(X, y, "chi2", n_features=3).steps[-1].details
    bins = KBinsDiscretizer(10, encode="onehot-dense", quantile_method="linear").fit_transform(X[["s1"]])
    assert found.loc["s1", "statistic"] == pytest.approx(sk.chi2(bins, y)[0].sum(), rel=1e-6)
    two = np.column_stack([X["n0"] == 0, X["n0"] == 1]).astype(float)
    assert found.loc["n0", "statistic"] == pytest.approx(sk.chi2(two, y)[0].sum(), rel=1e-9)
    expected = stats.chi2_contingency(pd.crosstab(X["n0"], y), correction=False)
    assert found.loc["n0", "p_value"] == pytest.approx(expected.pvalue)
    assert found.loc["s1", "degrees_of_freedom"] == 9


def test_mutual_information_is_scikit_learns() -> None:
    X, y = planted()
    ordered = X[sorted(X.columns)]
    discrete = [name == "n0" for name in ordered.columns]
    expected = sk.mutual_info_classif(ordered, y, discrete_features=discrete, random_state=5)
    found = select_features(X, y, "mutual_information", n_features=3, seed=5).scores.set_index("feature")
    np.testing.assert_allclose(found.loc[ordered.columns, "score"], expected)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_rfe_and_sequential_are_scikit_learns(task: str) -> None:
    X, y = planted(task, noise=3)
    ordered = X[sorted(X.columns)]
    values = StandardScaler().fit_transform(ordered)
    model = Ridge() if task == "regression" else LogisticRegression(max_iter=500)
    rfe = sk.RFE(model, n_features_to_select=4, step=0.1).fit(values, y)
    assert set(select_features(X, y, "rfe", n_features=4).kept) == set(ordered.columns[rfe.get_support()])
    material = make_material(X, y, task=None, groups=None, n_features=None, seed=3)
    scoring = "r2" if task == "regression" else "roc_auc"
    forward = sk.SequentialFeatureSelector(
        model, n_features_to_select=2, cv=material.folds(3), scoring=scoring
    ).fit(values, y)
    found = select_features(X, y, "sequential", n_features=2, seed=3)
    assert set(found.kept) == set(ordered.columns[forward.get_support()])


def test_l1_follows_the_path() -> None:
    """Where the fourth feature entered, an L1 regression holds four or more; a step before, fewer."""
    X, y = planted()
    step = select_features(X, y, "l1", n_features=4).steps[-1]
    entered = np.sort(step.details["penalty"])[-4]
    values = StandardScaler().fit_transform(X)
    largest = np.abs(values.T @ (y - y.mean())).max()
    held = []
    for penalty in (entered, entered / 0.8):
        model = LogisticRegression(C=1 / (largest * penalty), l1_ratio=1.0, solver="saga", max_iter=5000)
        held.append(set(X.columns[model.fit(values, y).coef_[0] != 0]))
    assert set(step.kept) <= held[0]
    assert len(held[1]) < 4 <= len(held[0])


def test_importance_is_what_it_was() -> None:
    from lightgbm import LGBMClassifier

    X, y = planted()
    trees = LGBMClassifier(
        n_estimators=60,
        num_leaves=8,
        importance_type="gain",
        random_state=42,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    ).fit(X.to_numpy(), y)
    found = select_features(X, y, "importance")
    assert found.kept == list(X.columns)
    np.testing.assert_array_equal(found.scores["score"], trees.feature_importances_)


# --- variance and correlation -----------------------------------------------------------------------------


def test_constants_go_first_whatever_the_method() -> None:
    X, y = planted()
    X["one"] = 7.0
    for method in ("variance", "f_test", "importance"):
        found = select_features(X, y, method, n_features=20)
        assert "one" not in found.kept
        assert found.scores.set_index("feature").loc["one", "why"] == "the same value in every row"
    assert "one" in select_features(X, y, "none").kept


def test_of_two_alike_the_one_that_says_more_stays() -> None:
    X, y = planted("regression")
    rng = np.random.default_rng(2)
    X["s1 noisy"] = X["s1"] + 0.3 * rng.normal(size=len(X))
    X["minus"] = -2 * X["s2"] + 5
    found = select_features(X, y, ["correlation"])
    assert "s1" in found.kept
    assert "s1 noisy" not in found.kept
    assert "minus" in found.kept  # the same to the last digits: the first by name
    assert "s2" not in found.kept
    why = found.scores.set_index("feature")["why"]
    assert why["s2"].startswith("correlation -1.000 with minus, which says as much or more")
    assert select_features(X, None, "correlation").kept == [f"n{i}" for i in range(6)] + SIGNAL
    assert (
        select_features(X, np.ones(len(X)), "correlation").kept
        == select_features(X, None, "correlation").kept
    )
    shuffled = X[list(X.columns[::-1])]
    assert set(select_features(shuffled, y, "correlation").kept) == set(found.kept)


def test_a_chain_narrows_down_and_the_last_method_takes_the_number() -> None:
    X, y = planted(noise=20)
    X["copy"], X["one"] = X["s3"], 1.0
    found = select_features(X, y, ["variance", "correlation", "f_test", "importance"], n_features=2)
    assert len(found.kept) == 2
    assert [step.method for step in found.steps] == ["variance", "correlation", "f_test", "importance"]
    sizes = [len(step.kept) for step in found.steps]
    assert sizes == sorted(sizes, reverse=True)
    assert set(found.kept) <= {*SIGNAL, "copy"}
    said = found.sentences()
    assert said[0].startswith("Of 25 features 2 stay: 1 dropped as constant (one); ")
    frame = found.to_frame()
    assert frame["feature"].head(2).tolist() == by_rank(found.scores.set_index("feature")["score"])[:2]
    assert frame["kept"].tolist() == [True] * 2 + [False] * 23


# --- ties, order, seeds, groups ---------------------------------------------------------------------------


def test_ties_go_by_name() -> None:
    score = pd.Series({"b": 1.0, "c": 1.0, "a": 1.0 - 1e-13, "z": 2.0, "none": np.nan})
    assert by_rank(score) == ["z", "a", "b", "c", "none"]
    assert top(score, 2) == ["a", "z"]


@pytest.mark.parametrize("method", [name for name in QUICK if name != "importance"])
def test_the_order_of_columns_does_not_matter(method: str) -> None:
    X, y = planted(n=300)
    X["a copy"] = X["s1"]
    found = select_features(X, y, method, n_features=3, seed=2)
    other = select_features(X[list(X.columns[::-1])], y, method, n_features=3, seed=2)
    assert set(found.kept) == set(other.kept)


@pytest.mark.parametrize("method", RANKING)
def test_one_seed_gives_one_result_and_groups_are_taken(method: str) -> None:
    X, y = planted("regression" if method == "sequential" else "binary", n=240, noise=3)
    groups = [f"g{i // 3}" for i in range(240)]
    runs = [select_features(X, y, method, n_features=3, groups=groups, seed=4) for _ in range(2)]
    pd.testing.assert_frame_equal(runs[0].scores, runs[1].scores)
    again = pickle.loads(pickle.dumps(runs[0]))
    assert again.kept == runs[0].kept


def test_groups_stand_on_one_side_of_every_inner_split() -> None:
    X, y = planted(n=300)
    groups = np.arange(300) // 3
    material = make_material(X, y, task=None, groups=groups, n_features=None, seed=0)
    splits = [*material.folds(4), *material.halves(3)]
    for first, second in splits:
        assert not set(groups[first]) & set(groups[second])
        assert len(first) + len(second) == 300
    part = material.part(100)
    assert len(part.features) == 99
    assert (np.bincount(part.groups)[np.unique(part.groups)] == 3).all()


def test_a_large_table_is_sampled_and_said_so() -> None:
    X, y = planted(n=6000)
    said = select_features(X, y, "mutual_information", n_features=3).sentences()
    assert said[-1] == "Mutual information looked at a random 5,000 of 6,000 rows."


# --- stability --------------------------------------------------------------------------------------------


def test_stability_tells_signal_from_noise_and_bounds_what_chance_keeps() -> None:
    X, y = planted(noise=20)
    step = select_features(X, y, "stability", seed=3).steps[-1]
    frequency = step.details["frequency"]
    assert (frequency[SIGNAL] >= 0.9).all()
    assert frequency.drop(SIGNAL).max() < 0.5
    assert step.to_frame()["feature"].head(3).isin(SIGNAL).all()
    assert false_bound(allowed_entries(23), 23) <= 1
    assert "expected by chance" in step.note


def test_permutation_reports_how_often() -> None:
    X, y = planted(noise=4)
    step = select_features(X, y, "permutation", seed=3).steps[-1]
    assert (step.details.loc[SIGNAL, "frequency"] == 1).all()
    assert step.details["frequency"].drop(SIGNAL).max() < 0.5
    assert step.why["s1"] == "selected in 100 % of 20 halves of the rows"


@pytest.mark.full
@pytest.mark.parametrize("method", ["stability", "permutation"])
def test_on_noise_alone_next_to_nothing_is_stable(method: str) -> None:
    """At most one feature by chance on average (Meinshausen & Bühlmann 2010, theorem 1), over 20 tables."""
    kept = []
    for seed in range(20):
        X, _ = planted(n=400, noise=20, seed=seed)
        y = np.random.default_rng(seed).integers(0, 2, 400)
        try:
            kept.append(len(select_features(X, y, method, seed=seed).kept))
        except DataError:
            kept.append(0)
    assert np.mean(kept) <= 1


@pytest.mark.full
@pytest.mark.parametrize("method", ["f_test", "chi2", "mutual_information"])
def test_false_discoveries_are_few(method: str) -> None:
    """Of what a test keeps 5 % is noise on average; a shuffled target is a rougher guide."""
    shares = []
    for seed in range(20):
        X, y = planted(n=400, noise=20, seed=seed)
        kept = select_features(X, y, method, seed=seed).kept
        shares.append(np.mean([name not in SIGNAL for name in kept]))
    assert np.mean(shares) <= (0.15 if method == "mutual_information" else 0.08)


# --- what cannot be used ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", RANKING)
def test_a_number_above_what_is_there_keeps_all(method: str) -> None:
    X, y = planted(n=200, noise=1)
    assert len(select_features(X, y, method, n_features=50).kept) == 4


@pytest.mark.parametrize("method", [name for name in RANKING if name != "importance"])
def test_a_target_is_asked_for(method: str) -> None:
    X, _ = planted(n=50)
    assert needs_target(method)
    with pytest.raises(ParameterError, match=f"selection='{method}' needs y"):
        select_features(X, None, method)


def test_importance_needs_a_target_only_to_choose() -> None:
    X, _ = planted(n=50)
    assert select_features(X, None, "importance").kept == list(X.columns)
    with pytest.raises(ParameterError, match="needs y"):
        select_features(X, None, "importance", n_features=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "lasso"}, "selection is 'lasso'. Known: chi2, "),
        ({"method": ["variance", "f-test"]}, "Did you mean 'f_test'"),
        ({"n_features": 0}, "n_features is 0; it must be 1 or more"),
        ({"n_features": 2.5}, "n_features is 2.5"),
        ({"task": "classification"}, "task is 'classification'"),
    ],
)
def test_wrong_options(change: dict, message: str) -> None:
    X, y = planted(n=50)
    with pytest.raises(ParameterError, match=message):
        select_features(X, y, **{"method": "f_test", **change})


def test_wrong_tables() -> None:
    X, y = planted(n=50)
    holed = X.copy()
    holed.loc[3, "n1"] = np.nan
    for table, target, message in (
        (X.assign(word="a"), y, "word are not"),
        (holed, y, "n1 miss them in 1 rows"),
        (X.iloc[:0], y, "0 rows"),
        (X.to_numpy(), y, "got ndarray"),
        (pd.concat([X, X[["s1"]]], axis=1), y, "s1"),
        (X, y[:-1], "50 rows of features and 49 of the target"),
        (X, np.where(np.arange(50) < 3, np.nan, y), "missing in 3 of 50 rows"),
        (X, np.ones(50), "one value in every row"),
        (X * 0, y, "Every feature is constant"),
    ):
        with pytest.raises(DataError, match=message):
            select_features(table, target, "f_test")
    with pytest.raises(DataError, match="and 10 of the groups"):
        select_features(X, y, "rfe", groups=np.arange(10))


def test_nothing_left_says_what_to_do() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 4)), columns=list("abcd"))
    with pytest.raises(DataError, match=r"None of 4 features is left: by the F test .* Set n_features"):
        select_features(X, rng.integers(0, 2, 200), "f_test")


def test_too_few_rows_of_a_class() -> None:
    X, _ = planted(n=30)
    y = (np.arange(30) == 0).astype(int)
    for method in ("sequential", "stability"):
        with pytest.raises(DataError, match="class"):
            select_features(X, y, method, n_features=2)


def test_a_costly_search_warns(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_utils.features.selection import wrappers

    monkeypatch.setattr(wrappers, "MANY_FITS", 30)
    monkeypatch.setattr(wrappers, "MOST_SEARCHED", 5)
    X, y = planted("regression", n=120)
    with caplog.at_level(logging.WARNING):
        found = select_features(X, y, "sequential", n_features=3)
    assert "takes up to 36 fits" in caplog.text
    assert "Sequential search looked at the 5 features with the largest F." in found.sentences()


def test_targets_are_told_apart() -> None:
    assert encode_target([True, False, True])[1] == "binary"
    assert encode_target(["a", "b", "c"])[1] == "multiclass"
    assert encode_target([1, 2, 3])[1] == "regression"
    assert encode_target([1, 2, 3], "multiclass")[0].tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="two values; this one has 3"):
        encode_target([1, 2, 3], "binary")
    with pytest.raises(DataError, match="finite numbers"):
        encode_target(["a", "b", "c"], "regression")


def test_a_feature_that_is_the_target_comes_first() -> None:
    X, y = planted(n=100)
    X["answer"] = y.astype(float)
    material = make_material(X, y, task=None, groups=None, n_features=None, seed=0)
    assert by_rank(univariate_f(material)[0])[0] == "answer"
    for method in QUICK:
        assert select_features(X, y, method, n_features=1).kept == ["answer"]


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(12, 40),
    st.sampled_from(["f_test", "chi2", "l1", "rfe", "importance"]),
    st.integers(0, 10_000),
)
def test_kept_and_scores_agree_on_any_table(p: int, n: int, method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.integers(0, 3, (n, p)).astype(float), columns=[f"x{i}" for i in range(p)])
    X["x0"] += np.arange(n)  # one at least is not constant
    y = np.arange(n) % 2
    found = select_features(X, y, method, n_features=2, seed=seed)
    assert found.kept == found.scores.loc[found.scores["kept"], "feature"].tolist()
    assert 1 <= len(found.kept) <= 2
    assert set(found.kept) <= set(X.columns[X.std() > 0])
