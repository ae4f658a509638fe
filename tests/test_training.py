"""ModelTrainer, its candidates, its search, its leaderboard, its thresholds and its holdout check."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.naive_bayes import GaussianNB

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import METRICS
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.files import to_json
from ml_utils.plots import training as plots
from ml_utils.problem import Decision, Problem
from ml_utils.training.candidates import CANDIDATES, Candidate, Setting, get_candidates
from ml_utils.training.holdout import TRUTH, check_holdout, gap_sentence, lever_sentence, training_sentences
from ml_utils.training.leaderboard import (
    CandidateResult,
    corrected_error,
    corrected_interval,
    corrected_t_test,
)
from ml_utils.training.leaderboard import leaderboard as rank
from ml_utils.training.search import Fold, FoldTables, make_folds, search_rows
from ml_utils.training.search.tables import learn_features
from ml_utils.training.thresholds import (
    best_f1_threshold,
    best_profit_threshold,
    choose_threshold,
    threshold_curve,
    threshold_rules,
)
from ml_utils.training.trainer import ModelTrainer

DECISION = Decision(action="call", benefit=40.0, cost=10.0, currency="EUR")


def make_table(n: int = 600, seed: int = 0, rate: float = 0.0) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    """A table with one strong number, one weak category, missing values, and its true probabilities."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["basic", "plus", "pro"], n)
    tenure = rng.normal(size=n)
    odds = 1.6 * tenure + np.where(plan == "pro", 0.8, 0.0) + rate
    probability = 1 / (1 + np.exp(-odds))
    X = pd.DataFrame({"tenure": tenure, "plan": plan, "noise": rng.normal(size=n)})
    X.loc[rng.random(n) < 0.05, "noise"] = np.nan
    y = pd.Series((rng.random(n) < probability).astype("int8"), name="left")
    return X, y, probability


@pytest.fixture(scope="module")
def fitted() -> tuple[ModelTrainer, pd.DataFrame, pd.Series]:
    X, y, _ = make_table()
    models = ["linear", "lightgbm", "xgboost"]
    trainer = ModelTrainer(models, n_trials=3, cv_folds=3, decision=DECISION).fit(X, y)
    return trainer, X, y


@pytest.fixture(scope="module")
def problem() -> Problem:
    # only what sentences and figures read of a problem file
    return Problem.model_construct(
        name="toy", task="binary", target="left", entity="customers", outcome="leave", decision=DECISION
    )


# Statistics of the leaderboard


def test_corrected_error_by_hand() -> None:
    # eq. 10 of Nadeau & Bengio 2003 with J = 5 folds, n2/n1 = 1/4: (1/5 + 1/4) * s^2
    scores = [0.80, 0.82, 0.84, 0.86, 0.88]  # s^2 = 0.001
    assert corrected_error(scores, 0.25) == pytest.approx(np.sqrt(0.45 * 0.001))
    lower, upper = corrected_interval(scores, 0.25)
    half = stats.t.ppf(0.975, 4) * np.sqrt(0.45 * 0.001)
    assert (lower, upper) == pytest.approx((0.84 - half, 0.84 + half))


def test_corrected_t_test_by_hand() -> None:
    first, second = np.array([0.8, 0.9, 0.7, 0.8]), np.array([0.7, 0.7, 0.6, 0.8])
    t = 0.1 / np.sqrt((1 / 4 + 1 / 3) * np.var(first - second, ddof=1))
    assert corrected_t_test(first, second, 1 / 3) == pytest.approx(2 * stats.t.sf(t, 3))
    assert corrected_t_test(first, first - 0.25, 1 / 3) == pytest.approx(0.0, abs=1e-12)


def test_correction_is_wider_than_the_plain_test() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.8, 0.01, 5), rng.normal(0.79, 0.01, 5)
    assert corrected_t_test(first, second, 0.25) > stats.ttest_rel(first, second).pvalue


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", "high"), ("log_loss", "low")])
def test_selection_respects_direction(metric: str, best: str) -> None:
    results = [
        CandidateResult("low", "low", fold_scores=(0.3, 0.31, 0.32), train_scores=(0.3, 0.3, 0.3)),
        CandidateResult("failed", "failed", error="ValueError: no"),
        CandidateResult("high", "high", fold_scores=(0.7, 0.71, 0.72), train_scores=(0.9, 0.9, 0.9)),
    ]
    folds = [Fold(np.arange(2), np.arange(1))] * 3
    tables = FoldTables(pd.DataFrame({"a": [0, 1]}), np.array([0.0, 2.0]), folds, FeatureEngineer())
    board = rank(results, METRICS[metric], tables)
    assert board["candidate"].iloc[0] == best
    assert board["candidate"].iloc[-1] == "failed"
    assert board["tied_with_best"].tolist() == [True, False, False]


