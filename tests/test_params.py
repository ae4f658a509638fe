"""Parameters: strict names and types, all faults at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT

from ml_utils.errors import ParameterError
from ml_utils.params import declared_parameters, load_params, resolve
from ml_utils.paths import NOTEBOOKS

RUN = {"problem": "churn", "profile": "full"}


def notebook(folder: Path, name: str, cell: str) -> Path:
    path = folder / f"{name}.ipynb"
    cells = [{"cell_type": "code", "source": [cell], "metadata": {"tags": ["parameters"]}}]
    path.write_text(json.dumps({"cells": cells}))
    return path


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    head = 'problem: str = "churn"\nprofile: str = "quick"\n'
    return [
        notebook(tmp_path, "a", head + "n_trials: int = 3\nshare: float = 0.5\n"),
        notebook(tmp_path, "b", head + 'models: list[str] = ["logistic"]\nn_trials: int = 3'),
    ]


def test_each_notebook_gets_what_it_declares(two: list[Path]) -> None:
    params = {"n_trials": 30, "share": 1, "models": ["x"]}
    resolved = resolve(two, params, {"n_trials": 50}, RUN)
    assert resolved == {
        "a": {**RUN, "n_trials": 50, "share": 1.0},
        "b": {**RUN, "models": ["x"], "n_trials": 50},
    }


def test_every_fault_is_listed(two: list[Path]) -> None:
    params = {"n_trails": 30, "n_trials": "many", "models": [1]}
    with pytest.raises(ParameterError) as error:
        resolve(two, params, {"alpha": 1}, RUN)
    message = str(error.value)
    assert "unknown parameter 'n_trails'. Did you mean 'n_trials'? Known: models, n_trials, share." in message
    assert "command line: unknown parameter 'alpha'." in message
    assert "n_trials must be int (like 3); got 'many'" in message
    assert "models must be list[str]" in message
    assert "params.yaml lacks share, which a declares." in message


def test_run_parameters_are_not_set_twice(two: list[Path]) -> None:
    with pytest.raises(ParameterError, match=r"problem is set by `make report PROBLEM=…`"):
        resolve(two, {"n_trials": 1, "share": 0.5, "models": []}, {"problem": "spend"}, RUN)


def test_true_is_not_a_number(two: list[Path]) -> None:
    with pytest.raises(ParameterError, match="n_trials must be int"):
        resolve(two, {"n_trials": True, "share": 0.5, "models": []}, {}, RUN)


@pytest.mark.parametrize("cell", ["n = 3", "n: int = 1 + 2\nm: int", "n: dict = {}", 'n: int = "3"'])
def test_the_parameters_cell_takes_annotated_literals_only(tmp_path: Path, cell: str) -> None:
    with pytest.raises((ParameterError, ValueError)):
        declared_parameters(notebook(tmp_path, "c", cell))


def test_params_yaml_must_be_flat(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("training: {n_trials: 3}\n")
    with pytest.raises(ParameterError, match="must be flat"):
        load_params(path)


def test_the_projects_own_parameters_fit_its_notebooks() -> None:
    notebooks = [ROOT / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS]
    resolved = resolve(notebooks, load_params(ROOT / "params.yaml"), {}, RUN)
    assert set(resolved) == set(NOTEBOOKS)


def test_one_name_means_one_thing() -> None:
    """A parameter that several notebooks declare has one type and one quick default."""
    seen: dict[str, tuple[str, object]] = {}
    for name in NOTEBOOKS:
        for parameter in declared_parameters(ROOT / "notebooks" / f"{name}.ipynb").values():
            said = (parameter.annotation, parameter.default)
            assert seen.setdefault(parameter.name, said) == said, f"{name}: {parameter.name}"
