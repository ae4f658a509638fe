"""The analyzer: what it refuses, what it decides, and whether its guarantees hold."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd
import pytest
import yaml

from ml_utils import ABTestAnalyzer
from ml_utils.errors import DataError, ParameterError
from ml_utils.experiments import trial, words
from ml_utils.experiments.decision import value_of
from ml_utils.experiments.story import Story, effects_table
from ml_utils.files import to_json, write_parquet
from ml_utils.model import Model
from ml_utils.paths import Workspace
from ml_utils.plots import experiments as plots
from ml_utils.problem import Problem, load_problem

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def experiment(
    n: int = 2_000, effect: float = 0.0, seed: int = 0, base: float = 0.2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yes-or-no outcomes, arms and a covariate that follows the outcome."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 0.5
    score = np.clip(rng.beta(2, 2 / base - 2, n), 0, 1)
    outcome = rng.random(n) < np.clip(score + effect * treated, 0, 1)
    return outcome.astype(float), np.where(treated, "treatment", "control"), score


# --- design ----------------------------------------------------------------------------------------------


def test_design_of_shares_is_r_power_prop_test() -> None:
    design = ABTestAnalyzer().design(0.10, mde_relative=0.2, rows_per_day=100)
    assert (design.n_control, design.n_treatment) == (3841, 3841)  # R 4.2.2: n = 3840.847
    assert design.days == pytest.approx(76.82)
    assert design.power_at(design.n_total) == pytest.approx(0.8, abs=1e-4)
    assert design.detectable(design.n_total) == pytest.approx(0.02, rel=1e-3)


def test_design_of_means_shrinks_with_the_covariate() -> None:
    ab = ABTestAnalyzer()
    plain = ab.design(50, mde_absolute=2.0, metric="mean", sd=20.0)
    adjusted = ab.design(50, mde_absolute=2.0, metric="mean", sd=20.0, correlation=0.6)
    assert plain.n_control == 1571  # R power.t.test: 1570.737
    assert adjusted.n_total == pytest.approx(plain.n_total * 0.64, abs=3)
    assert adjusted.power_at(adjusted.n_total) == pytest.approx(0.8, abs=1e-3)


def test_design_divides_unevenly_and_draws_a_rising_curve() -> None:
    design = ABTestAnalyzer().design(0.3, mde_relative=-0.2, share=0.2)
    assert design.n_treatment == pytest.approx(design.n_total * 0.2, abs=1)
    power = design.curve()["power"].to_numpy()
    assert (np.diff(power) >= -1e-12).all()
    assert "effect worth having" in design.to_frame()["design"].to_list()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": 0.1}, "Give one of mde_relative and mde_absolute"),
        ({"baseline": 0.1, "mde_relative": 0.1, "mde_absolute": 0.1}, "Give one of"),
        ({"baseline": 0.1, "mde_absolute": 0.0}, "must differ from 0"),
        ({"baseline": 5.0, "mde_absolute": 1.0, "metric": "mean"}, "A mean needs `sd`"),
        ({"baseline": 5.0, "mde_absolute": 1.0, "metric": "median"}, "Known: mean, proportion"),
        ({"baseline": 0.9, "mde_relative": 0.5}, "treatment lies strictly between 0 and 1"),
        ({"baseline": 0.1, "mde_relative": 0.5, "correlation": 1.0}, "correlation lies between"),
        ({"baseline": 0.1, "mde_relative": 0.5, "share": 0.0}, "share lies strictly between 0 and 1"),
    ],
)
def test_design_names_what_is_wrong(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ABTestAnalyzer().design(**arguments)  # type: ignore[arg-type]


# --- assignment ------------------------------------------------------------------------------------------


def test_an_id_keeps_its_arm_in_any_company() -> None:
    ids = pd.Series([f"C{i:05d}" for i in range(5_000)], index=range(10, 5_010))
    ab = ABTestAnalyzer(seed=7)
    arm = ab.assign(ids, salt="offer")
    again = ab.assign(ids.sample(frac=0.3, random_state=1), salt="offer")
    assert (arm.loc[again.index] == again).all()
    assert (arm.index == ids.index).all()
    assert arm.value_counts(normalize=True)["treatment"] == pytest.approx(0.5, abs=0.03)


def test_two_experiments_divide_independently() -> None:
    ids = [f"C{i}" for i in range(5_000)]
    one, two = (ABTestAnalyzer().assign(ids, salt=salt) for salt in ("a", "b"))
    assert (one == two).mean() == pytest.approx(0.5, abs=0.03)


def test_weights_are_kept() -> None:
    arm = ABTestAnalyzer().assign(range(20_000), salt="w", weights={"control": 9, "treatment": 1})
    assert (arm == "treatment").mean() == pytest.approx(0.1, abs=0.01)


def test_strata_are_balanced_to_a_row_and_do_not_depend_on_order() -> None:
    ids = pd.Series([f"C{i}" for i in range(999)])
    strata = pd.Series(np.where(np.arange(999) % 10 == 0, "small", "large"))
    ab = ABTestAnalyzer()
    arm = ab.assign(ids, strata=strata, salt="s")
    sizes = pd.crosstab(strata, arm)
    assert (sizes["control"] - sizes["treatment"]).abs().max() <= 1
    shuffled = ids.sample(frac=1, random_state=3)
    assert (ab.assign(shuffled, strata=strata[shuffled.index], salt="s").sort_index() == arm).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ids": []}, DataError, "no ids"),
        ({"ids": ["a", None]}, DataError, "1 ids are missing"),
        ({"ids": ["a", "b"], "strata": ["x", "y", "z"]}, DataError, "ids has 2 values, strata 3"),
        ({"ids": ["a", "a"], "strata": ["x", "y"]}, DataError, "'a' stands in two strata"),
        ({"ids": ["a"], "weights": {"control": 1, "treatment": -1}}, ParameterError, "above 0"),
        ({"ids": ["a"], "weights": {"control": 1}}, ParameterError, "two arms or more"),
    ],
)
def test_assign_names_what_is_wrong(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ABTestAnalyzer().assign(**arguments)  # type: ignore[arg-type]


# --- analysis --------------------------------------------------------------------------------------------


def test_a_real_effect_is_found_and_its_direction_decides() -> None:
    outcome, arm, score = experiment(6_000, effect=-0.06, base=0.4)
    ab = ABTestAnalyzer()
    wanted = ab.analyze(outcome, arm, covariate=score, goal="lower")
    assert wanted.decision == "roll out"
    assert wanted.effect.low < -0.06 < wanted.effect.high
    assert wanted.cuped is not None
    assert wanted.effect.standard_error < wanted.unadjusted.standard_error
    assert ab.analyze(outcome, arm, goal="higher").decision == "keep as is"
    assert wanted.wanted_effect > 0
    assert len(wanted.to_frame()) == 2


def test_a_broken_assignment_is_said_loudly_and_nothing_is_decided(caplog: pytest.LogCaptureFixture) -> None:
    outcome, arm, _ = experiment(6_000, effect=0.2)
    keep = (arm == "control") | (np.arange(6_000) % 4 > 0)
    with caplog.at_level(logging.WARNING):
        analysis = ABTestAnalyzer().analyze(outcome[keep], arm[keep])
    assert analysis.decision == "withheld"
    assert not analysis.trustworthy
    assert "SAMPLE RATIO MISMATCH" in analysis.reasons[0]
    assert "SAMPLE RATIO MISMATCH" in caplog.text


def test_planned_shares_are_what_the_arms_are_held_against() -> None:
    rng = np.random.default_rng(5)
    arm = np.where(rng.random(5_000) < 0.1, "treatment", "control")
    outcome = rng.normal(size=5_000)
    ab = ABTestAnalyzer()
    assert ab.analyze(outcome, arm).decision == "withheld"
    assert ab.analyze(outcome, arm, weights={"treatment": 0.1, "control": 0.9}).trustworthy


def test_segments_are_corrected_together_and_small_ones_left_alone() -> None:
    outcome, arm, _ = experiment(4_000, effect=0.08)
    level = np.where(np.arange(4_000) < 40, "tiny", np.where(np.arange(4_000) % 2 == 0, "even", "odd"))
    analysis = ABTestAnalyzer().analyze(outcome, arm, segments=pd.Series(level, name="parity"))
    table = analysis.segments.set_index("level")
    assert (table["p_adjusted"].dropna() >= table["p_value"].dropna()).all()
    assert math.isnan(table.loc["tiny", "p_value"])
    assert "fewer than 30" in table.loc["tiny", "note"]
    assert set(analysis.heterogeneity) == {"parity"}
    assert table[["n_control", "n_treatment"]].to_numpy().sum() == 4_000


def test_missing_segments_are_a_level_of_their_own() -> None:
    outcome, arm, _ = experiment(400)
    level = pd.Series(["a", None], dtype="str").sample(400, replace=True, random_state=0)
    analysis = ABTestAnalyzer().analyze(outcome, arm, segments=level.rename("where"))
    assert analysis.segments["level"].to_list() == ["a", "missing"]


BOTH = ["control", "treatment"] * 50
FINE = [0.0, 1.0] * 50


@pytest.mark.parametrize(
    ("outcome", "arm", "message"),
    [
        (FINE, ["control"] * 100, "No row is in treatment"),
        (FINE, BOTH[:-1], "outcome has 100 rows, arm 99"),
        ([*FINE[:-1], math.nan], BOTH, "outcome has 1 rows of 100 that are not finite"),
        ([*FINE[:-1], math.inf], BOTH, "not finite"),
        (FINE, [*BOTH[:-1], "other"], "got other"),
        (FINE, [*BOTH[:-1], None], "1 rows have no arm"),
    ],
)
def test_analyze_names_what_is_wrong_with_the_rows(
    outcome: list[float], arm: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        ABTestAnalyzer().analyze(outcome, arm)


def test_analyze_names_what_is_wrong_with_the_parameters() -> None:
    ab = ABTestAnalyzer()
    with pytest.raises(DataError, match="covariate 3"):
        ab.analyze(FINE, BOTH, covariate=[1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="segments 2"):
        ab.analyze(FINE, BOTH, segments=pd.Series(["a", "b"]))
    with pytest.raises(ParameterError, match="Known: higher, lower"):
        ab.analyze(FINE, BOTH, goal="up")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="control and treatment"):
        ab.analyze(FINE, BOTH, weights={"a": 1, "b": 1})
    for alpha in (0, 1, -0.1, 5):
        with pytest.raises(ParameterError, match="alpha lies strictly between 0 and 1"):
            ABTestAnalyzer(alpha=alpha).analyze(FINE, BOTH)


def test_value_carries_the_interval_over() -> None:
    outcome, arm, _ = experiment(6_000, effect=-0.06, base=0.4)
    analysis = ABTestAnalyzer().analyze(outcome, arm, goal="lower")
    value = value_of(analysis, rows=1_000, worth=50.0, cost=10.0)
    assert value.break_even == pytest.approx(0.2)
    assert value.per_row == pytest.approx(-analysis.effect.difference * 50 - 10)
    assert value.low < value.per_row < value.high
    assert value.total[0] == pytest.approx(1_000 * value.per_row)
    assert value.pays is False
    assert value_of(analysis, rows=1_000, worth=50.0).pays is True


# --- watching --------------------------------------------------------------------------------------------


def test_a_large_effect_stops_early_and_the_last_look_is_the_analysis() -> None:
    outcome, arm, _ = experiment(6_000, effect=0.15)
    ab = ABTestAnalyzer()
    watched = ab.sequential(outcome, arm, looks=30)
    assert watched.stop_at is not None
    assert watched.stop_at < 6_000
    last = watched.looks.iloc[-1]
    assert last["difference"] == pytest.approx(ab.analyze(outcome, arm).unadjusted.difference)
    assert last["low"] < last["fixed_low"] < last["fixed_high"] < last["high"]
    assert (np.diff(watched.looks["p_value"]) <= 0).all()


def test_sequential_names_what_is_wrong() -> None:
    ab = ABTestAnalyzer()
    with pytest.raises(ParameterError, match="looks is a number of looks"):
        ab.sequential(FINE, BOTH, looks=0)
    with pytest.raises(DataError, match="A look needs 30 rows in each arm"):
        ab.sequential(FINE[:20], BOTH[:20])


def test_one_seed_gives_identical_results() -> None:
    outcome, arm, score = experiment(500, effect=0.05)
    first, second = (ABTestAnalyzer().analyze(outcome, arm, covariate=score) for _ in range(2))
    assert first.effect == second.effect
    ids = [f"C{i}" for i in range(100)]
    assert ABTestAnalyzer(seed=3).assign(ids).equals(ABTestAnalyzer(seed=3).assign(ids))


# --- guarantees ------------------------------------------------------------------------------------------


def simulate(runs: int, n: int, effect: float, looks: int) -> pd.DataFrame:
    """Analyse `runs` experiments: found at all, covered, ever crossed."""
    ab = ABTestAnalyzer()
    rows = []
    for run in range(runs):
        outcome, arm, score = experiment(n, effect, seed=run, base=0.3)
        analysis = ab.analyze(outcome, arm, covariate=score)
        watched = ab.sequential(outcome, arm, looks=looks).looks
        inside = (watched["low"] <= effect) & (effect <= watched["high"])
        rows.append(
            {
                "found": analysis.unadjusted.p_value < 0.05,
                "found_adjusted": analysis.effect.p_value < 0.05,
                "covered": analysis.unadjusted.low <= effect <= analysis.unadjusted.high,
                "covered_adjusted": analysis.effect.low <= effect <= analysis.effect.high,
                "left": not inside.all(),
                "srm": not analysis.trustworthy,
            }
        )
    return pd.DataFrame(rows)


def check_guarantees(runs: int, n: int, looks: int) -> None:
    error = 3.3 * math.sqrt(0.05 * 0.95 / runs)  # a sound rate leaves this band once in 1,000 times
    null = simulate(runs, n, effect=0.0, looks=looks).mean()
    assert null["found"] == pytest.approx(0.05, abs=error)
    assert null["found_adjusted"] == pytest.approx(0.05, abs=error)
    assert null["covered"] == pytest.approx(0.95, abs=error)
    assert null["covered_adjusted"] == pytest.approx(0.95, abs=error)
    assert null["left"] <= 0.05
    assert null["srm"] <= 0.001 + 3.3 * math.sqrt(0.001 / runs)


def test_false_positives_coverage_and_peeking_in_small() -> None:
    check_guarantees(runs=250, n=1_000, looks=20)


@pytest.mark.full
def test_false_positives_coverage_and_peeking() -> None:
    check_guarantees(runs=4_000, n=2_000, looks=50)


@pytest.mark.full
def test_power_is_what_the_design_says_and_the_truth_is_covered() -> None:
    base, effect, runs = 0.3, -0.05, 1_500
    ab = ABTestAnalyzer()
    design = ab.design(base, mde_absolute=effect)
    rng = np.random.default_rng(1)
    shares = {"control": base, "treatment": base + effect}
    sizes = {"control": design.n_control, "treatment": design.n_treatment}
    arm = np.repeat(list(sizes), list(sizes.values()))
    found, covered = 0, 0
    for _ in range(runs):
        outcome = np.concatenate([rng.random(sizes[name]) < shares[name] for name in sizes]).astype(float)
        seen = ab.analyze(outcome, arm, goal="lower").effect
        found += seen.p_value < 0.05
        covered += seen.low <= effect <= seen.high
    assert found / runs == pytest.approx(0.8, abs=3.3 * math.sqrt(0.16 / runs))
    assert covered / runs == pytest.approx(0.95, abs=3.3 * math.sqrt(0.0475 / runs))


# --- the page --------------------------------------------------------------------------------------------


class _Scores:
    """A pipeline whose score is a column of the table."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.column_stack([1 - X["score"], X["score"]])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return X["score"].to_numpy()


