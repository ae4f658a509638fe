"""The first look as a whole: what it finds, what it refuses, what it draws."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_utils.data import check_table, split_frame
from ml_utils.data.sources import read_source
from ml_utils.errors import DataError
from ml_utils.exploration import explore, target_by_value
from ml_utils.exploration.associations import associate
from ml_utils.exploration.columns import summarise
from ml_utils.exploration.missing import find_missing
from ml_utils.exploration.over_time import over_time
from ml_utils.exploration.projection import project
from ml_utils.exploration.variables import one_per_unit, prepare
from ml_utils.files import to_json
from ml_utils.plots import data as data_plots
from ml_utils.plots import exploration as plots
from ml_utils.problem import Problem, load_problem

PUBLIC = Path(os.environ.get("OCTAVO_PUBLIC_DATA", "data/public"))


@pytest.fixture
def rich(customers: pd.DataFrame) -> pd.DataFrame:
    """The customers with a copy, a constant, an empty column, names, infinities, and noise."""
    rng = np.random.default_rng(1)
    n = len(customers)
    frame = customers.assign(
        months=customers["tenure"],
        always="yes",
        never=np.nan,
        note=[f"note {i}" for i in range(n)],
        noise=rng.normal(size=n),
        ratio=rng.normal(size=n),
        rare=np.where(np.arange(n) < 3, "odd", "usual"),
    )
    frame.loc[:4, "ratio"] = [np.inf, -np.inf, np.inf, np.nan, 1.0]
    return frame


def null_table(rng: np.random.Generator, n: int = 200, columns: int = 12) -> pd.DataFrame:
    table = {f"n{i}": rng.gamma(2, size=n) if i % 2 else rng.normal(size=n) for i in range(columns // 2)}
    table |= {f"c{i}": rng.choice(list("abcd"), n, p=[0.5, 0.3, 0.17, 0.03]) for i in range(columns // 2)}
    return pd.DataFrame(table).assign(left=rng.choice(["yes", "no"], n, p=[0.2, 0.8]))


@pytest.fixture
def plain(problem_file: Callable[..., Path]) -> Problem:
    return load_problem(problem_file(id=None))


def test_what_drives_the_target_is_found_and_the_copy_is_not_repeated(
    rich: pd.DataFrame, problem: Problem
) -> None:
    found = explore(rich, problem, tsne=False)
    assert found.columns_that_matter[0] in ("tenure", "months")
    assert len({"tenure", "months"} & set(found.columns_that_matter)) == 1
    assert "noise" not in found.columns_that_matter
    assert ["months", "tenure"] in [sorted(group) for group in found.redundancy.groups]
    assert {"tenure", "months"} <= set(found.redundancy.inflated)
    assert found.left_out["always"] == "one value only"
    assert found.left_out["never"] == "no values"
    assert "names rows" in found.left_out["note"]
    assert len(found.to_frame()) == rich.shape[1]
    assert to_json(found.as_results())
    assert all(sentence.endswith(".") for sentence in found.sentences())


def test_two_looks_with_one_seed_are_the_same(rich: pd.DataFrame, problem: Problem) -> None:
    few = rich.head(250)
    first, again = explore(few, problem, seed=3), explore(few, problem, seed=3)
    assert to_json(first.as_results()) == to_json(again.as_results())
    assert first.projection is not None
    assert again.projection is not None
    pd.testing.assert_frame_equal(first.projection.scores, again.projection.scores)


def test_columns_are_described(rich: pd.DataFrame, problem: Problem) -> None:
    table = summarise(rich, problem).to_frame().set_index("column")
    assert table.loc["charge", "missing"] == rich["charge"].isna().sum()
    assert table.loc["charge", "mean"] == pytest.approx(rich["charge"].mean())
    assert table.loc["charge", "skew"] == pytest.approx(rich["charge"].skew(), rel=0.01)
    assert table.loc["charge", "q05"] == pytest.approx(rich["charge"].quantile(0.05))
    assert table.loc["ratio", "infinite"] == 3
    assert table.loc["customer", "role"] == "id"
    assert table.loc["left", "role"] == "target"
    assert table.loc["plan", "top"].startswith("basic 4") or table.loc["plan", "top"].startswith("basic 5")
    assert "one value only, or infinities" in summarise(rich, problem).sentence()


def test_missing_values_that_tell_something(plain: Problem, customers: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    frame = customers.drop(columns="customer").assign(other=rng.normal(size=600), third=rng.normal(size=600))
    left = frame["left"] == "yes"
    frame.loc[left & (rng.random(600) < 0.5), "third"] = np.nan
    frame.loc[frame["plan"] == "gold", ["other"]] = np.nan
    found = find_missing(frame, plain, prepare(frame, plain))
    target = found.target.set_index("column")
    assert target.loc["third", "verdict"] == "related"
    assert target.loc["third", "where_missing"] == 1.0
    assert target.loc["charge", "verdict"] != "related"
    related = found.related.groupby("column")["other"].first()
    assert related["other"] == "plan"
    assert found.patterns["rows"].sum() <= 600
    assert "third is missing tells something" in found.sentence()
    assert "depends on plan" in found.sentence()
    both = found.together.set_index(["first", "second"])
    assert set(both.index.get_level_values(0)) <= set(found.columns["column"])


def test_columns_that_are_missing_together(plain: Problem, customers: pd.DataFrame) -> None:
    frame = customers.drop(columns="customer").assign(fee=customers["charge"] * 2)
    found = find_missing(frame, plain, prepare(frame, plain))
    assert found.together.loc[0, "phi"] == pytest.approx(1.0)
    assert found.members[1] == ["charge", "fee"]
    complete = find_missing(frame.dropna(), plain, prepare(frame.dropna(), plain))
    assert complete.sentence() == "No cell is empty."
    assert plots.missing_patterns(complete) is None


@pytest.mark.parametrize("method", ["bh", "by"])
def test_noise_is_seldom_taken_for_a_finding(plain: Problem, method: str) -> None:
    rng = np.random.default_rng(4)
    found = [
        associate(prepare(null_table(rng), plain), correction=method).table["significant"].any()  # type: ignore[arg-type]
        for _ in range(40)
    ]
    assert np.mean(found) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.full
def test_the_false_discovery_rate_is_kept(plain: Problem) -> None:
    """500 tables of noise: a false discovery in at most 5 % of them, two standard errors allowed."""
    rng = np.random.default_rng(5)
    found = [associate(prepare(null_table(rng, 300), plain)).table["significant"].any() for _ in range(500)]
    assert np.mean(found) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)


@pytest.mark.full
def test_the_false_discovery_rate_is_kept_beside_real_effects(plain: Problem) -> None:
    rng = np.random.default_rng(6)
    false, power = [], []
    for _ in range(300):
        table = null_table(rng, 400)
        for i in range(4):
            table[f"real{i}"] = rng.normal(size=400) + 0.6 * (table["left"] == "yes")
        rows = associate(prepare(table, plain)).table.query("significant")
        real = rows["column"].str.startswith("real")
        false.append((~real).sum() / max(len(rows), 1))
        power.append(real.sum() / 4)
    assert np.mean(false) <= 0.05 + 2 * np.std(false) / np.sqrt(300)
    assert np.mean(power) > 0.95


def test_an_effect_of_half_a_standard_deviation_is_found(plain: Problem) -> None:
    """200 against 800 rows: z = 0.5 √160 = 6.3, so the power beside 12 columns of noise is over 99.9 %."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(10):
        table = null_table(rng, 1000)
        table["real"] = rng.normal(size=1000) + 0.5 * (table["left"] == "yes")
        hits += associate(prepare(table, plain)).table.set_index("column").loc["real", "significant"]
    assert hits == 10