# Thresholds


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.int8, st.integers(2, 30), elements=st.integers(0, 1)),
    st.integers(0, 2**31),
    st.floats(1, 50),
    st.floats(1, 50),
)
def test_profit_threshold_is_the_optimum_of_an_exhaustive_search(
    y: np.ndarray, seed: int, benefit: float, cost: float
) -> None:
    score = np.random.default_rng(seed).choice([0.1, 0.2, 0.5, 0.5, 0.8], len(y))
    decision = Decision(benefit=benefit, cost=cost)

    def profit(cut: float) -> float:
        return float(benefit * np.sum(y[score >= cut]) - cost * np.sum(1 - y[score >= cut]))

    chosen = best_profit_threshold(y, score, decision)
    every = max(profit(cut) for cut in [*np.unique(score), 2.0])
    assert profit(chosen) == pytest.approx(every)


def test_best_f1_threshold_against_every_threshold() -> None:
    _, y, probability = make_table(200)
    target = y.to_numpy()
    f1 = {cut: METRICS["f1"].value(target, probability, threshold=cut) for cut in np.unique(probability)}
    chosen = best_f1_threshold(target, probability)
    assert f1[chosen] == pytest.approx(max(f1.values()))


def test_analytic_threshold_is_near_the_tuned_one_on_true_probabilities() -> None:
    _, y, probability = make_table(50_000)
    rules = threshold_rules(y, probability, DECISION).set_index("rule")
    assert rules.loc["analytic", "threshold"] == pytest.approx(0.2)
    assert rules.loc["analytic", "profit"] >= 0.995 * rules.loc["tuned for profit", "profit"]
    assert rules.loc["tuned for profit", "profit"] == rules["profit"].max()


def test_without_a_decision_f1_decides_and_nothing_is_earned() -> None:
    _, y, probability = make_table(200)
    assert choose_threshold(y, probability, None) == best_f1_threshold(y, probability)
    assert "profit" not in threshold_rules(y, probability, None)
    assert threshold_curve(y, probability, None).columns.tolist() == ["threshold", "share", "f1"]


# Candidates


def test_every_prior_lies_in_its_space() -> None:
    from optuna.trial import FixedTrial

    for candidate in CANDIDATES.values():
        if candidate.name == "catboost":
            pytest.importorskip("catboost")
        assert candidate.space(FixedTrial(dict(candidate.prior))) == dict(candidate.prior)  # type: ignore[arg-type]
        for task in candidate.tasks:
            clone(candidate.build(dict(candidate.prior), Setting(task)))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["lihgtgbm"], "Did you mean 'lightgbm'"),
        (["ridge"], "no model 'ridge' for a binary task"),
        (["linear", "logistic"], "names logistic more than once"),
        ([], "models is empty"),
        ("linear", "models is a list of names; got the text 'linear'"),
    ],
)
def test_unknown_models(models: list[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        get_candidates(models, "binary")


# Folds and rows


def test_no_group_stands_on_both_sides_and_every_row_is_validated_once() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 300)
    y = (rng.random(300) < 0.3).astype(int)
    for task in ("binary", "regression"):
        folds = make_folds(y, groups, 4, task, seed=1)  # type: ignore[arg-type]
        assert sorted(np.concatenate([fold.valid for fold in folds])) == list(range(300))
        assert not any(set(groups[fold.train]) & set(groups[fold.valid]) for fold in folds)


def test_search_rows_keep_classes_and_groups_whole() -> None:
    y = np.array([1] * 100 + [0] * 900)
    rows = search_rows(y, None, 200, "binary", seed=3)
    assert len(rows) == 200
    assert y[rows].sum() == 20
    groups = np.repeat(np.arange(100), 10)
    part = search_rows(y, groups, 205, "binary", seed=3)
    assert len(part) == 200
    assert set(np.bincount(groups[part])) <= {0, 10}
    assert len(search_rows(y, None, None, "binary", seed=3)) == 1000


def test_features_are_fitted_on_training_rows_only() -> None:
    X = pd.DataFrame({"a": np.arange(12.0)})
    y = np.array([0, 1] * 6)
    folds = make_folds(y, None, 2, "binary", seed=0)
    tables = FoldTables(X, y, folds, FeatureEngineer(scaling="standard"))
    for fold, table in zip(folds, tables.all(), strict=True):
        train, valid = table.Z, table.valid
        assert train["a"].mean() == pytest.approx(0.0, abs=1e-12)
        expected = (X["a"].iloc[fold.valid] - fold.train.mean()) / fold.train.std()
        assert valid["a"].to_numpy() == pytest.approx(expected.to_numpy())


# ModelTrainer


def test_learns_what_there_is_to_learn(fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series]) -> None:
    trainer, X, y = fitted
    _, _, probability = make_table()
    truth = METRICS["roc_auc"].value(y, probability)
    board = trainer.leaderboard_.set_index("candidate")
    assert set(board.index) - {"ensemble_blend"} == {"baseline", "logistic", "lightgbm", "xgboost"}
    assert board["mean"].iloc[0] > 0.95 * truth
    assert board.index[-1] == "baseline"
    assert board.loc["baseline", "mean"] == 0.5
    assert (board["lower"] <= board["mean"]).all()
    assert (board["mean"] <= board["upper"]).all()
    assert trainer.best_.name == board.index[0]
    assert trainer.best_.threshold == pytest.approx(0.2)
    assert trainer.best_.columns == tuple(X.columns)