def table_problem(tmp_path: Path, **keys: object) -> Problem:
    content = {
        "title": "t",
        "task": "binary",
        "target": "y",
        "positive": 1,
        "id": "id",
        "entity": "customers",
    }
    content |= {"source": {"kind": "csv", "path": "t.csv"}, "entity": "customers", **keys}
    content["outcome"] = "leave"
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in content.items() if value is not None}))
    return load_problem(path)


def scored(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 4, n)
    target = (rng.random(n) < score).astype(int)
    return pd.DataFrame({"id": [f"C{i // 2}" for i in range(n)], "score": score, "y": target})


def toy_model(task: Literal["binary", "regression"] = "binary", threshold: float | None = 0.3) -> Model:
    return Model(cast("Pipeline", _Scores()), task, ("score",), "toy", threshold)


def test_each_id_takes_part_once_at_its_first_row_that_is_acted_on(tmp_path: Path) -> None:
    frame, problem = scored(2_000), table_problem(tmp_path)
    enrolled = trial.enrol(frame, problem, toy_model())
    acted = frame[frame["score"] >= 0.3].drop_duplicates("id")
    assert enrolled.ids.to_list() == acted["id"].to_list()
    assert enrolled.rows["score"].to_list() == acted["score"].to_list()
    assert "takes part once" in enrolled.sentence
    few = trial.enrol(frame, problem, toy_model(threshold=0.99))
    assert "too few for an experiment" in few.sentence
    assert few.selected == 500
    with pytest.raises(DataError, match="no rows"):
        trial.enrol(frame.iloc[:0], problem, toy_model())


