"""Thousands of requests made up from the service's own description: none may break the service."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from own_environment import own_environment
from small_model import make_home, registered

from ml_utils.problem import load_problem
from ml_utils.serving.deployment import ModelDeployment

pytestmark = pytest.mark.full
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def programs() -> Path:
    return own_environment("schemathesis", ["schemathesis>=4.20,<5"])


def test_no_request_that_the_schema_leads_to_breaks_the_service(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_home(tmp_path, monkeypatch)
    deployment = ModelDeployment(workspace, load_problem("small"))
    package = deployment.package(registered(workspace))
    with deployment.serve(package=package) as url:
        command = [programs / "schemathesis", "run", f"{url}/openapi.json", "--checks", CHECKS]
        command += ["--max-examples", "200", "--seed", "42", "--suppress-health-check", "all"]
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
