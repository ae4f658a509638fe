"""Quality findings and the screening of single columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_utils.data.schema import check_table
from ml_utils.errors import DataError
from ml_utils.files import to_json
from ml_utils.leakage import screen_columns
from ml_utils.plots import quality as plots
from ml_utils.problem import Events, FileSource, Problem, Reference
from ml_utils.quality import DataQuality
from ml_utils.quality.duplicates import repeats_across
from ml_utils.quality.inference import infer_rules
from ml_utils.quality.outliers import find_outliers
from ml_utils.quality.timeliness import check_time, find_rhythm
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


def test_a_report_goes_to_the_page_to_json_and_to_a_file(
    problem: Problem, customers: pd.DataFrame, tmp_path: Path
) -> None:
    frame = customers.copy()
    frame.loc[[3, 9], "plan"] = ["Basic ", "GOLD"]
    frame.loc[5, "charge"] = 1e6
    report = DataQuality(problem).check(frame)
    assert sorted(f.severity for f in report.broken) == ["error", "warning"]
    table = report.to_frame()
    assert list(table["severity"])[:2] == ["error", "warning"]
    assert "out of range" in to_json(report.to_dict())
    assert "<table" in report._repr_html_()
    assert report.sentence().endswith("no rows repeat another one.")
    rows = pd.read_parquet(report.write_offenders(tmp_path / "rows.parquet"))
    assert len(rows) == sum(f.rows for f in report.findings)
    assert rows.loc[rows["check"] == "misspelt", "customer"].tolist() == ["K0003", "K0009"]
    assert rows.loc[rows["check"] == "out of range", "row"].tolist() == [5]
    assert "K0009" in report.write_offenders(tmp_path / "rows.json").read_text()
    assert plots.quality_scores(report).axes
    again = DataQuality(problem).check(frame)
    assert to_json(again.to_dict()) == to_json(report.to_dict())


def test_later_tables_are_held_to_the_training_rows(problem: Problem, customers: pd.DataFrame) -> None:
    quality = DataQuality(problem).fit(customers)
    later = customers.rename(columns={"plan": "plans"}).assign(charge=customers["charge"].astype(object))
    later.loc[0, "charge"] = "12,50"
    later.loc[1, "charge"] = np.inf
    later.loc[2, "tenure"] = 3.5
    later.loc[3, "customer"] = "X1"
    later.loc[10:40, "tenure"] = np.nan
    found = {(f.check, f.column): f for f in quality.check(later).findings}
    assert found[("column lacking", "plan")].severity == "error"
    assert found[("new column", "plans")].severity == "note"
    assert found[("wrong type", "charge")].examples == ("12,50",)
    assert found[("infinite", "charge")].rows == 1
    assert found[("odd pattern", "customer")].offenders == ("X1",)
    assert found[("missing", "tenure")].severity == "warning"
    assert found[("missing", "charge")].severity == "note"


@pytest.mark.parametrize("change", ["twice", "empty", "mixed", "lists", "infinite", "one row", "no columns"])
def test_odd_tables_are_described_and_not_fallen_over(
    change: str, problem: Problem, customers: pd.DataFrame
) -> None:
    frame = customers.copy()
    if change == "twice":
        frame = pd.concat([frame, frame[["charge"]]], axis=1)
    elif change == "empty":
        frame["empty"] = None
        frame["nothing"] = np.nan
    elif change == "mixed":
        frame["mixed"] = [1, "two", 3.0, None, True, pd.Timestamp("2025-01-01")] * 100
    elif change == "lists":
        frame["lists"] = [[1], {"a": 2}] * 300
    elif change == "infinite":
        frame.loc[:5, "charge"] = -np.inf
    elif change == "one row":
        frame = frame.head(1)
    else:
        with pytest.raises(DataError, match=r"600 rows and 0 columns"):
            DataQuality(problem).check(frame[[]])
        with pytest.raises(DataError, match=r"0 rows"):
            DataQuality(problem).check(frame.head(0))
        return
    report = DataQuality(problem).check(frame)
    found = {(f.check, f.column) for f in report.findings}
    wanted = {
        "twice": ("column twice", "charge"),
        "empty": ("constant", "empty"),
        "infinite": ("infinite", "charge"),
    }
    assert wanted.get(change) is None or wanted[change] in found
    assert 0 <= report.score <= 1
    to_json(report.to_dict())
    report.offenders()


def monthly(problem: Problem, rows: int = 100) -> tuple[Problem, pd.DataFrame]:
    """A table of 18 months, `rows` rows a month."""
    when = pd.date_range("2024-01-31", periods=18, freq="ME").repeat(rows)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"customer": np.arange(len(when)), "when": when, "x": rng.normal(size=len(when))})
    return problem.model_copy(update={"time": "when"}), frame.assign(left="no", y=rng.normal(size=len(when)))


def test_time_gaps_thin_periods_and_late_columns_are_found(problem: Problem) -> None:
    problem, frame = monthly(problem)
    rule = find_rhythm(frame, problem)
    assert rule is not None
    assert (rule.every, rule.fewest) == ("month", 0.5)
    clean = check_time(frame, rule, pd.Timestamp("2025-07-10"))
    assert (clean.score, clean.age_days, clean.late) == (1.0, 10.0, {})
    bad = frame[frame["when"] != "2024-06-30"].reset_index(drop=True)
    bad = bad.drop(bad.index[bad["when"] == "2025-01-31"][:70]).reset_index(drop=True)
    bad.loc[bad["when"] == "2025-06-30", "x"] = np.nan
    bad.loc[[0, 1], "when"] = [pd.Timestamp("2099-12-31"), pd.Timestamp("1900-01-01")]
    report = DataQuality(problem).fit(frame).check(bad)
    found = {(f.check, f.column): f for f in report.broken}
    assert found[("gap", "when")].examples == ("2024-06",)
    assert found[("thin period", "when")].examples == ("2025-01",)
    assert found[("arrives late", "x")].rows == 100
    assert found[("far from all other times", "when")].rows == 2
    assert report.scores["timeliness"] == pytest.approx(16 / 18)
    early = DataQuality(problem, now="2025-06-01").fit(frame).check(frame)
    assert {(f.check, f.rows) for f in early.broken} == {("in the future", 100)}


def test_values_that_another_table_lacks_are_found(problem: Problem, customers: pd.DataFrame) -> None:
    source = FileSource(kind="csv", path="nowhere.csv")
    linked = problem.model_copy(
        update={
            "references": {"plan": Reference(source=source, column="name")},
            "events": {"calls": Events(source=source, time="at")},
        }
    )
    calls = pd.DataFrame({"customer": [*customers["customer"].head(500), "K9999", "K9998"], "at": 0})
    others = {"plan": pd.DataFrame({"name": ["basic", "plus"]}), "calls": calls}
    report = DataQuality(linked, others=others).check(customers)
    found = {(f.check, f.column): f for f in report.findings if f.dimension == "integrity"}
    assert found[("unknown value", "plan")].rows == (customers["plan"] == "gold").sum()
    assert found[("unknown value", "plan")].severity == "error"
    assert found[("no events", "customer")].rows == 100
    assert found[("events of nobody", "calls")].examples == ("K9999", "K9998")
    assert report.scores["integrity"] < 1
    with pytest.raises(DataError, match=r"references.plan names the column 'name', which that table lacks"):
        DataQuality(linked, others=others | {"plan": calls}).check(customers)


def test_rows_of_training_in_another_split_are_found_exact_and_near(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"n{i}": rng.normal(size=3000) for i in range(5)})
    frame = frame.assign(plan=rng.choice(list("abc"), 3000), left="no", customer=np.arange(3000))
    features = [*(f"n{i}" for i in range(5)), "plan"]
    train, test = frame.head(2000), frame.tail(1000).reset_index(drop=True)
    rules = infer_rules(train, problem)
    clean, _ = repeats_across({"train": train, "test": test}, rules, features)
    assert clean.loc[0, ["exact", "near", "suspicious"]].tolist() == [0, 0, False]
    leaked = test.copy()
    leaked.loc[:29, features] = train.loc[100:129, features].to_numpy()
    leaked[features[:5]] = leaked[features[:5]].astype(float)
    leaked.loc[:9, "plan"] = leaked.loc[:9, "plan"].str.upper() + " "
    leaked.loc[30:49, features] = train.loc[200:219, features].to_numpy()
    leaked.loc[30:49, features[:5]] += rng.uniform(-0.005, 0.005, (20, 5))
    found, marks = repeats_across({"train": train, "test": leaked}, rules, features)
    assert found.loc[0, ["exact", "near", "suspicious"]].tolist() == [30, 20, True]
    assert marks["test"][:30].all()


def test_rows_that_repeat_by_nature_are_not_shouted_at(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 5, 4000), "b": rng.choice(list("xyz"), 4000), "left": "no"})
    anonymous = problem.model_copy(update={"id": None})
    splits = {"train": frame.head(2000), "test": frame.tail(2000)}
    checked = DataQuality(anonymous).check_splits(splits)
    assert checked.repeats.loc[0, "exact"] == 2000
    assert not checked.repeats["suspicious"].any()
    assert "no split shares more rows" in checked.sentence()
    assert all(f.severity == "note" for report in checked.reports.values() for f in report.findings)
    assert plots.broken_rules(checked) is None


def test_outliers_by_fences_z_and_forest() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=1000), "y": rng.normal(size=1000), "z": rng.normal(size=1000)})
    frame.loc[7] = [9.0, -9.0, 9.0]
    found = find_outliers(frame)
    columns = found.columns.set_index("column")
    assert columns.loc["x", "upper"] == pytest.approx(2.70, abs=0.25)  # 0.674 + 1.5 × 1.349
    assert columns.loc["x", "outside"] == pytest.approx(0.007, abs=0.005)
    assert columns.loc["x", "beyond_z"] == pytest.approx(0.0027, abs=0.003)
    assert found.far["x"].nonzero()[0].tolist() == [7]
    assert found.rows.iloc[0]["row"] == 7
    assert find_outliers(frame).rows.equals(found.rows)


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
