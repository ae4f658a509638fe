"""The slice finder: what is planted comes first, a right model is left in peace."""

from __future__ import annotations

import json
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_slices import Table, agreement, make
from scipy import stats

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.failures import Slices, find_slices
from ml_utils.evaluation.failures.banding import MISSING, band_columns
from ml_utils.evaluation.failures.cells import Cells, draw_null
from ml_utils.evaluation.failures.recalibration import recalibrate
from ml_utils.evaluation.failures.row_scores import BinaryScores, RegressionScores
from ml_utils.files import to_json

PLANTED = {"number2", "region"}
quick = partial(find_slices, n_null=39)


def _search(table: Table, task: str = "binary", n_null: int = 39) -> Slices:
    return find_slices(table.X, table.y, table.score, task, n_null=n_null)


def _is_first(found: Slices, table: Table) -> bool:
    return bool(found.found) and agreement(found.found[0].mask(table.X), table.wrong) >= 0.5


# what is planted


@pytest.mark.parametrize(
    ("task", "fault", "kind"),
    [
        ("binary", "mixed", "scores too far apart for what they tell"),
        ("binary", "too low", "scores too low"),
        ("binary", "too high", "scores too high"),
        ("regression", "mixed", "errors larger than elsewhere"),
        ("regression", "too low", "predictions too low"),
    ],
)
def test_a_planted_slice_of_two_columns_comes_first(task: str, fault: str, kind: str) -> None:
    for seed in (1, 2):
        table = make(seed, task, fault, 1.5 if task == "binary" else 1.0, n_columns=6)
        found = _search(table, task)
        assert _is_first(found, table)
        assert set(found.found[0].columns) == PLANTED
        assert found.found[0].kind == kind
        assert found.sentence().startswith("The model is wrong where")


def test_two_planted_slices_are_both_found_once() -> None:
    table = make(3, fault="too low", effect=2.0, n_columns=6)
    other = ((table.X["group1"] == "b") & (table.X["group3"] == "a")).to_numpy()
    odds = table.score / (1 - table.score) * np.where(other, 4.0, 1.0)
    found = find_slices(table.X, table.y, odds / (1 + odds), n_null=39)
    assert len(found.found) == 2
    assert {frozenset(item.columns) for item in found.found} == {
        frozenset(PLANTED),
        frozenset({"group1", "group3"}),
    }


def test_a_fault_of_one_column_is_told_by_one_column() -> None:
    table = make(4, n_columns=6)
    wrong = (table.X["region"] == "west").to_numpy()
    score = np.where(wrong, table.score * 0.6, table.score)
    found = quick(table.X, table.y, score)
    assert str(found.found[0]) == "region = west"


def test_bands_that_touch_are_joined() -> None:
    table = make(5, n_columns=6)
    wrong = (table.X["number2"] >= table.X["number2"].quantile(0.6)).to_numpy()
    found = quick(table.X, table.y, np.where(wrong, table.score * 0.6, table.score))
    assert found.found[0].columns == ("number2",)
    assert agreement(found.found[0].mask(table.X), wrong) > 0.95


def test_a_column_twice_gives_one_finding() -> None:
    table = make(6, fault="mixed", n_columns=6)
    twice = table.X.assign(copy=table.X["region"])
    assert len(quick(twice, table.y, table.score).found) == 1


# what is right


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_right_model_is_left_in_peace(task: str) -> None:
    found = [bool(_search(make(s, task, n=1000, n_columns=4), task).found) for s in range(30)]
    assert sum(found) <= stats.binom.ppf(0.999, 30, 0.05)


def test_a_slice_that_is_hard_to_tell_is_not_held_against_the_model() -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"plan": rng.choice(["a", "b"], 6000, p=[0.9, 0.1]), "age": rng.normal(50, 9, 6000)})
    p = np.where(X["plan"] == "b", 0.5, 0.03)  # the loss is five times that of the rest
    assert not quick(X, (rng.random(6000) < p).astype(int), p).found


