"""Deployment: a package that scores as the pipeline does, a service that stops, files that are valid."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.axes import Axes
from small_model import FEATURES, fitted, make_home, registered, table

from ml_utils.client import Client, Fault, ServiceRefused
from ml_utils.errors import (
    CannotCompile,
    DataError,
    IntegrityError,
    MissingInputError,
    ParameterError,
    ServiceError,
)
from ml_utils.model import Model
from ml_utils.paths import Workspace
from ml_utils.plots import deployment as plots
from ml_utils.problem import load_problem
from ml_utils.registry import RegisteredModel
from ml_utils.serving.batch import main as batch_main
from ml_utils.serving.deployment import ModelDeployment
from ml_utils.serving.keys import new_key
from ml_utils.serving.load_test import LoadLevel, LoadTest
from ml_utils.serving.log_check import LogCheck, check_log, fresh_log
from ml_utils.serving.one_case import explain_case
from ml_utils.serving.probes import Probe, Probes, probe
from ml_utils.serving.rehearsal import SwapRehearsal
from ml_utils.serving.scoring import Scorer
from ml_utils.serving.timing import time_one_row
from ml_utils.serving.verdict import sentences


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("deployment"), patch)


@pytest.fixture(scope="module")
def champion(workspace: Workspace) -> RegisteredModel:
    return registered(workspace)


@pytest.fixture(scope="module")
def deployment(workspace: Workspace) -> ModelDeployment:
    return ModelDeployment(workspace, load_problem("small"))


def test_rows_that_the_service_would_refuse_are_not_sent(
    deployment: ModelDeployment, champion: RegisteredModel
) -> None:
    deployment.package(champion)
    path = deployment.workspace.processed / "test.parquet"
    before = pd.read_parquet(path)
    try:
        before.astype({"tenure": "float64"}).assign(
            tenure=lambda t: t["tenure"].where(t.index > 2)
        ).to_parquet(path)
        assert len(deployment.example_rows(10)) == 10
        assert all(row["tenure"] is not None for row in deployment.example_rows(10))
        before.assign(plan=1).to_parquet(path)
        with pytest.raises(DataError, match="would refuse each of the first 20 rows of the test split"):
            deployment.example_rows(10)
    finally:
        before.to_parquet(path)


class Unsteady:
    """A pipeline whose scores differ from call to call."""

    def __init__(self) -> None:
        self.calls = 0

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        self.calls += 1
        return np.full((len(X), 2), 0.1 * self.calls)


def test_a_package_scores_as_the_pipeline(deployment: ModelDeployment, champion: RegisteredModel) -> None:
    package = deployment.package(champion)
    written = {"pipeline.pkl", "model.json", "compiled.json", "manifest.json", "release.json"}
    assert set(package.files) >= written
    assert (package.rows, package.version) == (300, 1)
    assert package.largest <= 1e-12
    assert "unpickles nothing" in package.sentence()
    again = deployment.package(champion)
    assert again.sha256 == package.sha256
    assert [path.name for path in deployment.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_package_that_scores_otherwise_is_not_put_in_place(
    deployment: ModelDeployment, champion: RegisteredModel
) -> None:
    before = deployment.package(champion)
    odd = Model(Unsteady(), "binary", tuple(FEATURES), "odd", 0.5)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match=r"rows sent as table differ by up to 0\.\d.* allowed is 1e-06"):
        deployment.package(dataclasses.replace(champion, model=odd))
    assert Scorer.from_package(deployment.folder).sha256 == before.sha256
    assert [path.name for path in deployment.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_the_card_goes_with_the_package_and_must_not_change(
    deployment: ModelDeployment, champion: RegisteredModel
) -> None:
    package = deployment.package(champion, card="# Model card: small\n")
    with deployment.serve(package=package) as url:
        assert httpx.get(f"{url}/model").json()["card"] == "# Model card: small\n"
    (package.folder / "model_card.md").write_text("# Model card: better than it is\n")
    with pytest.raises(ServiceError, match=r"model_card.md is missing or was changed"):
        deployment.serve(package=package).__enter__()
    deployment.package(champion)


def test_the_service_agrees_and_stops(deployment: ModelDeployment, champion: RegisteredModel) -> None:
    package = deployment.package(champion)
    with deployment.serve(package=package) as url:
        parity = deployment.compare_service(url, champion, n=50)
        assert parity.rows == 50
        assert parity.largest <= 1e-12
        with pytest.raises(ServiceError, match=r"refused the request \(422\).*tenure"):
            deployment.ask(url, [{}])
        port = int(url.rpartition(":")[2])
        with pytest.raises(ServiceError, match="cannot be used"), deployment.serve(port):
            pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    with pytest.raises(ServiceError, match="No service answers"):
        deployment.ask(url, [{}])


def test_a_rehearsal_asks_for_keys_explains_and_stores_what_it_acknowledged(
    deployment: ModelDeployment, champion: RegisteredModel, tmp_path: Path
) -> None:
    package, case = deployment.package(champion), deployment.example_case()
    key, kept = new_key("test")
    log = fresh_log(tmp_path / "log" / "predictions.sqlite")
    with deployment.serve(package=package, keys=[kept], log=log) as url, Client(url, key) as client:
        with pytest.raises(ServiceError, match="401"):
            deployment.ask(url, [case.row])
        answer = client.predict(case.row, case.customer)
        explained = explain_case(client, case)
        assert client.feedback(case.outcome, answer.request_id)
        probes = probe(url, champion.schema, key)
        load = deployment.load_test(url, [case.row], seconds=0.2, clients=[2], key=key)
    assert probes.refused == probes.faulty
    assert {"no API key", "a wrong API key"} <= {item.request for item in probes.items}
    check, stored = check_log(log, 1 + probes.scored + load.requests - load.errors)
    assert (check.complete, check.stored, check.outcomes) == (True, check.acknowledged, 1)
    assert "none is missing" in check.sentence()
    first = stored.set_index("request_id").loc[answer.request_id]
    assert (first["customer"], first["outcome"]) == (case.customer, case.outcome)
    assert explained.explanation is not None
    total = explained.explanation.base + sum(explained.explanation.contributions.values())
    assert 1 / (1 + np.exp(-total)) == pytest.approx(answer.score, abs=1e-6)
    assert f"a probability of {answer.score:.3f}" in explained.sentence()
    assert explained.to_frame()["column"].tolist() == list(explained.explanation.contributions)
    assert fresh_log(log).exists() is False
    assert "lost: 1 row" in LogCheck(2, 1, 0).sentence()


def test_a_service_that_explains_nothing_says_so(deployment: ModelDeployment) -> None:
    case = deployment.example_case()
    refused = ServiceRefused(404, [Fault("", "it explains nothing")], None)

    class Refuses:
        def explain(self, row: object, customer: object) -> None:
            raise refused

    explained = explain_case(Refuses(), case)  # type: ignore[arg-type]
    assert explained.sentence() == "The service explains nothing here: it explains nothing."
    assert (explained.results()["explained"], len(explained.to_frame())) == (False, 0)
    refused = ServiceRefused(401, [], None)
    with pytest.raises(ServiceRefused):
        explain_case(Refuses(), case)  # type: ignore[arg-type]


def test_a_model_that_is_not_compiled_is_rehearsed_as_a_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CannotCompile("its learner is a stand-in")

    monkeypatch.setattr("ml_utils.compiled.compiling.compile_model", refuse)
    workspace = make_home(tmp_path, monkeypatch)
    deployment = ModelDeployment(workspace, load_problem("small"))
    found = registered(workspace)
    package = deployment.package(found)
    assert (package.compiled, package.not_compiled, package.edges) == (False, "its learner is a stand-in", 0)
    assert package.sentence().startswith("The model is not compiled: its learner is a stand-in.")
    key, kept = new_key("test")
    with deployment.serve(package=package, keys=[kept]) as url, Client(url, key) as client:
        assert deployment.compare_service(url, found, n=20, key=key).largest <= 1e-12
        assert "the model is not compiled" in explain_case(client, deployment.example_case()).sentence()
    assert "not compiled" in time_one_row(found, deployment.example_rows(5)).sentence()


def test_one_row_is_timed_in_both_forms(deployment: ModelDeployment, champion: RegisteredModel) -> None:
    timing = time_one_row(champion, deployment.example_rows(5))
    assert timing.compiled is not None
    assert 0 < timing.compiled < timing.pipeline
    assert timing.to_frame().shape == (2, 2)
    with pytest.raises(ParameterError, match="no rows to time"):
        time_one_row(champion, [])


def test_a_service_needs_the_package_it_was_promised(
    deployment: ModelDeployment, champion: RegisteredModel
) -> None:
    package = dataclasses.replace(deployment.package(champion), sha256="0" * 64)
    with pytest.raises(ServiceError, match=r"manifest.json was changed"), deployment.serve(package=package):
        pass


def test_a_split_is_scored_and_the_page_has_its_sentences(
    deployment: ModelDeployment, champion: RegisteredModel, tmp_path: Path
) -> None:
    package = deployment.package(champion)
    source = deployment.workspace.processed / "production.parquet"
    batch = deployment.batch_score(source, tmp_path / "scores.csv")
    assert batch.rows == 500
    assert pd.read_csv(batch.output).columns.tolist() == ["customer", "score", "act"]
    probes = Probes((Probe("a", 4, 422, "no"), Probe("b", 4, 200, "scored"), Probe("c", 2, 200, "scored")))

    def said(log: LogCheck, swap: SwapRehearsal, **state: bool) -> list[str]:
        http = package.parity[1]
        return sentences(package, http, probes, log, swap, batch, deployment.problem, champion.model, **state)

    fine = said(LogCheck(100, 100, 1), SwapRehearsal(3, 1000, 0, 2.0))
    assert len(fine) == 3
    assert f"300 rows of the test split and {package.edges} generated rows at the edges" in fine[0]
    assert "1 of 2 faulty requests" in fine[0]
    assert "every prediction that it acknowledged is in its log, and no request failed while" in fine[1]
    assert f"{batch.acted:,} of the 500 customers" in fine[2]
    assert "call them" in fine[2]
    lossy = said(LogCheck(100, 99, 1), SwapRehearsal(3, 1000, 1, 2.0), approved=False)
    assert "its log lacks predictions that it acknowledged, and requests failed" in lossy[1]
    assert lossy[2].startswith("Don't deploy it")
    retired = said(LogCheck(100, 100, 1), SwapRehearsal(3, 1000, 0, 2.0), approved=True, retired=True)
    assert retired[2].startswith("Don't deploy it: the version is retired")


def test_the_command_scores_with_the_champion(
    champion: RegisteredModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(40, seed=3).to_csv(tmp_path / "in.csv", index=False)
    run = ["--problem", "small", "--profile", "quick"]
    assert batch_main([str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), *run]) == 0
    scores = pd.read_csv(tmp_path / "out.csv")["score"]
    np.testing.assert_allclose(scores, fitted().predict_score(table(40, seed=3)[FEATURES]), atol=1e-12)
    assert batch_main([str(tmp_path / "none.csv"), str(tmp_path / "out.csv"), *run]) == 1
    assert "There is no file" in capsys.readouterr().err


def test_the_files_for_production_are_of_this_package(
    deployment: ModelDeployment, champion: RegisteredModel, tmp_path: Path
) -> None:
    package = deployment.package(champion)
    files = deployment.manifests(tmp_path / "deploy")
    docker = files["Dockerfile"].read_text()
    assert f'"--sha256", "{package.sha256}"' in docker
    assert "USER 10001" in docker
    assert "HEALTHCHECK" in docker
    assert "${BASE}" in docker
    pins = {pin.partition("==")[0] for pin in files["requirements.txt"].read_text().splitlines()[1:]}
    assert {"fastapi", "uvicorn", "numpy", "onnxruntime", "msgspec"} <= pins
    assert not pins & {"pandas", "scikit-learn", "scipy", "mlflow", "shap", "lightgbm"}
    compose = yaml.safe_load(files["compose.yaml"].read_text())
    assert compose["services"]["model"]["read_only"] is True
    scaler = yaml.safe_load(files["k8s/base/hpa.yaml"].read_text())
    assert scaler["spec"]["scaleTargetRef"]["name"] == "octavo-small-quick"
    served = tmp_path / "deploy" / "app" / "package"
    assert {"compiled.json", "manifest.json", "release.json"} <= {path.name for path in served.iterdir()}


def test_the_image_needs_only_what_it_installs(
    deployment: ModelDeployment, champion: RegisteredModel, tmp_path: Path
) -> None:
    package = deployment.package(champion)
    deployment.manifests(tmp_path / "deploy")
    code = (
        "import json, sys\n"
        "for name in ('pandas', 'sklearn', 'scipy', 'joblib', 'mlflow', 'sqlalchemy', 'yaml'):\n"
        "    sys.modules[name] = None\n"
        "import ml_utils.serving.service as service\n"
        "options = ['--package', 'package', '--sha256', sys.argv[1], '--no-log']\n"
        "made = service._make(service._parser().parse_args(options))\n"
        "print(json.dumps([service.__file__, made.live.deployed.champion.compiled]))\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, package.sha256],
        cwd=tmp_path / "deploy" / "app",
        env=clean,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    file, compiled = json.loads(done.stdout)
    assert file.startswith(str(tmp_path))
    assert compiled is True


def test_without_a_package_there_are_no_files(workspace: Workspace, tmp_path: Path) -> None:
    empty = ModelDeployment(Workspace("empty", "full", tmp_path), load_problem("small"))
    with pytest.raises(MissingInputError, match="no packaged model"):
        empty.manifests(tmp_path / "deploy")


def title(axes: Axes) -> str:
    return axes.get_title(loc="left") or axes.get_title()  # where it stands is the style's business


def test_figures_say_what_they_show() -> None:
    levels = (LoadLevel(1, 100, 0, 1.0, 9.0, 12.0, 15.0), LoadLevel(8, 300, 3, 1.0, 25.0, 40.0, 60.0))
    load = LoadTest(levels)
    assert (load.best.clients, load.best.throughput, load.errors) == (8, 297.0, 3)
    assert load.sentence() == (
        "Measured here with 1 client: half the answers within 9.0 ms, 99 % within 15 ms. At most 297 "
        "requests a second (with 8 clients), 3 errors in 400 requests."
    )
    left, right = plots.load_curve(load).axes
    assert "297" in title(left)
    assert right.get_ylabel() == "milliseconds"
    scores = np.linspace(0, 1, 101)
    (axes,) = plots.score_distribution(scores, scores, 0.5).axes
    assert title(axes) == "50.5 % of the live period reach the threshold"
    (axes,) = plots.score_distribution(scores, scores, None, "spend").axes
    assert axes.get_xlabel() == "spend"
