"""Formulas: what they mean, what they refuse, and that one row gives what a million give."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation import Formulas, read_formulas
from ml_utils.features.creation.formula.operations import FUNCTIONS, OPERATIONS

NAN = math.nan


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "balance": [90.0, 10.0, np.nan, -5.0],
            "products": [3, 0, 1, 2],
            "plan": ["Gold ", "gold", None, "basic"],
            "joined": ["2024-01-05", "2024-02-29", None, "2023-12-31"],
            "seen": pd.to_datetime(["2024-03-01", "2024-03-01", "2024-03-01", None]),
            "monthly charge": ["1", "2", "x", "4"],
        }
    )


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("balance / products", [30, NAN, NAN, -2.5]),
        ("balance // products", [30, NAN, NAN, -3]),
        ("balance % products", [0, NAN, NAN, 1]),
        ("-balance ** 2 + 1", [-8099, -99, NAN, -24]),
        ("products ** 0.5", [3**0.5, 0, 1, 2**0.5]),
        ("balance ** 0.5", [90**0.5, 10**0.5, NAN, NAN]),
        ("products ** -1", [1 / 3, NAN, 1, 0.5]),
        ("products ** 9 ** 9", [NAN, 0, 1, NAN]),
        ("log(products)", [math.log(3), NAN, 0, math.log(2)]),
        ("exp(balance * 100)", [NAN, NAN, NAN, math.exp(-500)]),
        ("0 < products < 3", [0, 0, 1, 1]),
        ("balance > 0 and products > 0", [1, 0, NAN, 0]),
        ("balance > 0 or products > 0", [1, 1, 1, 1]),
        ("products > 5 and balance > 0", [0, 0, 0, 0]),
        ("not balance > 0", [0, 0, NAN, 1]),
        ("where(products == 0, 0, balance / products)", [30, 0, NAN, -2.5]),
        ("where(balance > 0, 1, 2)", [1, 1, NAN, 2]),
        ("min(balance, products, 2)", [2, 0, NAN, -5]),
        ("max(balance, products)", [90, 10, NAN, 2]),
        ("clip(balance, 0, 50)", [50, 10, NAN, 0]),
        ("coalesce(balance, products)", [90, 10, 1, -5]),
        ("isna(balance) + isna(plan) + isna(joined)", [0, 0, 3, 0]),
        ('plan == "gold"', [1, 1, NAN, 0]),
        ('plan != "gold"', [0, 0, NAN, 1]),
        ('plan in ("gold", "plus")', [1, 1, NAN, 0]),
        ("products not in (0, 1)", [1, 0, 0, 1]),
        ("`monthly charge` * 2", [2, 4, NAN, 8]),
        ('"monthly charge" * 2', [2, 4, NAN, 8]),
        ("days_between(joined, seen)", [56, 1, NAN, NAN]),
        ('days_between("2024-01-01", joined)', [4, 59, NAN, -1]),
        ("year(joined) * 100 + month(joined)", [202401, 202402, NAN, 202312]),
        ("day_of_year(joined)", [5, 60, NAN, 365]),
        ('joined < "2024-01-10"', [1, 0, NAN, 1]),
        ('days_between(coalesce(joined, "2024-01-01"), max(seen, "2024-01-01"))', [56, 1, 60, NAN]),
        ("round(balance / 4)", [22, 2, NAN, -1]),
        ("sign(balance) * sqrt(abs(balance))", [90**0.5, 10**0.5, NAN, -(5**0.5)]),
        ("True + products", [4, 1, 2, 3]),
    ],
)
def test_what_a_formula_means(table: pd.DataFrame, formula: str, expected: list[float]) -> None:
    fitted = Formulas({"new": formula}).fit(table)
    np.testing.assert_allclose(fitted.transform(table)["new"], expected, rtol=1e-14)
    row = fitted.row_function()
    one = [row(values)["new"] for values in table.to_dict("records")]
    np.testing.assert_array_equal(one, fitted.transform(table)["new"])


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        (
            "balance / prodcts",
            DataError,
            r"character 11: there is no column 'prodcts'. Did you mean 'products'",
        ),
        ("1 + lg(balance)", ParameterError, r"character 5: there is no function 'lg'. Did you mean 'log'"),
        ("balance +", ParameterError, "this is no formula"),
        ("balance = 3", ParameterError, "character 9: a comparison is written a == b"),
        ("balance.max()", ParameterError, "there|point has no meaning"),
        ("balance.x + 1", ParameterError, "a point has no meaning here"),
        ("balance[0]", ParameterError, "indices have no meaning here"),
        ("__import__('os').system('true')", ParameterError, "point has no meaning"),
        ("(lambda: 1)()", ParameterError, "Lambda is not allowed"),
        ("[x for x in balance]", ParameterError, "ListComp is not allowed"),
        ("(y := 1)", ParameterError, "NamedExpr is not allowed"),
        ("f'{balance}'", ParameterError, "is not allowed"),
        ("balance if products else 1", ParameterError, "where\\(condition, a, b\\)"),
        ("(balance > 1) & (products > 1)", ParameterError, "write `and` in the place of &"),
        ("~(balance > 1)", ParameterError, "write `not` in the place of ~"),
        ("balance ^ 2", ParameterError, "a power is written a \\*\\* b"),
        ("balance ** 1000", ParameterError, "exponents go from -64 to 64; got 1000"),
        ("9" * 400, ParameterError, "this number is too large"),
        ("1j * balance", ParameterError, "1j is no value of a formula"),
        ("balance == None", ParameterError, "ask isna"),
        ("balance is 1", ParameterError, "`is` has no meaning"),
        ("where(balance, 1)", ParameterError, "used as where\\(condition, a, b\\); got 2 arguments"),
        ("min(*balance)", ParameterError, "used as min"),
        ("`balance", ParameterError, "a backtick without its second one"),
        ("``", ParameterError, "no name between"),
        ("balance\0", ParameterError, "null bytes|this cannot be read|no formula"),
        ("", ParameterError, "a formula is a text"),
        ("-" * 1500 + "1", ParameterError, "more than 100 operations inside each other"),
        ("(" * 150 + "balance" + ")" * 150, None, ""),
        ("balance + " * 300 + "1", ParameterError, "at most 2,000 characters"),
        ("3 + 4", ParameterError, "uses no column"),
        ("plan * 2", DataError, "'plan' is a text column, and a number is needed here"),
        ("plan > 'a'", DataError, "text can be compared by == and != only"),
        ("joined + 1", DataError, "'joined' is a date column"),
        ("days_between(balance, joined)", DataError, "'balance' is a number column, and a date is needed"),
        ("days_between(joined, 3)", DataError, "a date is needed here"),
        ("days_between(joined, '2024-02-30')", DataError, "is no date"),
        ("coalesce(plan, plan) == 'x'", DataError, "text can only be compared; write the column itself"),
        ("isna(min(plan, plan))", DataError, "text can only be compared"),
        ("plan == balance + 1", DataError, "text can only be compared"),
        ("balance == 'much'", DataError, "a number is compared with the text 'much'"),
        ("new + 1", ParameterError, "in a circle: new → new"),
    ],
)
def test_what_a_formula_refuses(
    table: pd.DataFrame, formula: str, error: type[Exception] | None, message: str
) -> None:
    if error is None:
        Formulas({"new": formula}).fit(table)
        return
    with pytest.raises(error, match=message):
        Formulas({"new": formula}).fit(table)


def test_the_error_points_at_the_place_also_behind_other_letters(table: pd.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        Formulas({"new": "`monthly charge` / übrig"}).fit(table)
    lines = str(caught.value).split("\n")
    assert lines[1].index("übrig") == lines[2].index("^")


def test_formulas_use_each_other_in_any_order(table: pd.DataFrame) -> None:
    rules = {"c": "b - a", "b": "a * 2", "a": "balance / products"}
    fitted = Formulas(rules).fit(table)
    made = fitted.transform(table)
    assert made.columns.tolist() == ["c", "b", "a"]
    pd.testing.assert_series_equal(made["c"], made["a"], check_names=False)
    assert fitted.created_[0].sources == ("balance", "products")
    with pytest.raises(ParameterError, match="in a circle: "):
        Formulas({"a": "b + balance", "b": "c", "c": "a"}).fit(table)


def test_a_new_column_does_not_take_an_old_ones_name(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the table has a column 'balance' already"):
        Formulas({"balance": "products + 1"}).fit(table)


def test_columns_of_other_types_later(table: pd.DataFrame) -> None:
    fitted = Formulas({"a": "balance * 2", "d": "month(seen)", "p": "plan == 'gold'"}).fit(table)
    odd = pd.DataFrame(
        {"balance": ["3", "inf", "x"], "seen": ["2024-05-01", "no", 7], "plan": [1.0, None, "GOLD"]}
    )
    np.testing.assert_array_equal(fitted.transform(odd), [[6.0, 5.0, 0.0], [NAN, NAN, NAN], [NAN, NAN, 1.0]])
    with pytest.raises(DataError, match="needs the column 'seen'"):
        fitted.transform(odd.drop(columns="seen"))
    with pytest.raises(DataError, match="The row lacks 'seen'"):
        fitted.row_function()({"balance": 1, "plan": "x"})


def test_columns_that_were_empty_in_training_are_read_as_the_formula_needs_them() -> None:
    empty = pd.DataFrame({"a": [1.0], "plan": [None], "day": [None], "n": [None]})
    rules = {
        "p": "plan == 'gold'",
        "d": "day > '2024-01-01'",
        "n2": "n * 2",
        "e": "n == a",
        "q": "a - isna(plan)",
    }
    fitted = Formulas(rules).fit(empty)
    later = pd.DataFrame({"a": [3.0], "plan": ["Gold"], "day": ["2024-05-01"], "n": ["3"]})
    assert fitted.transform(later).iloc[0].tolist() == [1.0, 1.0, 6.0, 1.0, 3.0]


def test_estimator_manners(table: pd.DataFrame) -> None:
    fitted = Formulas({"a": "where(plan == 'gold', balance, days_between(joined, seen))"}).fit(table)
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.transform(table), fitted.transform(table))
    assert clone(fitted).get_params() == fitted.get_params()
    assert fitted.created_[0].formula == fitted.formulas["a"]
    assert fitted.get_feature_names_out().tolist() == ["a"]


def test_a_file_of_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("balance_per_product: balance / products\nrich: balance > 1000  # EUR\n")
    assert read_formulas(path) == {"balance_per_product": "balance / products", "rich": "balance > 1000"}
    for content, message in {
        "a: b\na: c\n": "'a' stands twice",
        "- a\n": "must hold lines like",
        "a: lg(x)\n": "rules.yaml: Formula 'a', character 1: there is no function 'lg'",
        "a: [1]\n": "a formula is a text",
        "a: `b c` + 1\n": "stands in quotes as a whole",
    }.items():
        path.write_text(content)
        with pytest.raises(ParameterError, match=message):
            read_formulas(path)
    with pytest.raises(ParameterError, match="There is no file of formulas"):
        read_formulas(tmp_path / "none.yaml")


# One row and many: random formulas over random rows ------------------------------------------------------

_NUMBERS = st.one_of(
    st.none(),
    st.floats(width=64),
    st.integers(-5, 5).map(float),
    st.sampled_from([0.5, -0.0, 1e308, -1e308, 5e-324, 700.0, 20.5]),
)
_TEXTS = st.one_of(
    st.none(), st.sampled_from(["gold", "GOLD ", "month-to month", "", "ß", "x"]), st.text(max_size=3)
)
_DATES = st.one_of(
    st.none(),
    st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2200-01-01")).map(
        lambda date: date.replace(microsecond=0).isoformat()
    ),
    st.sampled_from(
        ["2024-02-29", "2024-02-30", "29.02.2024", "now", "", "2024-02-29 10:11:12.5", "12/31/2023"]
    ),
)
_ARITIES = {
    name: operation for name, operation in FUNCTIONS.items() if set(operation.takes) <= {"number", "same"}
}


def _formulas() -> st.SearchStrategy[str]:
    leaves = st.one_of(
        st.sampled_from(["a", "b", "0", "2", "0.5", "-3", "isna(d)", "isna(t)", "t == 'gold'", "t != u"]),
        st.sampled_from(["days_between(d, e)", "d < e", "d >= '2024-01-01'", "year(d)", "day_of_year(e)"]),
        st.sampled_from(["hour(d)", "quarter(coalesce(d, e))", "t in ('gold', 'x')"]),
    )

    def grow(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        signs = [
            name
            for name in OPERATIONS
            if name not in FUNCTIONS and name not in ("same text", "negative", "not")
        ]
        binary = st.tuples(part, st.sampled_from(signs), part).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})")
        calls = st.sampled_from(sorted(_ARITIES)).flatmap(
            lambda name: st.lists(part, min_size=_ARITIES[name].fewest, max_size=_ARITIES[name].fewest).map(
                lambda parts: f"{name}({', '.join(parts)})"
            )
        )
        return st.one_of(binary, calls, part.map(lambda x: f"not ({x})"), part.map(lambda x: f"-({x})"))

    return st.recursive(leaves, grow, max_leaves=8)


_ROWS = st.lists(st.tuples(_NUMBERS, _NUMBERS, _TEXTS, _TEXTS, _DATES, _DATES), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(_formulas(), min_size=1, max_size=4), _ROWS)
def test_one_row_gives_what_many_give(formulas: list[str], rows: list[tuple[object, ...]]) -> None:
    _check(formulas, rows)


@pytest.mark.full
@settings(max_examples=500, deadline=None)
@given(st.lists(_formulas(), min_size=1, max_size=4), _ROWS)
def test_one_row_gives_what_many_give_five_hundred_times(
    formulas: list[str], rows: list[tuple[object, ...]]
) -> None:
    _check(formulas, rows)


def _check(formulas: list[str], rows: list[tuple[object, ...]]) -> None:
    """Bit for bit: the fast evaluator of one row, one row as a table, and the row among others."""
    known = pd.DataFrame(
        {
            "a": [1.0],
            "b": [2.0],
            "t": ["gold"],
            "u": ["x"],
            "d": ["2024-01-01"],
            "e": ["2024-01-01T10:00:00"],
        }
    )
    fitted = Formulas({f"n{i}": f"({text}) + 0 * a" for i, text in enumerate(formulas)}).fit(known)
    table = pd.DataFrame(rows, columns=list("abtude")).astype(
        {"a": float, "b": float, **dict.fromkeys("tude", object)}
    )
    batch = fitted.transform(table)
    assert not np.isinf(batch.to_numpy()).any()
    row = fitted.row_function()
    for i, values in enumerate(table.to_dict("records")):
        np.testing.assert_array_equal(list(row(values).values()), batch.iloc[i].to_numpy())
        np.testing.assert_array_equal(
            fitted.transform(table.iloc[[i]]).to_numpy()[0], batch.iloc[i].to_numpy()
        )


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40) | st.text("abc()+-*/<>=!&|~^.,:;[]{}`'\"0123456789eE_ \\\n#@", max_size=40))
def test_any_text_is_a_formula_or_an_error_that_says_so(text: str) -> None:
    try:
        Formulas({"new": text}).fit(pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]}))
    except (ParameterError, DataError) as error:
        assert "ormula 'new'" in str(error)  # noqa: PT017
