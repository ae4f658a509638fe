"""Rules: inferred from a reference, written to a file that a person may edit, read back, enforced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils.errors import DataError, RuleError
from ml_utils.paths import Workspace
from ml_utils.problem import Problem
from ml_utils.quality import DataQuality, Rules, infer_rules, load_or_infer, rules_fingerprint, rules_path
from ml_utils.quality.patterns import find_pattern
from ml_utils.quality.ranges import find_bounds
from ml_utils.quality.rules import ColumnRule, Relation
from ml_utils.quality.values import kind_of


@pytest.fixture
def shop(problem: Problem) -> tuple[Problem, pd.DataFrame]:
    """2,000 orders whose columns keep one relation of each kind."""
    rng = np.random.default_rng(1)
    n = 2000
    net, tax = rng.gamma(3, 20, n).round(2), rng.gamma(2, 5, n).round(2)
    zip_code = rng.choice([f"{z:05d}" for z in range(1000, 1040)], n)
    items = rng.poisson(3, n)
    frame = pd.DataFrame(
        {
            "customer": [f"K{i:04d}" for i in range(n)],
            "net": net,
            "tax": tax,
            "gross": (net + tax).round(2),
            "copy": net,
            "items": items,
            "returned": rng.binomial(items, 0.4),
            "zip": zip_code,
            "city": pd.Series(zip_code).str[-2:].astype(int).floordiv(4).map(lambda i: f"city {i}"),
            "ordered": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "left": rng.choice(["yes", "no"], n),
        }
    )
    frame["delivered"] = frame["ordered"] + pd.to_timedelta(rng.integers(0, 90, n), unit="D")
    missing = rng.random(n) < 0.1
    frame["width"] = np.where(missing, np.nan, rng.normal(10, 1, n))
    frame["height"] = np.where(missing, np.nan, rng.normal(20, 1, n))
    return problem, frame


def test_the_relations_that_hold_are_found_and_no_others(shop: tuple[Problem, pd.DataFrame]) -> None:
    problem, frame = shop
    rules = infer_rules(frame, problem)
    assert {relation.words for relation in rules.relations} == {
        "net = copy",
        "gross = net + tax",
        "returned ≤ items",
        "ordered ≤ delivered",
        "width and height are missing together",
        "zip determines city",
    }
    assert rules.columns["zip"].type == "category"  # leading zeros: codes, not quantities
    assert rules.columns["customer"].pattern == r"K\d{4}"


def test_each_relation_marks_the_rows_that_break_it(shop: tuple[Problem, pd.DataFrame]) -> None:
    problem, frame = shop
    quality = DataQuality(problem).fit(frame)
    later = frame.copy()
    later.loc[3, "gross"] += 5
    later.loc[4, "returned"] = later.loc[4, "items"] + 1
    later.loc[5, "delivered"] = later.loc[5, "ordered"] - pd.Timedelta(days=1)
    later.loc[later.index[later["width"].notna()][0], "height"] = np.nan
    later.loc[7, "city"] = "city 9" if later.loc[7, "city"] != "city 9" else "city 8"
    later.loc[8, "copy"] += 1
    found = {f.column: f for f in quality.check(later).broken if f.check == "relation broken"}
    assert {name: f.rows for name, f in found.items()} == dict.fromkeys(
        (relation.words for relation in quality.rules_.relations), 1
    )
    assert found["gross = net + tax"].offenders == ("K0003",)
    assert quality.check(frame).broken == ()


def test_independent_columns_have_no_relation(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    frame = pd.DataFrame({f"n{i}": rng.normal(3 * i, 1, n) for i in range(6)})
    codes = pd.DataFrame({f"c{i}": rng.choice(list("abcd"), n, p=[0.97, 0.01, 0.01, 0.01]) for i in range(4)})
    frame = frame.join(codes).assign(
        left=rng.choice(["yes", "no"], n), small=rng.poisson(0.02, n), low=rng.poisson(9, n)
    )
    assert infer_rules(frame, problem).relations == []


def test_a_file_reads_back_as_it_was_written(tmp_path: Path, shop: tuple[Problem, pd.DataFrame]) -> None:
    rules = infer_rules(shop[1], shop[0])
    path = rules.write(tmp_path / "rules.yaml")
    again = Rules.read(path)
    assert again == rules
    assert not again.edited
    text = path.read_text()
    assert text.startswith("# What every later table of the problem 'mine' is held to.")
    assert "  - {sum: [gross, net, tax], tolerance: 0.015}" in text
    assert max(map(len, text.splitlines())) < 1100  # a rule a line; the longest lists 40 postcodes


def test_an_edited_file_is_kept_and_an_untouched_one_follows_the_table(
    workspace: Workspace, shop: tuple[Problem, pd.DataFrame]
) -> None:
    problem, frame = shop
    path = rules_path(workspace)
    assert rules_fingerprint(workspace) == "inferred"
    load_or_infer(workspace, frame, problem)
    assert rules_fingerprint(workspace) == "inferred"
    load_or_infer(workspace, frame.assign(net=frame["net"] * 1000), problem)
    assert Rules.read(path).columns["net"].range[1] > 1e5  # type: ignore[index]
    load_or_infer(workspace, frame, problem)
    commented = "# my own remark\n" + path.read_text()
    path.write_text(commented)
    assert rules_fingerprint(workspace) == "inferred"  # a comment changes no rule
    edited = commented.replace(
        "returned: {type: whole number", "returned: {severity: error, type: whole number"
    )
    path.write_text(edited)
    first = rules_fingerprint(workspace)
    assert first.startswith("edited:")
    assert load_or_infer(workspace, frame, problem).columns["returned"].severity == "error"
    assert path.read_text() == edited
    path.write_text(edited.replace("severity: error", "severity: warning"))
    assert rules_fingerprint(workspace) not in ("inferred", first)


def test_an_edited_rule_is_enforced(problem: Problem, customers: pd.DataFrame) -> None:
    rules = infer_rules(customers, problem)
    columns = rules.columns | {
        "tenure": ColumnRule(type="whole number", range=(0, 40), severity="warning"),
        "plan": ColumnRule(type="category", values=["basic", "plus"], unseen=0.0),
        "customer": ColumnRule(type="text", pattern=r"K0\d+"),
    }
    mine = rules.model_copy(
        update={"columns": columns, "relations": [Relation(at_most=["tenure", "charge"])]}
    )
    found = {(f.check, f.column): f for f in DataQuality(problem, rules=mine).check(customers).broken}
    assert found[("out of range", "tenure")].rows == (customers["tenure"] > 40).sum()
    assert found[("out of range", "tenure")].severity == "warning"
    assert found[("unseen value", "plan")].rows == (customers["plan"] == "gold").sum()
    broken = (customers["tenure"] > 40, customers["tenure"] > customers["charge"])
    assert found[("relation broken", "tenure ≤ charge")].rows == (broken[1] & ~broken[0]).sum()
    assert ("odd pattern", "customer") not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "columns:\n  age: {type: whole number, rnage: [1, 2]}\n",
            r"line 2, columns.age.rnage: unknown key. Did",
        ),
        ("columns:\n  age:\n    type: number\n    range: [9, 2]\n", r"line 2, columns.age: the range from 9"),
        ("columns:\n  age: {type: nmber}\n", r"line 2, columns.age.type: .*; got 'nmber'"),
        ("columns:\n  a: {type: text, pattern: '['}\n", r"line 2, columns.a.pattern: is not a regular"),
        ("columns:\n  a: {type: text}\nrelations:\n  - {equal: [a, b]}\n", r"relations.0 names 'b', which"),
        (
            "columns:\n  a: {type: text}\nrelations:\n  - {equal: [a]}\n",
            r"line 4, .*equal takes 2 columns; got 1",
        ),
        (
            "columns:\n  a: {type: text}\nrelations:\n  - {severity: error}\n",
            r"line 4, .*exactly one of at_most",
        ),
        ("columns: [\n", r"mine.yaml, line 2: not valid YAML"),
        ("hello\n", r"must be a mapping with the key `columns`"),
        ("table: {key: []}\n", r"line 1, columns: required, but not there"),
    ],
)
def test_a_broken_file_names_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RuleError, match=message):
        Rules.read(path)


def test_a_broken_file_counts_as_edited(workspace: Workspace) -> None:
    path = rules_path(workspace)
    path.parent.mkdir(parents=True)
    path.write_text("columns: [")
    assert rules_fingerprint(workspace).startswith("unreadable:")


def test_an_empty_table_has_no_rules(problem: Problem, customers: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="reference table has no rows"):
        infer_rules(customers.head(0), problem)


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [([999.0] * 5, 95.0), ([-1.0] * 5, 95.0), ([9500.0, 4200.0, 7700.0, 3000.0], 95.0), ([1e300], 95.0)],
)
def test_what_stands_apart_is_outside_the_range(wrong: list[float], kept: float) -> None:
    ages = np.random.default_rng(0).integers(18, 96, 4000).astype(float)
    bounds = find_bounds(np.r_[ages, wrong], whole=True)
    assert bounds is not None
    assert (bounds.seen_low, bounds.seen_high) == (18.0, kept)
    assert not any(bounds.low <= value <= bounds.high for value in wrong)


def test_values_in_another_unit_are_outside_though_they_follow_closely() -> None:
    rng = np.random.default_rng(0)
    seconds = np.ceil(rng.exponential(60, 100_000))
    wrong = rng.random(len(seconds)) < 0.003
    bounds = find_bounds(np.where(wrong, seconds * 1000, seconds), whole=True)
    assert bounds is not None
    assert bounds.seen_high == seconds[~wrong].max()
    assert bounds.high < 1000


@pytest.mark.parametrize("name", ["normal", "exponential", "lognormal", "poisson", "pareto", "uniform"])
def test_clean_samples_of_a_distribution_stay_in_the_range(name: str) -> None:
    rng = np.random.default_rng(3)
    draw = {
        "normal": lambda n: rng.normal(size=n),
        "exponential": lambda n: rng.exponential(size=n),
        "lognormal": lambda n: rng.lognormal(size=n),
        "poisson": lambda n: rng.poisson(0.3, n).astype(float),
        "pareto": lambda n: rng.pareto(3, n),
        "uniform": lambda n: rng.random(n),
    }[name]
    alarms = 0
    for _ in range(40):
        bounds = find_bounds(draw(2000))
        assert bounds is not None
        later = draw(2000)
        alarms += int(((later < bounds.low) | (later > bounds.high)).any())
    assert alarms <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=80))
def test_a_range_holds_what_it_has_seen(values: list[float]) -> None:
    bounds = find_bounds(np.array(values))
    if bounds is None:
        assert not np.isfinite(values).any()
        return
    assert bounds.low <= bounds.seen_low <= bounds.seen_high <= bounds.high


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        ([f"{i:04d}-ABCDE" for i in range(99)], r"\d{4}-ABCDE"),
        ([f"user{i}@shop.example" for i in range(99)], r"user\d+@shop\.example"),
        ([f"AB {i}" for i in range(100, 199)], r"AB \d{3}"),
        (["anything goes", "Here!", "x-1", "-", "9 lives"] + [f"text {'?' * i}" for i in range(60)], None),
    ],
)
def test_patterns(values: list[str], pattern: str | None) -> None:
    assert find_pattern(pd.Series(values)) == pattern


def test_kinds_of_columns() -> None:
    assert kind_of(pd.Series(["1", "2", "x"] + ["3"] * 60)) == "whole number"
    assert kind_of(pd.Series(["2025-01-01", "2025-02-01T10:00:00"] * 20)) == "date"
    assert kind_of(pd.Series([True, False])) == "category"
    assert kind_of(pd.Series([None, None], dtype=object)) == "text"
    assert kind_of(pd.Series([1.0, None, 3.0])) == "whole number"
