"""The comparison of training tools: what it keeps, and when it says that a goal is missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from training_report import judge, section
from training_tables import BenchTable
from training_tools import TOOLS, Scored, hand_over, kept_or_run


def small(name: str = "telco", seed: int = 0) -> tuple[BenchTable, np.ndarray]:
    """A table with two folds, and scores that rank its rows rightly."""
    y = np.random.default_rng(seed).permutation(np.arange(100) % 4 == 0)
    folds = [(np.arange(50, 100), np.arange(50)), (np.arange(50), np.arange(50, 100))]
    table = BenchTable(name, pd.DataFrame({"x": np.arange(100.0)}), pd.Series(y.astype("int8")), None, folds)
    return table, np.where(y, 0.9, 0.1)


def test_goals_are_held_in_processor_seconds_and_the_clock_is_told() -> None:
    table, score = small()
    met = judge(Scored(score, [12.0, 12.0], [5.0, 5.0]), table, "ours")
    assert met.met
    assert "by the clock missed" in met.verdict
    slow = judge(Scored(score, [12.0, 12.0], [11.0, 11.0]), table, "ours")
    assert not slow.met
    assert slow.verdict.endswith("**missed**")
    assert not judge(Scored(1 - score, [1.0, 1.0], [1.0, 1.0]), table, "ours").met
    budget = judge(Scored(score, [5.0, 5.0], [1.0, 1.0]), table, "ours4")  # a budget is by the clock
    assert not budget.met


def test_the_section_puts_the_best_first_losses_included() -> None:
    table, score = small("digits")
    worse = score.copy()
    worse[:10] = 0.5
    rows = [judge(Scored(worse, [1.0]), table, "ours"), judge(Scored(score, [60.0]), table, "flaml60")]
    lines = section(table, rows).splitlines()
    assert lines[0] == "### digits"
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| FLAML, 60 s", "| **ModelTrainer**"]


def test_kept_scores_are_taken_and_never_those_of_other_rows(tmp_path: Path) -> None:
    table, score = small()
    hand_over(table, tmp_path)
    pd.DataFrame({"score": score}).to_parquet(tmp_path / "telco.flaml60.parquet")
    (tmp_path / "telco.flaml60.log").write_text('a warning\n{"seconds": [61.0, 60.0]}\n')
    kept = kept_or_run("flaml60", table, tmp_path)
    assert kept.score.tolist() == score.tolist()
    assert kept.seconds == [61.0, 60.0]
    plain = kept_or_run("logistic", table, tmp_path)
    assert TOOLS["logistic"].fit is not None
    assert kept_or_run("logistic", table, tmp_path).processor == plain.processor
    hand_over(table, tmp_path)
    with pytest.raises(SystemExit, match="keeps scores of another telco"):
        hand_over(small(seed=1)[0], tmp_path)