def test_a_table_of_ones_own_gets_a_simulated_experiment_that_says_so(tmp_path: Path) -> None:
    frame = scored(4_000)
    problem = table_problem(tmp_path, decision={"benefit": 40.0, "cost": 1.0, "currency": "EUR"})
    model, ab = toy_model(), ABTestAnalyzer()
    enrolled = trial.enrol(frame, problem, model)
    goal = problem.direction
    before = trial.baseline(scored(3_000, seed=1), problem, model, enrolled)
    design = ab.design(before.mean, mde_relative=-0.3, correlation=before.correlation)
    arm = ab.assign(enrolled.ids)
    workspace = Workspace("toy", "quick", tmp_path)
    outcomes = trial.draw_outcomes(enrolled, arm, problem, workspace, model, 0.3, goal, seed=1)
    analysis = ab.analyze(
        outcomes.outcome, arm, covariate=enrolled.score, segments=outcomes.segments, goal=goal
    )
    value = words.worth(problem, analysis, rows=len(arm))
    told = Story(problem, enrolled, outcomes, design, analysis, value)
    assert goal == "lower"
    assert outcomes.true_effect == pytest.approx(-0.3 * enrolled.score.mean())
    assert analysis.decision == "roll out"
    answer = told.answer()
    assert len(answer) == 3
    assert "SIMULATED" in answer[0]
    assert "real experiment" in answer[2]
    assert "simulated" in told.headline()["decision"]
    assert to_json(told.results()) == to_json(told.results())
    assert len(effects_table(told)) == 3


