"""Problem files: what is accepted, and what a person is told when it isn't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_utils.errors import ProblemError
from ml_utils.problem import Decision, load_problem, locate

EVENTS = {"source": {"kind": "csv", "path": "events.csv"}, "time": "at"}


@pytest.mark.parametrize("name", ["churn", "conversion", "spend"])
def test_built_in_problems_are_valid(name: str) -> None:
    assert load_problem(name).name == name


def test_analytic_threshold_is_cost_over_benefit_and_cost() -> None:
    # Elkan 2001, eq. 2: act where p·b > (1 − p)·c
    assert Decision(benefit=40.0, cost=10.0).threshold == pytest.approx(0.2)


def test_the_wanted_direction_can_be_said(problem_file: Callable[..., Path]) -> None:
    assert load_problem(problem_file()).direction == "lower"
    assert load_problem(problem_file(goal="higher")).direction == "higher"
    assert load_problem("spend").direction == "higher"


def test_what_a_change_is_worth_follows_from_what_acting_is_believed_to_do() -> None:
    # acting on 10 true positives turns 3: 10 · 40 net is 3 · value − 10 · 10
    decision = Decision(benefit=40.0, cost=10.0, success_rate=0.3)
    assert 3 * decision.value_of_change - 100 == pytest.approx(400)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"taget": "left"}, r"taget: unknown key\. Did you mean 'target'\?"),
        ({"target": None}, r"target: required, but not there"),
        ({"target": 3}, r"target: Input should be a valid string; got 3"),
        ({"task": "multiclass"}, r"task: Input should be 'binary' or 'regression'"),
        ({"positive": None}, r"`positive` is missing"),
        ({"task": "regression"}, r"has no `positive` value"),
        ({"source": {"kind": "xls", "path": "a"}}, r"kind"),
        ({"source": {"kind": "csv", "file": "a"}}, r"file: unknown key\. .*path"),
        ({"splits": {"train": 0.9}}, r"add up to 1\.4"),
        ({"decision": {"benefit": -1.0, "cost": 1.0}}, r"greater than 0"),
        ({"columns": {"numeric": ["left"]}}, r"is the target and is also listed as a feature"),
        (
            {"columns": {"numeric": ["a"], "categorical": ["a"]}},
            r"listed in two roles of numeric, categorical and text: a",
        ),
        ({"name": "x"}, r"taken from the file's own name"),
        ({"source": {"kind": "sql", "url": "sqlite:///a"}}, r"source\.sql\.query: required, but not there"),
        ({"events": {"e": {"tme": "at"}}}, r"events\.e\.tme: unknown key\. Did you mean 'time'\?"),
        (
            {"events": {"e": {"time": "at", "source": {"kind": "csv", "pth": "a"}}}},
            r"events\.e\.source\.csv\.pth: unknown key\. Did you mean 'path'\?",
        ),
        (
            {"references": {"plan": {"column": "a", "source": {"kind": "retailer_table", "tabel": "usage"}}}},
            r"references\.plan\.source\.retailer_table\.tabel: unknown key\. Did you mean 'table'",
        ),
        ({"places": {"home": {"latitud": "a"}}}, r"places\.home\.latitud: unknown key\. Did you mean 'latit"),
        ({"columns": {"txt": []}}, r"columns\.txt: unknown key\. Did you mean 'text'"),
        (
            {"places": {"home": {"latitude": "a", "longitude": "b", "points": {"x": [100, 2]}}}},
            r"places\.home\.points\.x: a point is \[latitude, longitude\] in degrees",
        ),
        ({"events": {"e": EVENTS}, "time": None}, r"the problem needs `time`"),
        ({"events": {"e": EVENTS}, "time": "t", "id": None}, r"and `id` or keys"),
        ({"events": {"a b": EVENTS}, "time": "t"}, r"'a b' begins the names of columns"),
        ({"events": {"e": EVENTS | {"windows": [7, 7]}}, "time": "t"}, r"listed twice: \[7, 7\]"),
        ({"events": {"e": EVENTS | {"windows": []}}, "time": "t"}, r"at least 1 item"),
        ({"events": {"e": EVENTS | {"windows": [0]}}, "time": "t"}, r"0 days is not longer than"),
        (
            {"events": {"e": EVENTS | {"windows": [7], "known_after_days": 7.0}}, "time": "t"},
            r"windows: 7 days is not longer than known_after_days \(7\)",
        ),
        ({"events": {"e": EVENTS | {"numeric": ["at"]}}, "time": "t"}, r"'at' is the time of an event"),
        (
            {"events": {"e": EVENTS | {"numeric": ["v"], "categorical": ["v"]}}, "time": "t"},
            "listed twice: v",
        ),
    ],
)
def test_a_wrong_problem_file_names_the_key(
    problem_file: Callable[..., Path], changes: dict, message: str
) -> None:
    with pytest.raises(ProblemError, match=message) as error:
        load_problem(problem_file(**changes))
    assert "mine.yaml" in str(error.value)


def test_places_events_and_references_are_read_from_yaml(problem_file: Callable[..., Path]) -> None:
    point = {"latitude": "lat", "longitude": "lon", "points": {"berlin": [52.52, 13.405], "null": [0, 0]}}
    problem = load_problem(
        problem_file(
            time="joined",
            places={"home": point},
            events={"orders": EVENTS | {"numeric": ["value"], "known_after_days": 1}},
            references={"plan": {"source": {"kind": "csv", "path": "plans.csv"}, "column": "name"}},
            features={"ratio": "a / b"},
        )
    )
    assert problem.places["home"].points == {"berlin": (52.52, 13.405), "null": (0.0, 0.0)}
    assert problem.events["orders"].windows == [7, 30, 90]
    assert problem.events["orders"].known_after_days == 1.0
    assert problem.references["plan"].column == "name"


def test_the_example_with_events_is_valid() -> None:
    problem = load_problem(Path(__file__).parent / "problems" / "churn_events.yaml")
    assert list(problem.events) == ["purchases", "contacts"]


def test_an_unknown_name_lists_the_known_ones(project: Path) -> None:
    with pytest.raises(ProblemError, match=r"Did you mean 'churn'\? Known: churn, conversion, spend"):
        load_problem("chrun")


def test_text_that_is_not_a_mapping(project: Path) -> None:
    (project / "a.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(ProblemError, match="must be a mapping"):
        load_problem(project / "a.yaml")
    (project / "a.yaml").write_text("a: [1\n")
    with pytest.raises(ProblemError, match="not valid YAML"):
        load_problem(project / "a.yaml")


def test_paths_take_the_environment(
    problem_file: Callable[..., Path], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = load_problem(problem_file())
    monkeypatch.setenv("TABLES", str(project / "tables"))
    assert locate("${TABLES}/a.csv", problem) == project / "tables" / "a.csv"
    assert locate("${NOT_SET_HERE:-data/public}/a.csv", problem) == project / "data" / "public" / "a.csv"
    with pytest.raises(ProblemError, match="needs the environment variable NOT_SET_HERE"):
        locate("${NOT_SET_HERE}/a.csv", problem)