def test_significant_but_negligible_is_said(plain: Problem) -> None:
    rng = np.random.default_rng(9)
    table = null_table(rng, 40_000)
    table["tiny"] = rng.normal(size=40_000) + 0.08 * (table["left"] == "yes")
    found = associate(prepare(table, plain))
    assert found.table.set_index("column").loc["tiny", "verdict"] == "significant but negligible"
    assert "tiny" not in found.real


def test_a_difference_of_shape_alone_is_seen(plain: Problem) -> None:
    rng = np.random.default_rng(10)
    table = null_table(rng, 1500)
    left = (table["left"] == "yes").to_numpy()
    table["shape"] = np.where(left, rng.choice([-1.5, 1.5], 1500), 0) + rng.normal(0, 0.5, 1500)
    found = associate(prepare(table, plain))
    assert found.table.set_index("column").loc["shape", "verdict"] == "shape differs"
    assert found.strength().idxmax() == "shape"


def _repeated(rng: np.random.Generator, people: int = 100, months: int = 24) -> pd.DataFrame:
    """People with a trait and a habit that have nothing to do with one another, seen month after month."""
    who = np.repeat(np.arange(people), months)
    habit = rng.random(people) < 0.4
    left = np.where(rng.random(len(who)) < np.where(habit, 0.9, 0.1)[who], "yes", "no")
    trait = rng.normal(size=people)[who] + 0.1 * rng.normal(size=len(who))
    return pd.DataFrame({"customer": who.astype(str), "trait": trait, "left": left})