def test_a_model_off_by_the_same_everywhere_has_no_slice() -> None:
    table = make(7, n=5000, n_columns=4)
    odds = 3 * table.score / (1 - table.score)
    found = quick(table.X, table.y, odds / (1 + odds))
    assert not found.found
    assert found.overall["intercept"] == pytest.approx(-np.log(3), abs=0.15)
    assert "none was shown" in found.sentence()


def test_errors_that_grow_with_the_prediction_have_no_slice() -> None:
    found = [
        _search(make(s, "regression", n=3000, n_columns=4, noise="skewed"), "regression") for s in range(8)
    ]
    assert sum(bool(item.found) for item in found) <= 3


# the statistic


def test_the_statistic_is_the_score_test_of_an_own_intercept_and_slope() -> None:
    """Against statsmodels' GLMResults.score_test; the correction for skew set to zero."""
    import statsmodels.api as sm

    table = make(8, fault="mixed", n=3000, n_columns=4)
    z = np.clip(np.log(table.score / (1 - table.score)), -4, 4)
    base = sm.GLM(table.y, sm.add_constant(z), sm.families.Binomial()).fit(tol=1e-14)
    cells = Cells(band_columns(table.X)[0])
    scores = BinaryScores(table.y.astype(float), base.fittedvalues)
    sums, moments = cells.sums(scores)
    moments[4:] = 0
    bias, rest = scores.judge(sums, moments, scores.scores.sum(axis=1))
    h = np.log(base.fittedvalues / (1 - base.fittedvalues))
    for family in (cells.family_of[(0,)], cells.family_of[(1, 4)]):
        inside = (cells.codes(family) == 2).astype(float)
        expected = base.score_test(exog_extra=np.column_stack([inside, inside * h]))[0]
        mine = (bias + rest)[family.start + 2]
        assert mine == pytest.approx(float(np.ravel(expected)[0]), rel=1e-6)


def test_drawn_sums_by_matrix_products_are_the_counted_ones() -> None:
    table = make(9, n=500, n_columns=4)
    cells = Cells(band_columns(table.X)[0])
    scores = BinaryScores(table.y.astype(float), table.score)
    drawn = scores.draw(3, np.random.default_rng(1))
    made = cells.drawn_sums(drawn, np.arange(500))
    for family in cells.families:
        counted = np.bincount(cells.codes(family), weights=drawn[:, 4], minlength=int(np.prod(family.shape)))
        assert np.allclose(made[1, family.cells, 1], counted, atol=1e-3)


def test_shuffled_errors_have_the_variance_that_the_statistic_divides_by() -> None:
    table = make(10, "regression", n=1000, n_columns=4)
    cells = Cells(band_columns(table.X)[0])
    scores = RegressionScores(table.y - table.score, table.score)
    drawn = scores.draw(600, np.random.default_rng(1))
    _, moments = cells.sums(scores)
    enough = moments[0] >= 30
    bias, _ = scores.judge(cells.drawn_sums(drawn, np.arange(1000)), moments, np.zeros((2, 600)))
    assert bias[enough].mean() == pytest.approx(1.0, abs=0.02)


def test_few_positives_do_not_stand_out_by_their_skew() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame({f"c{j}": rng.integers(0, 12, 4000).astype("str") for j in range(4)})
    p = np.full(4000, 0.01)
    cells = Cells(band_columns(X)[0])
    null = draw_null(cells, BinaryScores((rng.random(4000) < p) * 1.0, p), 0.0075, 199, rng)
    assert (
        np.quantile(null.largest, 0.95) < 2 * np.log(2 / 0.05) + 3
    )  # what independent chi-squares would give


def test_recalibration_agrees_with_a_logistic_regression() -> None:
    import statsmodels.api as sm

    table = make(11, n=20_000)
    score = table.score**2
    z = np.log(score / (1 - score))
    fitted = sm.Logit(table.y, sm.add_constant(z)).fit(disp=0)
    _, intercept, slope = recalibrate(table.y.astype(float), score)
    assert [intercept, slope] == pytest.approx(list(fitted.params), abs=0.005)


# columns