def test_out_of_fold_scores_are_those_of_the_leaderboard(
    fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series],
) -> None:
    trainer, X, y = fitted
    assert trainer.oof_.shape == (len(X), len(trainer.leaderboard_))
    assert trainer.oof_.notna().all().all()
    for item in trainer.candidates_:
        by_fold = [
            METRICS["roc_auc"].value(y.iloc[fold.valid], trainer.oof_[item.name].iloc[fold.valid])
            for fold in trainer.folds_
        ]
        assert by_fold == pytest.approx(item.fold_scores)


def test_same_seed_same_results(fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series]) -> None:
    trainer, X, y = fitted
    again = clone(trainer).fit(X, y)
    assert to_json(again.results()) == to_json(trainer.results())
    assert (again.best_.predict_score(X) == trainer.best_.predict_score(X)).all()


def test_the_first_trial_is_the_prior(fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series]) -> None:
    trainer, _, _ = fitted
    for name in ("logistic", "lightgbm", "xgboost"):
        assert trainer.studies_[name].trials[0].params == pytest.approx(dict(CANDIDATES[name].prior))
        assert trainer.studies_[name].best_value == pytest.approx(
            trainer.leaderboard_.set_index("candidate").loc[name, "mean"]
        )


def test_permuted_target_scores_chance() -> None:
    X, y, _ = make_table(800)
    shuffled = pd.Series(np.random.default_rng(5).permutation(y))
    trainer = ModelTrainer(models=["linear", "lightgbm"], n_trials=1, cv_folds=4).fit(X, shuffled)
    assert trainer.leaderboard_["mean"].between(0.44, 0.56).all()


def test_a_loss_is_minimised() -> None:
    X, y, _ = make_table(300)
    trainer = ModelTrainer(models=["linear"], n_trials=4, cv_folds=3, metric="log_loss").fit(X, y)
    values = [trial.value for trial in trainer.studies_["logistic"].trials if trial.value is not None]
    assert trainer.leaderboard_["candidate"].iloc[0] == "logistic"
    assert trainer.leaderboard_["mean"].iloc[0] == pytest.approx(min(values))


def test_regression() -> None:
    X, _, _ = make_table(400)
    y = 3 * X["tenure"] + np.random.default_rng(1).normal(size=400)
    trainer = ModelTrainer(["linear", "lightgbm"], n_trials=2, cv_folds=3, ensemble="none").fit(X, y)
    assert trainer.task_ == "regression"
    assert trainer.metric_.name == "rmse"
    assert trainer.leaderboard_["candidate"].iloc[0] == "ridge"
    assert trainer.leaderboard_["mean"].iloc[0] == pytest.approx(1.0, abs=0.1)
    assert trainer.best_.threshold is None
    assert trainer.thresholds_ is None
    assert (trainer.leaderboard_["gap"].drop(trainer.leaderboard_.index[-1]) >= -0.05).all()


