"""Early stopping: an inner part of a fold's training rows decides, never the fold that is judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_utils.evaluation.metrics import METRICS
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.training import early_stopping
from ml_utils.training.candidates import CANDIDATES, Setting
from ml_utils.training.early_stopping import MOST_ROUNDS, PATIENCE, fit_rounds, inner_split
from ml_utils.training.search import CandidateSearch, FoldTables, SearchOptions, make_folds, predict
from ml_utils.training.trainer import ModelTrainer

BOOSTERS = [name for name, item in CANDIDATES.items() if item.rounds and name != "catboost"]
SETTING = Setting("binary")


def table(n: int = 500, noise: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    Z = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "row": np.arange(float(n))})
    y = (Z["a"] + Z["b"] ** 2 + noise * rng.normal(size=n) > 1).astype(int).to_numpy()
    return Z, y


def params(name: str, rate: float = 0.1) -> dict[str, Any]:
    return {**CANDIDATES[name].prior, "learning_rate": rate}


@pytest.mark.parametrize("name", BOOSTERS)
def test_rounds_are_sensible_and_the_model_has_them(name: str) -> None:
    Z, y = table()
    model, rounds = fit_rounds(CANDIDATES[name], params(name), SETTING, Z, y)
    assert 5 <= rounds < MOST_ROUNDS / 4
    _, slower = fit_rounds(CANDIDATES[name], params(name, 0.05), SETTING, Z, y)
    assert slower > rounds
    np.random.default_rng(1).shuffle(shuffled := y.copy())
    _, nothing = fit_rounds(CANDIDATES[name], params(name), SETTING, Z, shuffled)
    assert nothing < min(rounds, PATIENCE)
    # what predicts has the rounds that were best, not those of the patience after them
    train, _ = inner_split(y, None, SETTING)
    exact = CANDIDATES[name].build({**params(name), CANDIDATES[name].rounds: rounds}, SETTING)  # type: ignore[dict-item]
    exact.fit(Z.iloc[train], y[train])
    assert predict(model, Z, "binary") == pytest.approx(predict(exact, Z, "binary"), abs=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("name", BOOSTERS)
def test_other_tasks_stop_too(name: str, task: Any) -> None:
    Z, y = table(300)
    goal = y + (Z["a"] > 1) if task == "multiclass" else Z["a"] + y
    setting = Setting(task, balanced=task == "multiclass")
    _, rounds = fit_rounds(CANDIDATES[name], params(name), setting, Z, np.asarray(goal))
    assert 1 <= rounds < MOST_ROUNDS


def test_the_outer_fold_is_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table(300)
    tables = FoldTables(X, y, make_folds(y, None, 3, "binary", 0), FeatureEngineer())
    seen: list[tuple[set[float], set[float]]] = []
    real = early_stopping._fit_until

    def spy(estimator: Any, Z: pd.DataFrame, target: Any, inner: pd.DataFrame, *others: Any) -> int:
        seen.append((set(Z["row"]), set(inner["row"])))
        return real(estimator, Z, target, inner, *others)

    monkeypatch.setattr(early_stopping, "_fit_until", spy)
    options = SearchOptions("tpe", 1, early_stopping=True)
    search = CandidateSearch(CANDIDATES["lightgbm"], tables, SETTING, METRICS["roc_auc"], options)
    result, _ = search.run()
    assert len(seen) == 3
    for (rest, inner), fold in zip(seen, tables.folds, strict=True):
        assert rest | inner == set(fold.train.astype(float))
        assert not rest & inner
        assert len(inner) == pytest.approx(0.15 * len(fold.train), abs=1)
    assert 1 <= result.params["n_estimators"] < MOST_ROUNDS


def test_the_inner_part_keeps_groups_whole_and_is_the_latest() -> None:
    rng = np.random.default_rng(0)
    y, groups, times = rng.integers(0, 2, 400), rng.integers(0, 60, 400), rng.integers(0, 100, 400)
    train, inner = inner_split(y, groups, SETTING)
    assert not set(groups[train]) & set(groups[inner])
    train, inner = inner_split(y, groups, SETTING, times)
    assert times[train].max() < times[inner].min()
    assert 0.1 < len(inner) / 400 < 0.2
    train, inner = inner_split(y, None, SETTING, np.zeros(400))
    assert len(inner) == 60
    late = (np.arange(400) > 390).astype(int)  # the only positive rows are the last: drawn by class instead
    train, inner = inner_split(late, None, SETTING, np.arange(400))
    assert set(late[train]) == set(late[inner]) == {0, 1}


@pytest.mark.parametrize("sampler", ["over", "smote"])
def test_copies_of_rows_do_not_prolong_the_rounds(sampler: str) -> None:
    Z, y = table(600, noise=2.0)
    rare = np.flatnonzero((y == 0) | (np.arange(600) % 4 == 0))
    Z, y = Z.iloc[rare].drop(columns="row"), y[rare]
    own = params("lightgbm")
    _, plain = fit_rounds(CANDIDATES["lightgbm"], own, SETTING, Z, y)
    _, resampled = fit_rounds(CANDIDATES["lightgbm"], own, SETTING, Z, y, sampler=sampler)
    _, weighted = fit_rounds(CANDIDATES["lightgbm"], own, Setting("binary", positive_weight=4.0), Z, y)
    assert 0.2 * plain < resampled < 5 * plain
    assert 0.2 * plain < weighted < 5 * plain


def test_a_trainer_refits_with_the_median_of_the_folds_rounds() -> None:
    Z, y = table(300)
    trainer = ModelTrainer(["lightgbm"], n_trials=1, cv_folds=3, early_stopping=True, ensemble="none")
    trainer.fit(Z.drop(columns="row"), pd.Series(y))
    rounds = trainer.results()["params"]["lightgbm"]["n_estimators"]
    assert trainer.best_.pipeline["model"].n_estimators == rounds
    assert rounds != CANDIDATES["lightgbm"].prior["n_estimators"]
