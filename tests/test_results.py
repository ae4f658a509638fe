"""Results: recorded whole, the same bytes for the same values, and found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_utils.errors import MissingInputError, ParameterError
from ml_utils.files import to_json, write_if_changed, write_whole
from ml_utils.results import open_run, read_measured, read_results

ANSWER = ["One.", "Two.", "Three."]


def test_results_and_what_was_measured_are_apart(project: Path) -> None:
    run = open_run("02-model-training", "churn", "test")
    run.record(ANSWER, {"AUC": "0.9"}, {"auc": np.float64(0.9)}, {"version": 3})
    recorded = read_results(run.workspace, "02-model-training")
    assert recorded["results"] == {"auc": 0.9}
    assert recorded["answer"] == ANSWER
    assert read_measured(run.workspace, "02-model-training")["version"] == 3
    assert run.results("02-model-training") == {"auc": 0.9}


def test_recording_the_same_does_not_touch_the_file(project: Path) -> None:
    run = open_run("02-model-training", "churn", "test")
    run.record(ANSWER, {}, {"auc": 0.9}, {"version": 3})
    path = run.workspace.results / "02-model-training.json"
    before = path.stat().st_mtime_ns
    run.record(ANSWER, {}, {"auc": 0.9}, {"version": 4})
    assert path.stat().st_mtime_ns == before
    assert read_measured(run.workspace, "02-model-training")["version"] == 4


def test_a_missing_result_names_its_notebook(project: Path) -> None:
    run = open_run("03-model-evaluation", "churn", "test")
    with pytest.raises(
        MissingInputError, match=r"Notebook 2 writes it: run notebooks/02-model-training\.ipynb"
    ):
        run.results("02-model-training")


def test_an_answer_is_three_sentences(project: Path) -> None:
    with pytest.raises(ParameterError, match="got 2"):
        open_run("02-model-training", "churn", "test").record(ANSWER[:2], {}, {})


def test_json_takes_what_results_are_made_of() -> None:
    value = {
        "n": np.int64(3),
        "share": np.float32(0.5),
        "ok": np.bool_(True),
        "none": float("nan"),
        "when": pd.Timestamp("2025-01-31"),
        "table": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "series": pd.Series([1.5], index=["k"]),
        "array": np.arange(3),
        0.1: (1, 2),
    }
    assert json.loads(to_json(value)) == {
        "n": 3,
        "share": 0.5,
        "ok": True,
        "none": None,
        "when": "2025-01-31 00:00:00",
        "table": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
        "series": {"k": 1.5},
        "array": [0, 1, 2],
        "0.1": [1, 2],
    }


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert write_if_changed(path, "old")
    assert not write_if_changed(path, "old")

    def broken(aside: Path) -> None:
        aside.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, broken)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]