@pytest.mark.parametrize("imbalance", ["class_weight", "scale_pos_weight", "under", "over", "smote"])
def test_probabilities_mean_what_they_say_whatever_was_done_about_the_rare_class(imbalance: str) -> None:
    X, y, _ = make_table(1500, rate=-2.0)
    fit = {"models": ["linear"], "n_trials": 1, "cv_folds": 3, "decision": DECISION}
    plain = ModelTrainer(**fit).fit(X, y)  # type: ignore[arg-type]
    treated = ModelTrainer(**fit, imbalance=imbalance).fit(X, y)  # type: ignore[arg-type]
    assert treated.best_.threshold == plain.best_.threshold
    assert treated.best_.predict_score(X).mean() == pytest.approx(y.mean(), rel=0.15)
    assert np.mean(plain.best_.decide(X) == treated.best_.decide(X)) > 0.9


def test_search_on_a_part_fits_on_all() -> None:
    X, y, _ = make_table(500)
    trainer = ModelTrainer(models=["linear"], n_trials=1, cv_folds=3, max_search_rows=200).fit(X, y)
    assert trainer.oof_["logistic"].notna().sum() == 200
    assert trainer.best_.pipeline["features"].n_features_in_ == 3
    refit = trainer.fit_model("logistic", X, y)
    assert (refit.predict_score(X) == trainer.best_.predict_score(X)).all()


