"""What MLflow keeps of a search, read back with MLflow's own client."""

from __future__ import annotations

import json
import pickle
import socket
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from small_model import FEATURES, make_home, table

from ml_utils.errors import ParameterError, RegistryError
from ml_utils.paths import Workspace
from ml_utils.registry import Registry
from ml_utils.training.tracking import candidate_runs, search_tables
from ml_utils.training.trainer import ModelTrainer

SNAPSHOT = "ab" * 32


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("tracking"), patch)


@pytest.fixture(scope="module")
def searched() -> tuple[ModelTrainer, pd.DataFrame]:
    frame = table()
    X, y = frame[FEATURES], (frame["left"] == "yes").astype("int8")
    trainer = ModelTrainer(
        ["logistic", "decision_tree"], n_trials=3, cv_folds=3, ensemble="voting", calibration="sigmoid"
    ).fit(X, y)
    return trainer, X


@pytest.fixture(scope="module")
def logged(workspace: Workspace, searched: tuple[ModelTrainer, pd.DataFrame]):
    """The client, the parent run, and its children by name."""
    from mlflow import MlflowClient

    trainer, X = searched
    registry = Registry(workspace)
    run_id = registry.log_search(
        params={"n_trials": 3, "strategy": "tpe"},
        metrics={"roc_auc": 0.8},
        leaderboard=trainer.leaderboard_,
        candidates=candidate_runs(trainer),
        snapshot_sha256=SNAPSHOT,
        tables=search_tables(trainer),
        model=trainer.best_,
        example=X,
    )
    client = MlflowClient(registry.tracking_uri)
    parent = client.get_run(run_id)
    found = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return client, parent, {child.info.run_name: child for child in found}


def read(client, run, name: str) -> Path:
    return Path(client.download_artifacts(run.info.run_id, name))


def test_the_parent_names_the_data_and_keeps_the_tables(logged, searched) -> None:
    client, parent, _ = logged
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"n_trials": "3", "strategy": "tpe"}
    assert parent.data.metrics == {"roc_auc": 0.8}
    assert parent.data.tags["snapshot_sha256"] == SNAPSHOT
    (data,) = parent.inputs.dataset_inputs
    assert SNAPSHOT.startswith(data.dataset.digest)
    assert json.loads(data.dataset.source)["snapshot_sha256"] == SNAPSHOT
    board = pd.read_csv(read(client, parent, "leaderboard.csv"))
    assert board["candidate"].tolist() == searched[0].leaderboard_["candidate"].tolist()
    rules = pd.read_csv(read(client, parent, "thresholds.csv"))
    assert rules["rule"].tolist() == searched[0].thresholds_["rule"].tolist()
    assert (pd.read_csv(read(client, parent, "calibration_methods.csv"))["method"] == "sigmoid").any()
    assert len(pd.read_csv(read(client, parent, "threshold_curve.csv"))) > 10


def test_signature_and_example_are_mlflows_own(logged, searched) -> None:
    from mlflow.models import ModelSignature

    client, parent, _ = logged
    signature = ModelSignature.from_dict(json.loads(read(client, parent, "signature.json").read_text()))
    assert signature.inputs.input_names() == FEATURES
    rows = pd.read_json(read(client, parent, "input_example.json"), orient="split")
    assert rows.columns.tolist() == FEATURES
    assert len(rows) == 5
    score = searched[0].best_.predict_score(rows.assign(since=pd.to_datetime(rows["since"])))
    np.testing.assert_allclose(score, searched[0].best_.predict_score(searched[1].head(5)))


