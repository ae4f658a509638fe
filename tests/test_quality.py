"""Quality findings and the screening of single columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml_utils.data.quality import DataQuality
from ml_utils.data.schema import check_table
from ml_utils.data.screening import screen_columns, target_by_value
from ml_utils.problem import Problem
from ml_utils.synthetic import TRUTH, read_view


def test_each_planted_defect_is_found(problem: Problem, customers: pd.DataFrame) -> None:
    frame = customers.copy()
    frame.loc[[3, 9], "plan"] = ["Basic ", "GOLD"]
    frame.loc[5, "charge"] = 1e5
    frame["same"] = "x"
    report = DataQuality(problem).check(pd.concat([frame, frame.iloc[[1, 2]]]))
    found = {(f.check, f.column): f.rows for f in report.findings}
    assert found[("misspelt", "plan")] == 2
    assert found[("far out", "charge")] == 1
    assert found[("missing", "charge")] == customers["charge"].isna().sum()
    assert found[("repeated row", "(all)")] == 2
    assert ("constant", "same") in found
    assert report.score == min(report.scores.values())


def test_a_clean_table_has_no_finding(problem: Problem, customers: pd.DataFrame) -> None:
    report = DataQuality(problem).check(customers.dropna())
    assert report.findings == ()
    assert report.score == 1


def test_the_retailers_defects_are_found_at_their_known_rates() -> None:
    from ml_utils.problem import load_problem

    frame, _ = read_view("churn", 2000, 3)
    report = DataQuality(load_problem("churn")).check(frame)
    repeated = next(f for f in report.findings if f.check == "repeated row")
    assert repeated.share == pytest.approx(TRUTH.defects.duplicates, abs=0.002)


def test_the_leaking_column_stands_out_and_the_honest_ones_do_not() -> None:
    from ml_utils.problem import load_problem

    problem = load_problem("conversion")
    frame = check_table(read_view("conversion", 400, 1)[0], problem)
    screened = screen_columns(frame, problem).set_index("column")
    assert screened.index[0] == "engagement_depth"
    assert screened.loc["engagement_depth", "suspicious"]
    assert not screened.loc["engagement_depth", "used"]
    assert not screened.loc[screened["used"], "suspicious"].any()


def test_a_copy_of_the_target_is_suspicious_and_noise_is_not(
    problem: Problem, customers: pd.DataFrame
) -> None:
    rng = np.random.default_rng(0)
    frame = customers.assign(
        told=np.where(customers["left"] == "yes", "gone", "here"), noise=rng.normal(size=len(customers))
    )
    screened = screen_columns(frame, problem).set_index("column")
    assert screened.loc["told", "strength"] > 0.99
    assert screened.loc["told", "suspicious"]
    assert screened.loc["noise", "strength"] < 0.6


def test_target_by_value_adds_up(problem: Problem, customers: pd.DataFrame) -> None:
    table = target_by_value(customers, "plan", problem)
    rate = (customers["left"] == "yes").mean()
    assert table["rows"].sum() == len(customers)
    assert (table["rows"] * table["target"]).sum() / len(customers) == pytest.approx(rate)
    assert (table["lower"] <= table["target"]).all()
    assert (table["target"] <= table["upper"]).all()
    assert target_by_value(customers, "charge", problem)["rows"].sum() == customers["charge"].notna().sum()
