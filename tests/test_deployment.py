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

from ml_utils.errors import DataError, IntegrityError, MissingInputError, ServiceError
from ml_utils.model import Model
from ml_utils.paths import Workspace
from ml_utils.plots import deployment as plots
from ml_utils.problem import load_problem
from ml_utils.registry import RegisteredModel
from ml_utils.serving.batch import main as batch_main
from ml_utils.serving.deployment import ModelDeployment, sentences
from ml_utils.serving.load_test import LoadLevel, LoadTest
from ml_utils.serving.probes import Probe, Probes
from ml_utils.serving.scoring import Scorer


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


def test_the_service_agrees_and_stops(deployment: ModelDeployment, champion: RegisteredModel) -> None:
    package = deployment.package(champion)
    with deployment.serve(package=package) as url:
        parity = deployment.compare_service(url, champion, n=50)
        assert parity.rows == 50
        assert parity.largest <= 1e-12
        with pytest.raises(ServiceError, match=r"refused 1 rows.*tenure"):
            deployment.ask(url, [{}])
        port = int(url.rpartition(":")[2])
        with pytest.raises(ServiceError, match="cannot be used"), deployment.serve(port):
            pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    with pytest.raises(ServiceError, match="No service answers"):
        deployment.ask(url, [{}])


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
    said = sentences(package, package.parity[1], probes, batch, deployment.problem, champion.model)
    assert len(said) == 3
    assert "1 of 2 faulty requests" in said[0]
    assert f"{batch.acted:,} of the 500 customers" in said[2]
    assert "call them" in said[2]
    rehearsal = sentences(
        package, package.parity[1], probes, batch, deployment.problem, champion.model, approved=False
    )
    assert rehearsal[2].startswith("Don't deploy it")


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
        "for name in ('pandas', 'sklearn', 'scipy', 'joblib', 'mlflow', 'sqlalchemy', 'yaml', 'matplotlib'):\n"
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
    assert load.sentence().startswith(
        "Measured here: 9 ms for half the answers with 1 client (15 ms for 99 %)"
    )
    left, right = plots.load_curve(load).axes
    assert "297" in title(left)
    assert right.get_ylabel() == "milliseconds"
    scores = np.linspace(0, 1, 101)
    (axes,) = plots.score_distribution(scores, scores, 0.5).axes
    assert title(axes) == "50.5 % of the live period reach the threshold"
    (axes,) = plots.score_distribution(scores, scores, None, "spend").axes
    assert axes.get_xlabel() == "spend"
