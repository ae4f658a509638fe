"""Candidates: every one of them on every task, several classes from end to end, the device."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import roc_auc_score

from ml_utils.errors import DataError, ParameterError
from ml_utils.training.candidates import CANDIDATES, Setting, Task, get_candidates
from ml_utils.training.device import lightgbm_has_cuda, resolve_device
from ml_utils.training.search import predict
from ml_utils.training.trainer import ModelTrainer

N = 240


def table(task: Task) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    Z = pd.DataFrame(
        {"a": rng.normal(size=N), "b": rng.normal(size=N) * 100, "c": rng.integers(0, 2, N) * 1.0}
    )
    height = 2 * Z["a"] + Z["c"] + 0.3 * rng.normal(size=N)
    if task == "regression":
        return Z, 5 * height.to_numpy()
    cuts = [0.5] if task == "binary" else [-1.0, 1.5]
    return Z, np.digitize(height, cuts)


PAIRS = [(name, task) for name, item in CANDIDATES.items() for task in item.tasks]


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_candidate_learns_every_task_and_twice_the_same(name: str, task: Task) -> None:
    if name == "catboost":
        pytest.importorskip("catboost")
    Z, y = table(task)
    candidate = CANDIDATES[name]

    def scores(setting: Setting) -> np.ndarray:
        params = dict(candidate.prior)
        if candidate.rounds:
            params[candidate.rounds] = 60
        return predict(pickle.loads(pickle.dumps(candidate.build(params, setting).fit(Z, y))), Z, task)

    found = scores(Setting(task))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, scores(Setting(task)))
    if task == "regression":
        learnt = np.corrcoef(found, y)[0, 1] if name != "baseline" else 1.0
        assert learnt > 0.8
        return
    whole = found if task == "multiclass" else np.column_stack([1 - found, found])
    assert whole.shape == (N, 2 if task == "binary" else 3)
    assert whole.min() >= 0
    assert whole.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    if name != "baseline":
        assert np.mean(whole.argmax(axis=1) == y) > 0.7


@pytest.mark.parametrize(("name", "task"), [pair for pair in PAIRS if pair[1] != "regression"])
def test_weights_move_the_probabilities_of_those_that_weigh(name: str, task: Task) -> None:
    if name == "catboost":
        pytest.importorskip("catboost")
    Z, _ = table(task)
    noise = np.random.default_rng(1).random(N)
    y = (noise > 0.8).astype(int) if task == "binary" else np.digitize(noise, [0.7, 0.9])
    candidate = CANDIDATES[name]
    weighted = Setting(task, positive_weight=4.0) if task == "binary" else Setting(task, balanced=True)
    params = dict(candidate.prior) | ({candidate.rounds: 60} if candidate.rounds else {})
    plain, moved = (
        predict(candidate.build(params, setting).fit(Z, y), Z, task) for setting in (Setting(task), weighted)
    )
    change = np.mean(moved - plain) if task == "binary" else np.mean(moved[:, 2] - plain[:, 2])
    if name == "svm":
        return  # its probabilities are calibrated on rows as they are, whatever the margins' weights
    assert (change > 0.05) == candidate.weighs


@pytest.mark.parametrize(("load", "floor"), [(load_iris, 0.92), (load_wine, 0.95)])
def test_several_classes_from_end_to_end(load: object, floor: float) -> None:
    X, y = load(return_X_y=True, as_frame=True)  # type: ignore[operator]
    trainer = ModelTrainer(
        ["linear", "lightgbm"],
        n_trials=1,
        cv_folds=3,
        task="multiclass",
        ensemble="all",
        calibration="sigmoid",
    ).fit(X, y)
    board = trainer.leaderboard_.set_index("candidate")
    assert board.index[-1] == "baseline"
    assert sum(name.startswith("ensemble") for name in board.index) >= 2
    assert board["mean"].iloc[0] < 0.35  # log loss; the baseline's is about 1.1
    p = trainer.best_.predict_score(X)
    assert p.shape == (len(X), 3)
    assert p.sum(axis=1) == pytest.approx(1.0)
    assert np.mean(p.argmax(axis=1) == y) > floor
    assert trainer.calibration_.method == "sigmoid"
    assert trainer.best_.threshold is None
    assert trainer.results()["thresholds"] is None


@pytest.mark.parametrize("imbalance", ["class_weight", "over", "smote"])
def test_several_classes_with_a_rare_one(imbalance: str) -> None:
    X, y = load_wine(return_X_y=True, as_frame=True)
    kept = (y != 2) | (np.arange(len(y)) % 3 == 0)
    X, y = X[kept].reset_index(drop=True), y[kept].reset_index(drop=True)
    trainer = ModelTrainer(
        ["linear", "xgboost"], n_trials=1, cv_folds=3, task="multiclass", imbalance=imbalance
    ).fit(X, y)
    assert not (trainer.leaderboard_["error"] != "").any()
    shares = trainer.best_.predict_score(X).mean(axis=0)
    assert shares == pytest.approx(np.bincount(y) / len(y), abs=0.03)


@pytest.mark.full
def test_all_candidates_of_several_classes_in_one_search() -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = [item.name for item in CANDIDATES.values() if "multiclass" in item.tasks]
    names = [name for name in names if name not in ("baseline", "catboost")]
    trainer = ModelTrainer(names, n_trials=2, cv_folds=3, task="multiclass", ensemble="all").fit(X, y)
    assert not (trainer.leaderboard_["error"] != "").any()
    assert np.mean(trainer.best_.predict_score(X).argmax(axis=1) == y) > 0.93


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 3] * 20, "numbered 0, 1, 2 … without a gap"),
        ([1, 2, 3] * 20, "from 1 to 3"),
        ([0.5, 1, 2] * 20, "Number them with pandas.factorize"),
    ],
)
def test_class_codes_with_gaps_are_refused(y: list[float], message: str) -> None:
    X = pd.DataFrame({"a": np.arange(60.0)})
    with pytest.raises(DataError, match=message):
        ModelTrainer(["linear"], task="multiclass").fit(X, pd.Series(y))


def test_larger_trees_are_for_columns_that_act_together() -> None:
    rng = np.random.default_rng(0)
    Z = pd.DataFrame(rng.normal(size=(3000, 3)), columns=list("abc"))
    odds = 3 * np.sin(2 * Z["a"] + 2 * Z["b"]) + 3 * np.sin(2 * Z["b"] * Z["c"])
    y = (rng.random(3000) < 1 / (1 + np.exp(-odds))).astype(int)

    def auc(name: str) -> float:
        candidate = CANDIDATES[name]
        model = candidate.build(dict(candidate.prior), Setting("binary")).fit(Z[:2000], y[:2000])
        return float(roc_auc_score(y[2000:], predict(model, Z[2000:], "binary")))

    assert auc("lightgbm_large") > auc("lightgbm") + 0.01


def test_catboost_is_asked_for_by_name_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_utils.training.candidates.has_catboost", lambda: False)
    with pytest.raises(ParameterError, match="needs the package catboost"):
        get_candidates(["catboost"], "binary")


def test_the_device(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_device("cpu", probe=lambda: True) == "cpu"
    assert resolve_device("cuda", probe=lambda: True) == "cuda"
    with caplog.at_level(logging.WARNING):
        assert resolve_device("auto", probe=lambda: False) == "cpu"
        assert not caplog.text
        assert resolve_device("cuda", probe=lambda: False) == "cpu"
    assert "the processor is used" in caplog.text
    with pytest.raises(ParameterError, match="device is 'gpu'"):
        resolve_device("gpu")


def test_lightgbm_without_cuda_in_its_build_stays_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_utils.training.device.lightgbm_has_cuda", lambda: False)
    setting = Setting("binary", device="cuda")
    params = dict(CANDIDATES["lightgbm"].prior)
    assert "device_type" not in CANDIDATES["lightgbm"].build(params, setting).get_params()
    assert (
        CANDIDATES["xgboost"].build(dict(CANDIDATES["xgboost"].prior), setting).get_params()["device"]
        == "cuda"
    )
    monkeypatch.setattr("ml_utils.training.device.lightgbm_has_cuda", lambda: True)
    assert CANDIDATES["lightgbm"].build(params, setting).get_params()["device_type"] == "cuda"


def test_whether_lightgbm_has_cuda_is_found_out_without_an_error() -> None:
    assert lightgbm_has_cuda() in (True, False)
