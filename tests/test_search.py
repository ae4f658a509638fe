"""The search: strategies, pruning, time budgets, studies that are resumed, and what samplers may see."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from searched import CLIMBED, FALLEN, HILL, PRIOR, ROWS, SETTING, Clock, Constant, height, slow, small_tables
from sklearn.linear_model import LogisticRegression

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.problem import Decision
from ml_utils.training import imbalance
from ml_utils.training.candidates import Candidate, Setting
from ml_utils.training.imbalance import PriorShift, candidate_shift, prior_shift
from ml_utils.training.profit import profit_metric
from ml_utils.training.search import (
    STRATEGIES,
    Budget,
    CandidateSearch,
    FoldTables,
    SearchOptions,
    make_folds,
    open_storage,
    search_all,
    search_key,
)
from ml_utils.training.search.studies import finished
from ml_utils.training.trainer import ModelTrainer


def searched(strategy: str, n_trials: int = 12, seed: int = 42, **options: Any) -> tuple[Any, Any]:
    search = CandidateSearch(
        *(HILL, small_tables(), Setting("regression", seed=seed), CLIMBED),
        SearchOptions(strategy, n_trials, **options),
    )
    return search.run()


def told(study: Any) -> list[tuple[Any, ...]]:
    return [(t.params, t.state.name, t.value, t.intermediate_values) for t in finished(study)]


# Strategies


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_climbs_from_the_prior_and_goes_the_same_way_twice(strategy: str) -> None:
    result, study = searched(strategy)
    assert study.trials[0].params == PRIOR
    assert result.mean == study.best_value == pytest.approx(height(result.params))
    assert result.mean > height(PRIOR) + 0.5
    assert told(searched(strategy)[1]) == told(study)


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_learning_strategies_beat_chance_on_a_smooth_function(strategy: str) -> None:
    learnt = [searched(strategy, 16, seed)[0].mean for seed in range(6)]
    drawn = [searched("random", 16, seed)[0].mean for seed in range(6)]
    assert np.mean(learnt) > np.mean(drawn)
    if strategy == "gp":
        assert np.mean(learnt) > -0.02  # the top is 0


def test_grid_covers_exactly_its_points() -> None:
    result, study = searched("grid", n_trials=30)
    points = {(trial.params["x"], trial.params["z"]) for trial in study.trials}
    assert points == {(x, z) for x in (-0.5, 0.3) for z in (0.1, 1.0, 3.0)} | {(-0.8, 5.0)}
    assert len(study.trials) == 7
    assert result.params == {"x": 0.3, "z": 0.1}


def test_a_loss_is_minimised_by_every_strategy() -> None:
    for strategy in ("tpe", "gp", "halving"):
        search = CandidateSearch(HILL, small_tables(), SETTING, FALLEN, SearchOptions(strategy, 10))
        result, study = search.run()
        assert result.mean == min(t.value for t in study.trials if t.state.name == "COMPLETE")


def test_halving_keeps_a_third_after_each_rung() -> None:
    result, study = searched("halving", n_trials=18)
    stopped = [t for t in study.trials if t.state.name == "PRUNED"]
    assert result.pruned == len(stopped) >= 6
    assert {max(t.intermediate_values) for t in stopped} == {1}  # after their first fold
    assert all(t.value <= study.best_value for t in stopped)


# Failures


def test_trials_that_fail_are_left_behind_and_counted() -> None:
    def build(params: dict[str, Any], setting: Setting) -> Constant:
        if params["x"] > 0:
            raise ValueError("x is above 0")
        return Constant(height(params))

    half = Candidate("half", "half", ("regression",), build, HILL.space, PRIOR)
    result, _ = CandidateSearch(half, small_tables(), SETTING, CLIMBED, SearchOptions("random", 10)).run()
    assert 0 < result.failed < 10
    assert result.params["x"] <= 0
    assert not result.error


def test_a_candidate_without_a_trial_that_worked_says_why_and_a_bug_is_not_hidden() -> None:
    def broken(error: Exception) -> Candidate:
        def build(params: dict[str, Any], setting: Setting) -> Constant:
            raise error

        return Candidate("broken", "broken", ("regression",), build)

    result, _ = CandidateSearch(broken(ValueError("no luck")), small_tables(), SETTING, CLIMBED).run()
    assert result.error == "ValueError: no luck"
    assert np.isnan(result.mean)
    with pytest.raises(AssertionError, match="a bug"):
        CandidateSearch(broken(AssertionError("a bug")), small_tables(), SETTING, CLIMBED).run()


# Time


def test_no_trial_is_begun_that_would_not_end_in_time() -> None:
    clock = Clock()
    search = CandidateSearch(slow(clock, 1.0), small_tables(), SETTING, CLIMBED, SearchOptions("random", 50))
    result, study = search.run(Budget(10.0, clock))
    assert clock.now <= 10.0
    assert clock.now >= 7.0  # nothing is left that a trial of three fits would have fitted in
    assert 2 <= result.trials < 50
    assert "the time budget ended: 3 fits of about 1 s each were to come" in result.cut
    assert not result.error
    assert len(study.trials) == result.trials + 1  # the one that was cut


@pytest.mark.parametrize(("seconds", "left_out"), [(4.0, 2), (13.0, 1), (30.0, 0), (90.0, 0)])
def test_candidates_share_a_budget_that_holds(seconds: float, left_out: int) -> None:
    clock = Clock()
    fits = {"quick": 0.5, "middle": 1.0, "long": 2.0}
    rows = 3000
    candidates = [slow(clock, of * ROWS / (rows * 2 / 3), name) for name, of in fits.items()]
    options, tables = SearchOptions("random", 100), small_tables(rows)
    found = search_all(candidates, tables, SETTING, CLIMBED, options, Budget(seconds, clock))
    final = 1.5 * sum(fits[result.name] for result, _ in found if not result.error)
    assert clock.now + final <= 1.1 * seconds
    assert clock.now + final > 0.6 * seconds
    assert sum(bool(result.error) for result, _ in found) == left_out
    assert all(result.cut for result, _ in found)


def test_the_starts_of_all_candidates_come_before_anyones_further_trials() -> None:
    clock = Clock()
    candidates = [slow(clock, 1.0, "first"), slow(clock, 1.0, "second")]
    options = SearchOptions("random", 1000)
    found = search_all(candidates, small_tables(), SETTING, CLIMBED, options, Budget(12.0, clock))
    assert not any(result.error for result, _ in found)


def test_more_final_rows_keep_more_time_back() -> None:
    spent = []
    for rows in (60, 600):
        clock = Clock()
        options = SearchOptions("random", 1000)
        tables = small_tables()
        search_all([slow(clock, 1.0)], tables, SETTING, CLIMBED, options, Budget(60, clock), final_rows=rows)
        spent.append(clock.now)
    assert spent[0] > 50
    assert spent[1] < 60 - 600 / 40


def _table(n: int) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 12))).rename(columns=str)
    y = pd.Series((rng.random(n) < 1 / (1 + np.exp(1 - X["0"] - X["1"] * X["2"]))).astype(int))
    return X, y


def test_a_budget_too_short_for_one_fit_falls_back_to_the_baseline_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    X, y = _table(300)
    lines: list[str] = []
    trainer = ModelTrainer(["linear"], cv_folds=3, budget_seconds=1e-3, progress=lines.append)
    with caplog.at_level(logging.WARNING):
        trainer.fit(X, y)
    assert trainer.best_.name == "baseline"
    assert "the baseline is all that the time budget left room for" in caplog.text
    assert "the time budget ended" in trainer.leaderboard_.set_index("candidate").loc["logistic", "error"]
    assert any("the time budget ended" in line for line in lines)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_budget_of_nothing_is_refused(seconds: float) -> None:
    with pytest.raises(ParameterError, match=r"budget_seconds is .*above 0"):
        ModelTrainer(["linear"], budget_seconds=seconds).fit(*_table(60))


@pytest.mark.full
def test_a_real_budget_holds_within_a_tenth() -> None:
    X, y = _table(7000)
    ModelTrainer(n_trials=1, cv_folds=3).fit(X[:300], y[:300])  # imports are not the search's
    started = time.perf_counter()
    trainer = ModelTrainer(n_trials=500, budget_seconds=4.0).fit(X, y)
    taken = time.perf_counter() - started
    assert taken < 4.4
    assert (trainer.leaderboard_["cut"] != "").any()
    assert trainer.best_.name != "baseline"


# Studies that go on


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [
        ("tpe", "journal"),
        ("gp", "journal"),
        ("halving", "journal"),
        pytest.param("halving", "sqlite", marks=pytest.mark.full),
    ],
)
def test_a_resumed_study_equals_an_uninterrupted_one(tmp_path: Path, strategy: str, kind: str) -> None:
    where = str(tmp_path / "studies") if kind == "journal" else f"sqlite:///{tmp_path}/studies.db"
    whole, study = searched(strategy, n_trials=9)
    fits = 0

    def build(params: dict[str, Any], setting: Setting) -> Constant:
        nonlocal fits
        fits += 1
        if fits in (6, 7, 14):
            raise KeyboardInterrupt
        return Constant(height(params))

    cut = Candidate("hill", "hill", ("regression",), build, HILL.space, HILL.prior, HILL.grid)
    for _ in range(3):
        search = CandidateSearch(
            *(cut, small_tables(), SETTING, CLIMBED), SearchOptions(strategy, 9, storage=open_storage(where))
        )
        with pytest.raises(KeyboardInterrupt):
            search.run()
    resumed, again = searched(strategy, n_trials=9, storage=open_storage(where))
    assert told(again) == told(study)
    assert len(again.trials) > len(study.trials)  # those that were cut off are kept, and do not count
    assert (resumed.params, resumed.fold_scores) == (whole.params, whole.fold_scores)
    once_more, _ = searched(strategy, n_trials=9, storage=open_storage(where))
    assert once_more.fold_scores == whole.fold_scores  # fitted anew from what the study knows


def test_a_trial_that_was_planned_and_never_begun_is_planned_again(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "studies"))
    search = CandidateSearch(HILL, small_tables(), SETTING, CLIMBED, SearchOptions("tpe", 4, storage=storage))
    search._open().enqueue_trial(PRIOR)  # and then the process was killed
    assert told(searched("tpe", 4, storage=storage)[1]) == told(searched("tpe", 4)[1])


def test_what_a_space_adds_is_kept_when_the_best_is_fitted_anew(tmp_path: Path) -> None:
    def space(trial: Any) -> dict[str, Any]:
        return {**HILL.space(trial), "offset": 7.0}

    def build(params: dict[str, Any], setting: Setting) -> Constant:
        return Constant(height(params) + params["offset"])

    moved = Candidate("moved", "moved", ("regression",), build, space, PRIOR)
    for _ in range(2):
        options = SearchOptions("random", 3, storage=open_storage(str(tmp_path / "studies")))
        result, _ = CandidateSearch(moved, small_tables(), SETTING, CLIMBED, options).run()
        assert result.mean > 5
        assert result.params["offset"] == 7.0


_SCRIPT = """
import time
import searched
from ml_utils.training.candidates import Candidate
from ml_utils.training.search import CandidateSearch, SearchOptions, open_storage

