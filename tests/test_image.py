"""The image: built over a minimal Debian, called as an ordinary user, and small."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from small_model import make_home, registered

from ml_utils.problem import load_problem
from ml_utils.serving.deployment import ModelDeployment
from ml_utils.sockets import bind

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("debootstrap"),
        reason="an image is built where buildah and debootstrap are, by root",
    ),
]
BUILDAH = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
DEBIAN = {"3.11": "bookworm", "3.13": "trixie"}.get(f"{sys.version_info.major}.{sys.version_info.minor}")


def run(*command: str | Path, where: Path | None = None, seconds: float = 600) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=where, env=BUILDAH, capture_output=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{command}: {done.stderr.decode()[-3000:]}"
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ModelDeployment]]:
    """A folder to build in, for a small model."""
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_home(tmp_path_factory.mktemp("image"), patch)
        deployment = ModelDeployment(workspace, load_problem("small"))
        deployment.package(registered(workspace))
        folder = workspace.processed / "deploy"
        deployment.manifests(folder)
        yield folder, deployment


@pytest.fixture(scope="module")
def image(
    context: tuple[Path, ModelDeployment], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A container of the built image, and where its files are."""
    if DEBIAN is None:
        pytest.skip("no Debian release has this version of Python")
    folder, _ = context
    base, wheels = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("wheels")
    run("debootstrap", "--variant=minbase", "--include=python3,python3-venv", DEBIAN, base / "root",
        "http://deb.debian.org/debian")  # fmt: skip
    python = [sys.executable, "-m", "pip"] if shutil.which("uv") is None else ["python3", "-m", "pip"]
    run(*python, "download", "-q", "-d", wheels, "-r", folder / "requirements.txt")
    names = {"base": f"octavo-test-base-{os.getpid()}", "image": f"octavo-test-{os.getpid()}"}
    container = run("buildah", "from", "scratch")
    try:
        run("buildah", "add", container, base / "root", "/")
        run("buildah", "commit", container, names["base"])
        run("buildah", "bud", "--format", "docker", "--volume", f"{wheels}:/wheels:ro", "-t", names["image"],
            "--build-arg", f"BASE=localhost/{names['base']}", "--build-arg", "PIP_NO_INDEX=1",
            "--build-arg", "PIP_FIND_LINKS=/wheels", folder)  # fmt: skip
        made = run("buildah", "from", f"localhost/{names['image']}")
        yield made, Path(run("buildah", "mount", made))
    finally:
        run("buildah", "rm", "--all")
        for name in reversed(names.values()):
            subprocess.run(["buildah", "rmi", "-f", name], env=BUILDAH, capture_output=True, check=False)


def test_the_service_answers_in_the_image_as_an_ordinary_user(
    image: tuple[str, Path], context: tuple[Path, ModelDeployment]
) -> None:
    container, _ = image
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    command = ["python3", "-m", "ml_utils.serving.service", "--package", "package", "--port", str(port)]
    process = subprocess.Popen(
        ["buildah", "run", "--user", "10001", container, "--", *command],
        env=BUILDAH,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        ready = wait(f"http://127.0.0.1:{port}/ready", process)
        assert ready["status"] == "ready"
        _, deployment = context
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"row": deployment.example_rows(1)[0]})
        assert answer.status_code == 200
        assert 0 <= answer.json()["score"] <= 1
        owners = subprocess.run(
            ["ps", "-ww", "-eo", "uid,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        served = [line for line in owners if f"--port {port}" in line and "buildah" not in line]
        assert served
        assert all(line.split()[0] == "10001" for line in served)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_the_image_holds_what_serving_needs_and_little_else(image: tuple[str, Path]) -> None:
    _, root = image
    packages = root / "opt" / "venv" / "lib"
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) / 1e6
    names = {path.name for path in packages.glob("python3*/site-packages/*")}
    assert not names & {"pandas", "sklearn", "scipy", "mlflow", "lightgbm", "xgboost", "pip"}
    assert size < 250, f"{size:.0f} MB of packages"


def wait(url: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            answer = httpx.get(url, timeout=5)
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code == 200:
            found: dict[str, object] = answer.json()
            return found
    process.kill()
    assert process.stdout is not None
    raise AssertionError(f"nothing answers at {url}: {process.stdout.read().decode()[-3000:]}")