def test_columns_become_levels() -> None:
    n = 400
    rng = np.random.default_rng(2)
    X = pd.DataFrame(
        {
            "id": [f"K{i}" for i in range(n)],
            "row_id": np.arange(n) + 1000,
            "note": [f"the customer said {i}" for i in range(n)],
            "fixed": 1.0,
            "empty": np.nan,
            "spend": np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 20, n)),
            "children": rng.integers(0, 4, n),
            "city": rng.choice([f"city {i}" for i in range(40)], n),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"),
            "auto": rng.random(n) < 0.5,
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.normal(50_000, 9000, n)),
        }
    )
    columns, left_out = band_columns(X, minimum_rows=12)
    named = {column.name: column for column in columns}
    assert set(left_out) == {"id", "row_id", "note", "fixed", "empty"}
    assert "names rows" in left_out["id"]
    assert named["children"].labels == ("0", "1", "2", "3")
    assert named["children"].phrase(1, 2) == "children 1 to under 3"
    assert named["children"].phrase(1, 1) == "children = 1"
    assert (X["spend"][named["spend"].codes == 0] == 0).all()  # the mass at zero is a band of its own
    assert "(all others)" in named["city"].labels
    assert named["income"].labels[-1] == MISSING
    assert named["income"].phrase(5, 5) == "income missing"
    assert named["since"].labels[0].startswith("before 2024-")
    for column in columns:
        assert (column.encode(X[column.name]) == column.codes).all(), column.name
    unseen = named["city"].encode(pd.Series(["Atlantis"]))
    assert unseen[0] == named["city"].labels.index("(all others)")
    assert named["auto"].encode(pd.Series(["maybe"]))[0] == -1


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(0.0) | st.just(float("nan")), min_size=1, max_size=60))
def test_bands_keep_the_order_of_numbers(values: list[float]) -> None:
    columns, left_out = band_columns(pd.DataFrame({"x": values}), bands=4)
    if not columns:
        assert left_out["x"] in ("no values", "one value only")
        return
    column, x = columns[0], np.array(values)
    known = ~np.isnan(x)
    order = np.argsort(x[known], kind="stable")
    assert (np.diff(column.codes[known][order]) >= 0).all()
    assert column.codes.max() < len(column.labels)
    assert (column.encode(pd.Series(values, dtype=float)) == column.codes).all()


# what comes back


def test_figures_and_masks_are_of_the_same_rows() -> None:
    table = make(3, fault="too low", effect=2.0, n_columns=6)
    found = _search(table)
    first = found.found[0]
    inside = first.mask(table.X)
    assert first.figures["rows"] == inside.sum()
    assert first.figures["observed"] == pytest.approx(table.y[inside].mean())
    assert first.figures["gap_lower"] < first.figures["gap"] < first.figures["gap_upper"]
    assert first.figures["gap_lower"] > 0
    assert (inside == found.masks(table.X)[0]).all()
    kept = json.loads(to_json(found.results()))
    assert kept["slices"]
    assert "observed" in found._repr_html_()


def test_the_same_seed_gives_the_same_answer() -> None:
    table = make(12, fault="mixed", n=3000, n_columns=4)
    assert to_json(_search(table).results()) == to_json(_search(table).results())


def test_other_rows_confirm_a_real_slice() -> None:
    first, second = (make(s, fault="too low", effect=1.5, n_columns=6) for s in (1, 2))
    found = _search(first)
    again = found.confirm(second.X, second.y, second.score)
    assert again["confirmed"].tolist()[0] is True
    right = make(3, n_columns=6)
    assert found.confirm(right.X, right.y, right.score)["confirmed"].tolist()[0] is False