def build(params, setting):
    time.sleep(0.05)
    return searched.Constant(searched.height(params))

hill = searched.HILL
slow = Candidate("hill", "hill", ("regression",), build, hill.space, hill.prior, hill.grid)
tell = lambda done, planned, best: print(done, flush=True)
options = SearchOptions("halving", 30, storage=open_storage({where!r}))
CandidateSearch(slow, searched.small_tables(), searched.SETTING, searched.CLIMBED, options, tell).run()
"""


@pytest.mark.full
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_killed_process_loses_one_trial_and_nothing_else(tmp_path: Path, kind: str) -> None:
    where = str(tmp_path / "studies") if kind == "journal" else f"sqlite:///{tmp_path}/studies.db"
    roots = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT.format(where=where)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 11:
            time.sleep(0.07)  # in the middle of a trial
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    resumed, study = searched("halving", 30, storage=open_storage(where))
    whole, uninterrupted = searched("halving", 30)
    assert told(study) == told(uninterrupted)
    assert resumed.fold_scores == whole.fold_scores


def test_studies_of_other_data_folds_decisions_and_starts_are_told_apart(tmp_path: Path) -> None:
    tables, options = small_tables(), SearchOptions()
    key = search_key(tables, SETTING, CLIMBED, options)
    assert key == search_key(small_tables(), SETTING, CLIMBED, options)
    others = [
        search_key(small_tables(61), SETTING, CLIMBED, options),
        search_key(small_tables(n_folds=4), SETTING, CLIMBED, options),
        search_key(tables, Setting("regression", seed=1), CLIMBED, options),
        search_key(tables, SETTING, CLIMBED, SearchOptions("gp")),
        search_key(tables, SETTING, CLIMBED, options, Decision(benefit=1, cost=1)),
        search_key(tables, SETTING, CLIMBED, options, Decision(benefit=2, cost=1)),
    ]
    assert len({key, *others}) == 7
    storage = open_storage(str(tmp_path / "studies"))
    changed = Candidate("hill", "hill", HILL.tasks, HILL.build, HILL.space, {"x": 0.0, "z": 1.0})
    for candidate in (HILL, changed):
        search = CandidateSearch(
            candidate, tables, SETTING, CLIMBED, SearchOptions("tpe", 2, storage=storage)
        )
        assert search.run()[1].trials[0].params == dict(candidate.prior)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    X, y = _table(200)
    fit = {"models": ["linear"], "n_trials": 3, "cv_folds": 3}
    plain = ModelTrainer(**fit).fit(X, y)  # type: ignore[arg-type]
    for _ in range(2):
        kept = ModelTrainer(**fit, storage=str(tmp_path / "studies")).fit(X, y)  # type: ignore[arg-type]
        assert kept.candidates_ == plain.candidates_


# Samplers see training rows only


@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_sampler_sees_validation_rows(monkeypatch: pytest.MonkeyPatch, early_stopping: bool) -> None:
    from imblearn.over_sampling import SMOTE

    X, y = _table(240)
    X["row"] = np.arange(240.0)  # tells rows apart wherever they go
    seen: list[set[float]] = []
    inner = SMOTE.fit_resample

    def spy(self: Any, Z: pd.DataFrame, target: np.ndarray, **options: Any) -> Any:
        seen.append(set(Z["row"]))
        return inner(self, Z, target, **options)

    monkeypatch.setattr(SMOTE, "fit_resample", spy)
    tables = FoldTables(X, y.to_numpy(), make_folds(y, None, 3, "binary", 0), FeatureEngineer(), "smote")
    setting = Setting("binary")
    metric = profit_metric(Decision(benefit=4, cost=1))
    lightgbm = Candidate(
        *("lightgbm", "LightGBM", ("binary",), _small_lightgbm, lambda trial: {"n_estimators": 5}),
        *({"n_estimators": 5}, {}, 1, "n_estimators"),
    )
    options = SearchOptions("tpe", 1, early_stopping)
    result, _ = CandidateSearch(lightgbm, tables, setting, metric, options).run()
    assert not result.error
    folds = [set(fold.train.astype(float)) for fold in tables.folds]
    assert seen[:3] == folds
    for rows in seen[3:]:  # the part of a fold's training rows that stopping early leaves
        assert any(rows < fold for fold in folds)
    assert len(seen) == (6 if early_stopping else 3)
    for fold, table in zip(tables.folds, tables.all(), strict=True):
        assert table.valid["row"].tolist() == fold.valid.tolist()
        assert table.plain["row"].tolist() == fold.train.tolist()


def _small_lightgbm(params: dict[str, Any], setting: Setting) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**params, verbosity=-1, n_jobs=1, num_leaves=4)


def test_resampling_asked_for_by_a_trainer_sees_each_fold_and_then_all_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = _table(180)
    seen: list[int] = []
    inner = imbalance.SAMPLERS["over"]

    def spy(seed: int, neighbours: int) -> Any:
        sampler = inner(seed, neighbours)
        resample = sampler.fit_resample
        sampler.fit_resample = lambda Z, target: seen.append(len(Z)) or resample(Z, target)
        return sampler

    monkeypatch.setitem(imbalance.SAMPLERS, "over", spy)
    ModelTrainer(["linear"], n_trials=2, cv_folds=3, imbalance="over").fit(X, y)
    assert seen == [120, 120, 120, 180]


def test_another_sampler_on_the_same_folds_and_thinner_training_rows() -> None:
    X, y = _table(300)
    tables = FoldTables(X, y.to_numpy(), make_folds(y, None, 3, "binary", 0), FeatureEngineer())
    under = tables.with_sampler("under")
    assert [len(t.Z) < len(t.plain) for t in under.all()] == [True] * 3
    thin = tables.thinned(50)
    assert [(len(t.Z), len(t.valid)) for t in thin.all()] == [(50, 100)] * 3
    assert thin.all()[0].plain.equals(tables.thinned(50).all()[0].plain)
    for fold, thick, table in zip(thin.folds, tables.folds, thin.all(), strict=True):
        assert set(fold.train) < set(thick.train)
        np.testing.assert_array_equal(table.y, tables.y[fold.train])


def test_several_classes_are_set_right_after_sampler_or_weights() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(3, size=3000, p=[0.7, 0.2, 0.1])
    Z = pd.DataFrame({"a": rng.normal(size=3000) + y, "b": rng.normal(size=3000)})
    rows = imbalance.resample("over", Z, y)
    sampled = prior_shift(y, rows[1])
    candidate = Candidate("logistic", "logistic", ("multiclass",), lambda params, setting: None)  # type: ignore[arg-type, return-value]
    weighed = candidate_shift(candidate, Setting("multiclass", balanced=True), PriorShift(), y)
    plain = LogisticRegression().fit(Z, y).predict_proba(Z)
    balanced = LogisticRegression(class_weight="balanced").fit(Z, y).predict_proba(Z)
    for shift, model in ((sampled, LogisticRegression().fit(*rows).predict_proba(Z)), (weighed, balanced)):
        assert model.mean(axis=0)[0] < 0.5
        assert shift.undo(model).mean(axis=0) == pytest.approx(plain.mean(axis=0), abs=0.015)
        assert shift.undo(model).sum(axis=1) == pytest.approx(1.0)


def test_a_sampler_that_cannot_work_stops_before_the_search() -> None:
    X, _ = _table(60)
    y = pd.Series((np.arange(60) < 2).astype(int))  # each fold has one positive row to learn from
    with pytest.raises(DataError, match="interpolates between rows of the rare class"):
        ModelTrainer(["linear"], cv_folds=2, imbalance="smote", n_trials=1).fit(X, y)