def test_the_retailers_offer_is_recovered(tmp_path: Path) -> None:
    problem = load_problem("churn")
    rng = np.random.default_rng(2)
    n = 6_000
    month = pd.Timestamp("2025-06-30")
    truth = pd.DataFrame({"customer_id": [f"C{i:06d}" for i in range(n)], "snapshot_date": month})
    truth["segment"] = rng.choice(["standard", "family", "premium", "student"], n)
    truth["true_probability"] = rng.uniform(0.3, 0.6, n)
    workspace = Workspace("churn", "quick", tmp_path)
    write_parquet(workspace.processed / "truth.parquet", truth)
    frame = truth[["customer_id", "snapshot_date"]].assign(score=truth["true_probability"])
    model, ab = toy_model(), ABTestAnalyzer()
    enrolled = trial.enrol(frame, problem, model)
    arm = ab.assign(enrolled.ids)
    covered = 0
    for seed in range(25):
        outcomes = trial.draw_outcomes(enrolled, arm, problem, workspace, model, 0.0, "lower", seed)
        seen = ab.analyze(outcomes.outcome, arm, covariate=enrolled.score, goal="lower")
        assert seen.decision == "roll out"
        covered += seen.effect.low <= outcomes.true_effect <= seen.effect.high
    assert covered >= 20  # of 25 at 95 %: fewer once in 1,000 times
    by_level = outcomes.truth.set_index("level")["effect"]
    assert by_level["premium"] < by_level["family"] < by_level["standard"] < by_level["student"] == 0
    assert not outcomes.simulated