def test_one_row_a_group_is_searched() -> None:
    table = make(1, fault="mixed", n_columns=4)
    who = pd.Series(np.arange(10_000) // 2)
    assert quick(table.X, table.y, table.score, groups=who).n_rows == 5000


# bad input


def test_bad_input_is_named() -> None:
    table = make(1, n=400, n_columns=4)
    X, y, p = table.X, table.y, table.score
    with pytest.raises(DataError, match="no rows to judge"):
        find_slices(X.iloc[:0], [], [])
    with pytest.raises(DataError, match="1 of 400 values of the score are NaN"):
        find_slices(X, y, np.where(np.arange(400) == 3, np.nan, p))
    with pytest.raises(DataError, match="X has 399 rows and y 400"):
        find_slices(X.iloc[1:], y, p)
    with pytest.raises(DataError, match="Probabilities lie between 0 and 1"):
        find_slices(X, y, p * 2)
    with pytest.raises(ParameterError, match="minimum_support is 500 and the table has 400 rows"):
        find_slices(X, y, p, minimum_support=500)
    with pytest.raises(ParameterError, match="one against the rest"):
        find_slices(X, y, p, task="multiclass")
    with pytest.raises(ParameterError, match="19 drawn tables or more"):
        find_slices(X, y, p, n_null=10)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        find_slices(X, y, p, alpha=5)
    with pytest.raises(DataError, match="groups has 3 rows"):
        find_slices(X, y, p, groups=pd.Series([1, 2, 3]))


def test_what_cannot_be_searched_says_why() -> None:
    table = make(1, n=400, n_columns=4)
    one_class = quick(table.X, np.zeros(400), table.score)
    assert one_class.sentence().startswith("No slices were searched: every outcome is 0")
    assert one_class.to_frame().empty
    fixed = quick(pd.DataFrame({"a": ["x"] * 400}), table.y, table.score)
    assert "no column can be divided" in fixed.sentence()
    assert fixed.left_out == {"a": "one value only"}
    few = quick(table.X.iloc[:40], table.y[:40], table.score[:40])
    assert "no slice has 30 rows" in few.sentence()
    flawless = find_slices(table.X, table.score, table.score, "regression")
    assert "all errors are equal" in flawless.sentence()


def test_sure_and_wrong_scores_are_no_error() -> None:
    table = make(1, n=400, n_columns=4)
    assert quick(table.X, table.y, (table.score > 0.5).astype(float)).n_searched > 0
    assert not quick(table.X, table.y, np.full(400, 0.5)).reason


# the rates themselves


@pytest.mark.full
@pytest.mark.parametrize(
    ("task", "options"),
    [("binary", {}), ("binary", {"rate": 0.05}), ("regression", {}), ("regression", {"noise": "t3"})],
)
def test_a_right_model_shows_a_slice_in_five_percent_of_tables(task: str, options: dict[str, object]) -> None:
    found = [_search(make(s, task, n=1200, n_columns=4, **options), task, 99).found for s in range(400)]
    assert sum(map(bool, found)) <= stats.binom.ppf(0.995, 400, 0.05)


@pytest.mark.full
@pytest.mark.parametrize(
    ("task", "fault", "effect"),
    [
        ("binary", "mixed", 0),
        ("binary", "too low", 1.5),
        ("regression", "mixed", 0),
        ("regression", "too low", 1),
    ],
)
def test_the_planted_slice_is_first_in_nearly_all_tables(task: str, fault: str, effect: float) -> None:
    first = []
    for seed in range(40):
        table = make(seed, task, fault, effect, n_columns=6)
        first.append(_is_first(_search(table, task, 99), table))
    assert np.mean(first) >= 0.95


@pytest.mark.full
def test_the_interval_of_a_found_slice_holds_after_the_search() -> None:
    """The gap's true value is the mean of true less claimed probability; ordinary intervals would miss it."""
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({f"c{j}": rng.choice(list("abcde"), 2000) for j in range(5)})
        places = [np.searchsorted(list("abcde"), X[name]) for name in ("c0", "c1")]
        true = np.clip(0.3 + 0.12 * rng.normal(size=(5, 5))[places[0], places[1]], 0.02, 0.98)
        found = find_slices(X, rng.random(2000) < true, np.full(2000, 0.3), n_null=99)
        for item in found.found[:1]:
            inside = item.mask(X)
            held.append(item.figures["gap_lower"] <= (true[inside] - 0.3).mean() <= item.figures["gap_upper"])
    assert len(held) > 50
    assert np.mean(held) >= 0.93


@pytest.mark.full
def test_a_large_table_takes_seconds() -> None:
    table = make(0, n=100_000, n_columns=29)
    start = time.process_time()
    found = _search(table, n_null=199)
    assert found.n_searched > 5000
    assert time.process_time() - start < 20  # about 4 s where nothing else runs; OpenMP waits aloud elsewhere