def test_rows_of_one_customer_are_not_taken_as_independent(problem_file: Callable[..., Path]) -> None:
    """On one row a customer noise keeps to its 5 %; on all rows it is significant many times as often."""
    problem = load_problem(problem_file(id=None, group="customer"))
    careless = load_problem(problem_file(id=None, columns={"ignore": ["customer"]}))
    rng = np.random.default_rng(11)
    hits = np.zeros(2)
    for i in range(40):
        frame = _repeated(rng)
        for k, which in enumerate((problem, careless)):
            hits[k] += associate(prepare(frame, which, seed=i)).table["significant"].any()
    assert hits[0] <= 6
    assert hits[1] >= 14
    assert "rows of one customer are not independent" in prepare(_repeated(rng), problem).sentence()


def test_every_row_has_the_same_chance_to_be_drawn() -> None:
    unit = pd.Series(np.repeat(["a", "b", "c"], [1, 2, 4]))
    rng = np.random.default_rng(12)
    drawn = np.zeros(7)
    for _ in range(3000):
        rows = one_per_unit(unit, rng)
        assert unit.iloc[rows].is_unique
        drawn[rows] += 1
    assert drawn / 3000 == pytest.approx(np.full(7, 0.25), abs=0.03)


def test_components_are_those_of_the_correlation_matrix(plain: Problem) -> None:
    """Fisher's irises, standardised: 72.96, 22.85, 3.67 and 0.52 % of the variance."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=["a", "b", "c", "d"])
    frame["left"] = np.where(iris.target == 2, "yes", "no")
    found = project(prepare(frame, plain), tsne=False)
    assert found is not None
    share = found.explained["share"].to_numpy()
    assert share == pytest.approx([0.72962445, 0.22850762, 0.03668922, 0.00517871], abs=1e-6)
    assert (found.loadings.filter(like="PC") ** 2).sum(axis=1).to_numpy() == pytest.approx(np.ones(4))


def test_a_rare_class_is_shown_often_enough(plain: Problem) -> None:
    rng = np.random.default_rng(13)
    table = null_table(rng, 6000)
    table["left"] = np.where(rng.random(6000) < 0.05, "yes", "no")
    found = project(prepare(table, plain), shown=400, tsne=False)
    assert found is not None
    assert found.enriched
    assert found.scores["target"].mean() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.head(5), "needs 10 training rows or more; got 5"),
        (lambda f: f.assign(left="no"), "has one value in the 600 training rows"),
        (lambda f: f[["customer", "left"]].assign(x=1.0, y=np.nan), r"x \(one value only\) and y"),
    ],
)
def test_what_cannot_be_explored_is_refused(
    problem: Problem, customers: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        explore(change(customers), problem)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [30, 600])
def test_small_and_odd_tables_are_explored_without_a_warning(
    rich: pd.DataFrame, problem: Problem, n: int
) -> None:
    frame = rich.head(n).copy()
    if n == 30:  # a class of three rows
        frame["left"] = np.where(np.arange(30) < 3, "yes", "no")
    found = explore(frame, problem, tsne=n == 30)
    for drawn in _draw(found, problem):
        drawn.savefig(os.devnull, format="svg")


def _draw(found, problem: Problem) -> list:  # type: ignore[no-untyped-def, type-arg]
    figures = [
        plots.effect_sizes(found.associations, problem),
        plots.distributions_by_class(found.distributions),
        data_plots.target_by_values(found.by_value, problem),
        plots.missing_patterns(found.missing),
        plots.association_matrix(found.redundancy),
        plots.variance_inflation(found.redundancy),
        plots.projections(found.projection, problem),
        plots.target_over_periods(found.time, problem),
    ]
    return [figure for figure in figures if figure is not None]


def test_a_regression_over_time(problem_file: Callable[..., Path], customers: pd.DataFrame) -> None:
    problem = load_problem(
        problem_file(task="regression", target="charge", positive=None, time="joined", id=None)
    )
    frame = customers.drop(columns="customer").dropna()
    found = explore(frame, problem, tsne=False)
    assert found.associations.scale == "r"
    assert found.time is not None
    assert set(found.distributions.classes) == {"lowest third", "middle third", "highest third"}
    assert len(_draw(found, problem)) >= 6


def test_over_time_chooses_its_periods_and_is_honest(
    problem_file: Callable[..., Path], customers: pd.DataFrame
) -> None:
    problem = load_problem(problem_file(time="joined", id=None))
    rng = np.random.default_rng(14)
    daily = pd.concat([customers] * 5, ignore_index=True)
    daily["joined"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 3000), unit="D")
    found = over_time(daily, problem, ["tenure", "plan"])
    assert found is not None
    assert (found.grain, len(found.readings)) == ("day", 3)
    assert "share of plan = basic" in found.readings
    assert "needs two years" in found.sentence()
    monthly = daily.assign(joined=daily["joined"].dt.to_period("M").dt.to_timestamp())
    few = over_time(monthly, problem)
    assert few is not None
    assert few.grain == "month"
    assert "2 months are too short to tell a trend, a yearly season" in few.sentence()
    assert over_time(daily, load_problem(problem_file(id=None))) is None


def test_target_by_value_adds_up(problem: Problem, customers: pd.DataFrame) -> None:
    table = target_by_value(customers, "plan", problem)
    rate = (customers["left"] == "yes").mean()
    assert (table["rows"] * table["target"]).sum() / len(customers) == pytest.approx(rate)
    assert ((table["lower"] <= table["target"]) & (table["target"] <= table["upper"])).all()
    assert target_by_value(customers, "charge", problem)["rows"].sum() == customers["charge"].notna().sum()
    assert len(target_by_value(customers.assign(charge=np.inf), "charge", problem)) == 0
    assert len(target_by_value(customers, "joined", problem)) > 10
    with pytest.raises(DataError, match="Did you mean 'plan'"):
        target_by_value(customers, "plam", problem)


def test_the_retailer_s_repetition_is_found_and_its_page_can_be_drawn() -> None:
    problem = load_problem("churn")
    frame = check_table(read_source(problem, 600, 1).frame, problem)
    found = explore(split_frame(frame, problem)["train"], problem, tsne=False)
    groups = [set(group) for group in found.redundancy.groups]
    assert {"tenure_months", "total_charges"} in groups
    assert "at most one for each customer_id" in found.sampling
    assert len(_draw(found, problem)) == 8


@pytest.mark.full
@pytest.mark.parametrize("name", ["telco", "online_shoppers"])
def test_real_tables(name: str) -> None:
    if not (PUBLIC / f"{name}.csv").is_file():
        pytest.skip(f"{name}.csv is not there; data/README.md says where to download it")
    problem = load_problem(str(Path(__file__).parent / "problems" / f"{name}.yaml"))
    frame = check_table(read_source(problem).frame, problem)
    found = explore(split_frame(frame, problem)["train"], problem)
    strongest = {"telco": "Contract", "online_shoppers": "PageValues"}[name]
    assert found.columns_that_matter[0] == strongest
    assert len(_draw(found, problem)) >= 6