def test_a_gain_that_the_interval_rules_out_is_said_to_be_none(tmp_path: Path) -> None:
    outcome, arm, score = experiment(6_000, effect=-0.06, base=0.4)
    problem = table_problem(tmp_path, decision={"benefit": 40.0, "cost": 10.0, "currency": "EUR"})
    analysis = ABTestAnalyzer().analyze(outcome, arm, covariate=score, goal="lower")
    value = words.worth(problem, analysis, rows=6_000)
    enrolled = trial.Enrolment(pd.DataFrame(index=range(6_000)), pd.Series(), score, 6_000, 6_000, None, "")
    truth = pd.DataFrame({"segment": ["all"], "level": ["all"], "effect": [-0.06]})
    outcomes = trial.Outcomes(outcome, pd.DataFrame(), truth, False, "")
    design = ABTestAnalyzer().design(0.4, mde_relative=-0.15)
    told = Story(problem, enrolled, outcomes, design, analysis, value)
    assert told.answer()[0].startswith("No, acting does not pay")
    assert "20.0 points" in told.answer()[2]
    assert "inside" in told.answer()[1]


def test_a_quantity_is_simulated_with_what_the_model_misses(tmp_path: Path) -> None:
    problem = table_problem(tmp_path, task="regression", positive=None)
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"id": [f"C{i}" for i in range(3_000)], "score": rng.gamma(4, 10, 3_000)})
    frame["y"] = frame["score"] + rng.normal(0, 5, 3_000)
    workspace, model = Workspace("toy", "quick", tmp_path), toy_model("regression", None)
    write_parquet(workspace.processed / "test.parquet", frame.head(500))
    ab, enrolled = ABTestAnalyzer(), trial.enrol(frame, problem, model)
    assert enrolled.cutoff is None
    arm = ab.assign(enrolled.ids)
    outcomes = trial.draw_outcomes(enrolled, arm, problem, workspace, model, 0.1, "higher", seed=1)
    analysis = ab.analyze(outcomes.outcome, arm, covariate=enrolled.score, segments=outcomes.segments)
    assert analysis.metric == "mean"
    assert analysis.cuped is not None
    assert analysis.cuped.variance_reduction > 0.8
    assert outcomes.true_effect == pytest.approx(0.1 * frame["score"].mean())
    before = trial.baseline(frame.head(500), problem, model, enrolled)
    design = ab.design(before.mean, 0.1, metric="mean", sd=before.sd, correlation=before.correlation)
    value = words.worth(problem, analysis, rows=len(arm))
    told = Story(problem, enrolled, outcomes, design, analysis, value)
    for made in (
        plots.power_curve(design, len(arm)),
        plots.outcome_by_arm(analysis, "spend"),
        plots.effects(told),
        plots.segments(told),
        plots.sequence(ab.sequential(outcomes.outcome, arm), analysis.metric),
    ):
        assert all(axes.get_title(loc="left") or axes.get_title() for axes in made.axes)
        assert all(axes.get_xlabel() for axes in made.axes)