class Broken(ClassifierMixin, BaseEstimator):
    """A model that cannot be fitted."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Broken:
        raise ValueError("no luck")


def test_a_candidate_that_fails_is_recorded_and_the_rest_goes_on() -> None:
    X, y, _ = make_table(200)
    broken = Candidate("broken", "broken", ("binary",), lambda params, setting: Broken())
    bayes = Candidate("bayes", "naive Bayes", ("binary",), lambda params, setting: GaussianNB())
    trainer = ModelTrainer(models=[broken, bayes], cv_folds=3).fit(X, y)
    board = trainer.leaderboard_.set_index("candidate")
    assert board.index.tolist() == ["bayes", "baseline", "broken"]
    assert board.loc["broken", "error"] == "ValueError: no luck"
    assert "broken" not in trainer.oof_
    assert not board.loc["broken", "tied_with_best"]
    with pytest.raises(ParameterError, match="no fitted candidate 'broken'"):
        trainer.fit_model("broken", X, y)
    with pytest.raises(DataError, match=r"Every model failed.*broken: ValueError: no luck"):
        ModelTrainer(models=[broken], cv_folds=3).fit(X, y)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y: y * 0, DataError, "the value 0 in every row"),
        (lambda y: y.astype(float).where(y.index > 2), DataError, "missing or infinite in 3 of 60 rows"),
        (lambda y: y.map({0: "no", 1: "yes"}), DataError, "must be numbers"),
        (lambda y: y.iloc[:50], DataError, "X has 60 rows, y 50"),
        (lambda y: (y.index < 3).astype(int), ParameterError, "only 3 rows of the rarer class"),
    ],
)
def test_bad_targets(change: object, error: type[Exception], message: str) -> None:
    X, y, _ = make_table(60)
    with pytest.raises(error, match=message):
        ModelTrainer(models=["linear"]).fit(X, change(y))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv_folds": 1}, "cv_folds is 1"),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"imbalance": "smoote"}, "imbalance is 'smoote'. Did you mean 'smote'"),
        ({"strategy": "tp"}, "strategy is 'tp'. Did you mean 'tpe'"),
        ({"cv": "random"}, "cv is 'random'. Known: shuffled, time"),
        ({"cv": "time"}, "needs the rows' times"),
        ({"calibration": "platt"}, "calibration is 'platt'"),
        ({"ensemble": "mean"}, "ensemble is 'mean'"),
        ({"select": "simple"}, "select is 'simple'"),
        ({"metric": "profit"}, "needs a binary task with a benefit and a cost"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"storage": "/no/such/folder/x"}, "storage '/no/such/folder/x' cannot be opened"),
        ({"metric": "rmse"}, "no metric 'rmse' for a binary task"),
        ({"metric": "f1"}, "judges decisions"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    X, y, _ = make_table(60)
    with pytest.raises(ParameterError, match=message):
        ModelTrainer(models=["linear"], **options).fit(X, y)  # type: ignore[arg-type]


def test_target_encodings_are_cross_fitted_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    groups = pd.Series(np.repeat(np.arange(60), 5))
    X = pd.DataFrame({"street": "street " + groups.astype(str), "x": rng.normal(size=300)})
    y = pd.Series((rng.random(300) < np.repeat(rng.random(60), 5)).astype(int))
    given: list[npt.NDArray[np.intp] | None] = []
    learn = FeatureEngineer.fit_transform

    def spied(
        self: FeatureEngineer, X: pd.DataFrame, y: object = None, groups: object = None
    ) -> pd.DataFrame:
        given.append(None if groups is None else np.asarray(groups))
        return learn(self, X, y, groups)

    monkeypatch.setattr(FeatureEngineer, "fit_transform", spied)
    trainer = ModelTrainer(["linear"], cv_folds=3).fit(X, y, groups)
    trainer.fit_model("logistic", X, y, groups=groups)
    rows = [*(fold.train for fold in trainer.folds_), np.arange(300), np.arange(300)]
    assert len(given) == len(rows)
    for seen, part in zip(given, rows, strict=True):
        assert seen is not None
        assert seen.tolist() == groups.iloc[part].tolist()
    # a street is one group's alone, so that no row may know its street from the group's other rows
    for table in trainer.tables_.all():
        assert table.plain.filter(like="street").nunique().max() <= 5  # one value a part of the cross-fitting


def test_a_single_group_does_not_stop_features() -> None:
    X = pd.DataFrame({"street": [f"street {i % 30}" for i in range(120)]})
    _, Z = learn_features(FeatureEngineer(), X, np.arange(120) % 2, np.zeros(120))
    assert Z.shape == (120, 1)


def test_few_groups_of_the_rarer_class() -> None:
    X, y, _ = make_table(60)
    y = pd.Series((np.arange(60) < 10).astype(int))
    groups = pd.Series(np.where(np.arange(60) < 10, 0, np.arange(60)))
    with pytest.raises(ParameterError, match="only 1 groups of the rarer class"):
        ModelTrainer(models=["linear"], cv_folds=3).fit(X, y, groups)


# The holdout check and the page's sentences


def test_holdout_against_the_truth(
    fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series], problem: Problem
) -> None:
    trainer, X_train, y_train = fitted
    X, y, probability = make_table(3000, seed=9)
    models = {"best": trainer.best_, "none": trainer.fit_model("baseline", X_train, y_train)}
    check = check_holdout(models, X, y, probability)
    assert check.metrics["model"].tolist() == ["best", "none", TRUTH]
    assert check.metrics["roc_auc"].iloc[1] == 0.5
    assert 0.9 < check.achieved < 1.02
    assert check.calibration["rows"].sum() == 3000
    first, second, third = training_sentences(trainer, check, problem)
    assert "which customers leave" in first
    assert "3,000 rows kept apart" in first
    assert "of the best achievable AUC" in second
    assert "call from a score of 20.0 % on" in third
    assert "greater lever" in lever_sentence(trainer, y_train)
    assert "does not carry over" in gap_sentence(trainer)
    assert len(check.headline(trainer)) == 4
    assert "AUC" in check._repr_html_()


def test_a_worthless_table_is_called_so(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame({"noise": rng.normal(size=200)}), pd.Series(rng.integers(0, 2, 200))
    trainer = ModelTrainer(models=["baseline"], cv_folds=2).fit(X, y)
    check = check_holdout({"baseline": trainer.best_}, X, y)
    assert "No model predicts better" in training_sentences(trainer, check, problem)[0]
    assert "nothing can be learnt by heart" in gap_sentence(trainer)
    assert np.isnan(check.achieved)


def test_figures(fitted: tuple[ModelTrainer, pd.DataFrame, pd.Series], problem: Problem) -> None:
    trainer, X, y = fitted
    check = check_holdout({"best": trainer.best_}, X, y)
    drawn = [
        plots.leaderboard(trainer),
        plots.search_history(trainer),
        plots.thresholds(trainer),
        plots.calibration(check, problem),
    ]
    for made in drawn:
        assert made is not None
        axes = made.axes[0]
        assert axes.get_title()
        assert axes.get_xlabel()


def test_results_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CandidateResult("a", "a").name = "b"  # type: ignore[misc]


@pytest.mark.full
def test_corrected_test_keeps_its_level() -> None:
    """Two equally good models are called different in at most about 5 % of tables (Nadeau & Bengio 2003)."""
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 2))
        y = (X.sum(axis=1) + rng.normal(size=200) > 0).astype(int)
        folds = make_folds(y, None, 5, "binary", seed)
        scores = np.array(
            [
                [METRICS["roc_auc"].value(y[f.valid], _lda(X[:, [j]], y, f.train, f.valid)) for f in folds]
                for j in (0, 1)
            ]
        )
        called += corrected_t_test(scores[0], scores[1], 0.25) < 0.05
    assert called / 200 <= 0.12


def _lda(X: np.ndarray, y: np.ndarray, train: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.asarray(GaussianNB().fit(X[train], y[train]).predict_proba(X[valid])[:, 1])
