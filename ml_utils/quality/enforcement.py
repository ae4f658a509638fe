"""Rules held against a table: values brought into one form, then a pandera schema that marks every row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_utils.errors import RuleError
from ml_utils.quality.relations import broken
from ml_utils.quality.rules import ColumnRule, Relation, Rules
from ml_utils.quality.values import dates, numbers, texts
from ml_utils.words import normal_form, word

if TYPE_CHECKING:
    import pandera.pandas as pa

Marks = dict[tuple[str, str], np.ndarray]  # (check, column or relation) to the rows, as bool


@dataclass(frozen=True)
class Prepared:
    """A table in the form that rules are held to.

    `clean` has numbers as float64, categories in their usual spelling and dates as dates, indexed from 0;
    `marks` the values that had to be made empty or spelt anew for that.
    """

    clean: pd.DataFrame
    marks: Marks


def prepare(frame: pd.DataFrame, columns: Mapping[str, ColumnRule]) -> Prepared:
    """Bring the columns that have a rule into the form that the rule's type says.

    Parameters
    ----------
    frame : DataFrame
        Raw rows; columns without a rule are left out.
    columns : mapping of str to ColumnRule

    Returns
    -------
    Prepared
    """
    clean: dict[str, pd.Series] = {}
    marks: Marks = {}
    for name, rule in columns.items():
        if name in frame.columns:
            clean[name], found = _PREPARE[rule.type](frame[name].reset_index(drop=True), rule)
            marks |= {(check, name): rows for check, rows in found.items() if rows.any()}
    return Prepared(pd.DataFrame(clean, index=pd.RangeIndex(len(frame))), marks)


def enforce(prepared: Prepared, rules: Rules) -> Marks:
    """Hold a table to rules.

    Parameters
    ----------
    prepared : Prepared
    rules : Rules

    Returns
    -------
    dict of (str, str) to ndarray of bool, shape (n_rows,)
        The check's name and its column, or the relation in words, to the rows that break it.

    Raises
    ------
    RuleError
        If a relation cannot be computed from the columns that it names.
    """
    here = [relation for relation in rules.relations if set(relation.columns) <= set(prepared.clean.columns)]
    marks = prepared.marks | _validate(prepared.clean, rules.model_copy(update={"relations": []}))
    plausible = prepared.clean.copy(deep=False)
    for (check, name), rows in marks.items():
        if check == "out of range":  # found already: the relation would only say it again
            plausible[name] = plausible[name].mask(rows)
    return marks | _validate(plausible, rules.model_copy(update={"columns": {}, "relations": here}))


def _validate(clean: pd.DataFrame, rules: Rules) -> Marks:
    from pandera.errors import SchemaErrors

    marks: Marks = {}
    try:
        schema(rules).validate(clean, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            if error.check_output is None:
                raise RuleError(
                    f"The rule {error.check} cannot be held against the table: {error}"
                ) from error
            passed = error.check_output.reindex(clean.index, fill_value=True)
            column = error.check.name in _ONE_COLUMN
            check = str(error.check.name) if column else "relation broken"
            place = str(error.schema.name) if column else str(error.check.name)
            marks[check, place] = ~passed.to_numpy(bool)
    return marks


def schema(rules: Rules) -> pa.DataFrameSchema:
    """Return rules as a pandera schema for a table that `prepare` made.

    Parameters
    ----------
    rules : Rules

    Returns
    -------
    pandera.pandas.DataFrameSchema
        How many values may be missing is a share, not a rule for a row, and is not part of it.
    """
    import pandera.pandas as pa

    columns = {
        name: pa.Column(None, _checks(rule), nullable=True, required=False)
        for name, rule in rules.columns.items()
    }
    across = [
        pa.Check(partial(_kept, relation), name=relation.words, ignore_na=False, n_failure_cases=1)
        for relation in rules.relations
    ]
    return pa.DataFrameSchema(columns, checks=across, name=rules.about.problem or None)


def _kept(relation: Relation, clean: pd.DataFrame) -> pd.Series:
    return pd.Series(~broken(relation, clean), index=clean.index)


def _checks(rule: ColumnRule) -> list[pa.Check]:
    from pandera.pandas import Check

    checks = []
    low, high = rule.range or rule.between or (None, None)
    if rule.between:
        low = None if low is None else pd.Timestamp(low)
        high = None if high is None else pd.Timestamp(high) + pd.Timedelta(days=1)
    options: Any = {"name": "out of range", "n_failure_cases": 1}
    if low is not None and high is not None:
        checks.append(Check.in_range(low, high, **options))
    elif low is not None or high is not None:
        checks.append(Check.ge(low, **options) if high is None else Check.le(high, **options))
    known = rule.values  # noqa: PD011
    if known is not None:
        checks.append(Check.isin(known, name="unseen value", n_failure_cases=1))
    if rule.pattern is not None:
        whole = rf"(?:{rule.pattern})\Z"
        checks.append(Check(partial(_fits, whole), name="odd pattern", n_failure_cases=1))
    return checks


def _fits(pattern: str, column: pd.Series) -> pd.Series:
    # Plain Python expressions on distinct values: Arrow's know no lookaheads.
    codes, distinct = pd.factorize(column)
    fits = re.compile(pattern).match
    good = np.array([*(fits(value) is not None for value in distinct), True])
    return pd.Series(good[codes], index=column.index)


_ONE_COLUMN = ("out of range", "unseen value", "odd pattern")


def _number(column: pd.Series, rule: ColumnRule) -> tuple[pd.Series, dict[str, np.ndarray]]:
    values = numbers(column)
    infinite = np.isinf(values)
    unread = np.isnan(values) & column.notna().to_numpy()
    values = np.where(infinite, np.nan, values)
    found = {"wrong type": unread, "infinite": infinite}
    if rule.type == "whole number":
        with np.errstate(invalid="ignore"):
            found["not whole"] = values - np.floor(values) > 0
    return pd.Series(values, index=column.index, name=column.name), found


def _date(column: pd.Series, rule: ColumnRule) -> tuple[pd.Series, dict[str, np.ndarray]]:
    read = dates(column)
    return read, {"wrong type": (read.isna() & column.notna()).to_numpy()}


def _text(column: pd.Series, rule: ColumnRule) -> tuple[pd.Series, dict[str, np.ndarray]]:
    return texts(column), {}


def _category(column: pd.Series, rule: ColumnRule) -> tuple[pd.Series, dict[str, np.ndarray]]:
    usual: dict[str, str] = {}
    known_values = rule.values or []  # noqa: PD011
    for value in known_values:
        usual.setdefault(normal_form(value), value)
    allowed = set(known_values)
    codes, distinct = pd.factorize(texts(column))
    words, rare = [], []
    for value in distinct:
        written = _written(value)
        known = written if written in allowed else usual.get(normal_form(value))
        words.append(word(value) if known is None else known)
        rare.append(known is not None and known != written)
    values = pd.array([*words, None], dtype="str")[codes]
    return pd.Series(values, index=column.index, name=column.name), {
        "misspelt": np.array([*rare, False])[codes]
    }


def _written(value: str) -> str:
    """Return a value as it stands in the table, outer blanks and all; truth values in small letters."""
    return word(value) if word(value) in ("true", "false") else value


_PREPARE: dict[str, Callable[[pd.Series, ColumnRule], tuple[pd.Series, dict[str, np.ndarray]]]] = {
    "number": _number,
    "whole number": _number,
    "date": _date,
    "category": _category,
    "text": _text,
}