def test_every_candidate_has_a_run_with_its_curves(logged, searched) -> None:
    client, _, children = logged
    trainer = searched[0]
    assert set(children) == {item.name for item in trainer.candidates_}
    for item in trainer.candidates_:
        run = children[item.name]
        assert run.data.metrics["mean"] == pytest.approx(item.mean)
        assert run.data.metrics["fold_3"] == pytest.approx(item.fold_scores[2])
        assert {"log_loss", "ece", "fit_seconds", "size_kb"} <= set(run.data.metrics)
        assert run.data.tags["label"] == item.label
        folds = pd.read_csv(read(client, run, "folds.csv"))
        np.testing.assert_allclose(folds["valid"], item.fold_scores)
        roc = pd.read_csv(read(client, run, "roc.csv"))
        assert roc["true_positive_rate"].is_monotonic_increasing
        assert pd.read_csv(read(client, run, "calibration.csv"))["rows"].sum() == len(trainer.rows_)
    tree = children["decision_tree"]
    assert tree.data.params == {name: str(v) for name, v in trainer_params(trainer, "decision_tree").items()}
    trials = pd.read_csv(read(client, tree, "trials.csv"))
    assert len(trials) == 3
    assert {"trial", "state", "score", "max_depth"} <= set(trials)
    assert children["ensemble_voting"].data.params == {
        "weight_logistic": "0.5",
        "weight_decision_tree": "0.5",
        "weight_intercept": "0.0",
    }


def trainer_params(trainer: ModelTrainer, name: str) -> dict[str, object]:
    return next(item.params for item in trainer.candidates_ if item.name == name)


def test_the_pipeline_is_kept_once_as_the_registry_packages_it(logged, searched, workspace) -> None:
    client, parent, _ = logged
    trainer, X = searched
    folders = [item.path for item in client.list_artifacts(parent.info.run_id) if item.is_dir]
    assert len(folders) == 1
    pipeline = pickle.loads((read(client, parent, folders[0]) / "pipeline.pkl").read_bytes())
    np.testing.assert_array_equal(pipeline.predict_proba(X)[:, 1], trainer.best_.predict_score(X))
    registry = Registry(workspace)
    version = registry.register(
        *(trainer.best_,),
        run_id=parent.info.run_id,
        metrics={},
        snapshot_sha256=SNAPSHOT,
        example=X,
    )
    assert [item.path for item in client.list_artifacts(parent.info.run_id) if item.is_dir] == folders
    loaded = registry.load(version)
    assert type(loaded.model.pipeline["model"]).__name__ == "Calibrated"
    np.testing.assert_array_equal(loaded.model.predict_score(X), trainer.best_.predict_score(X))
    assert registry.alias("challenger") == version


def test_a_failed_candidate_is_logged_with_its_error(workspace, searched) -> None:
    from dataclasses import replace

    from mlflow import MlflowClient

    trainer = searched[0]
    before = trainer.candidates_, trainer.leaderboard_
    worst = trainer.candidates_[-1]
    try:
        failed = replace(worst, fold_scores=(), train_scores=(), error="ValueError: no")
        trainer.candidates_ = [failed]
        (run,) = candidate_runs(trainer)
    finally:
        trainer.candidates_, trainer.leaderboard_ = before
    registry = Registry(workspace)
    parent = registry.log_search(
        params={}, metrics={}, leaderboard=pd.DataFrame({"a": [1]}), candidates=[run], snapshot_sha256="cd"
    )
    client = MlflowClient(registry.tracking_uri)
    experiment = client.get_run(parent).info.experiment_id
    (child,) = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert child.data.tags["error"] == "ValueError: no"
    assert "mean" not in child.data.metrics


def test_a_model_needs_an_example(workspace, searched) -> None:
    with pytest.raises(ParameterError, match="`model` and `example` together"):
        Registry(workspace).log_search(
            params={}, metrics={}, leaderboard=pd.DataFrame(), candidates=[], snapshot_sha256="cd",
            model=searched[0].best_,
        )  # fmt: skip


def test_an_unreachable_mlflow_is_told_within_seconds_and_before_the_search(workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(RegistryError, match=rf"127.0.0.1:{port} cannot be reached.*Start it"):
        Registry(workspace, f"http://127.0.0.1:{port}").check()
    assert time.monotonic() - started < 8
    cells = nbformat.read(ROOT / "notebooks" / "02-model-training.ipynb", 4).cells
    source = "\n".join(cell.source for cell in cells)
    assert source.index("registry.check()") < source.index("ModelTrainer(\n")
