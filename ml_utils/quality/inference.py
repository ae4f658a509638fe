"""Rules inferred from a reference table, which may itself hold some of what the rules are to find."""

from __future__ import annotations

import datetime as dt
import logging

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.features.cleaning import usual_spelling
from ml_utils.paths import Workspace
from ml_utils.problem import Problem
from ml_utils.quality.enforcement import enforce, prepare
from ml_utils.quality.patterns import find_pattern
from ml_utils.quality.ranges import find_bounds
from ml_utils.quality.relations import find_relations
from ml_utils.quality.rules import About, ColumnRule, Relation, Rules, TableRule, rules_path
from ml_utils.quality.timeliness import find_rhythm
from ml_utils.quality.values import dates, kind_of, numbers, texts

log = logging.getLogger(__name__)
MIN_ROWS = 50  # fewer rows give types only
MAX_ROWS = 30_000  # rows that relations are looked for in


def infer_rules(frame: pd.DataFrame, problem: Problem, seed: int = 42) -> Rules:
    """Infer the rules that a reference table keeps, but for a few wrong values that stand apart.

    Parameters
    ----------
    frame : DataFrame
        Reference rows: the training split.
    problem : Problem
    seed : int
        For the sample that relations are looked for in (30,000 rows at most), and for shuffling.

    Returns
    -------
    Rules

    Raises
    ------
    DataError
        If the table has no rows.
    """
    if frame.empty:
        raise DataError("The reference table has no rows; rules are inferred from rows. Bring some.")
    frame = frame.loc[:, ~frame.columns.duplicated()]
    rows_each = len(frame) / max(frame[problem.id].nunique(), 1) if problem.id in frame.columns else 1.0
    columns = {str(name): _column_rule(frame[name], problem, rows_each) for name in frame.columns}
    table = TableRule(key=_key(frame, problem), time=find_rhythm(frame, problem))
    rules = Rules(about=About(problem=problem.name, rows=len(frame)), table=table, columns=columns)
    if len(frame) >= MIN_ROWS:
        rules = rules.model_copy(update={"relations": _relations(frame, rules, problem, seed)})
    about = About(problem=problem.name, rows=len(frame), inferred=rules.hash)
    return rules.model_copy(update={"about": about})


def load_or_infer(workspace: Workspace, frame: pd.DataFrame, problem: Problem, seed: int = 42) -> Rules:
    """Return the rules that a person edited, or infer them and write them for the next table.

    A file that nobody edited follows from the reference rows alone, so it is written anew when they change;
    an edited one is read and never written.

    Raises
    ------
    RuleError
        If the file is there and cannot be read.
    """
    path = rules_path(workspace)
    if path.is_file():
        found = Rules.read(path)
        if found.edited:
            log.info("rules read from %s, which was edited", path.name)
            return found
    rules = infer_rules(frame, problem, seed)
    rules.write(path)
    return rules


def _column_rule(column: pd.Series, problem: Problem, rows_each: float) -> ColumnRule:
    name = str(column.name)
    kind = kind_of(column, name in problem.columns.categorical or _is_label(column, problem))
    few = len(column) < MIN_ROWS
    rule = ColumnRule(type=kind, missing=1.0 if few else _may_be_missing(column))
    named = {problem.id, problem.group, problem.time}
    changes: dict[str, object] = {}
    if kind in ("number", "whole number") and name not in {*named, problem.target}:
        bounds = find_bounds(numbers(column), kind == "whole number", rows_each)
        changes["range"] = (bounds.low, bounds.high) if bounds and not few else None
    elif kind == "date" and name not in named:
        changes["between"] = None if few else _between(column)
    elif kind == "category" and name not in {problem.id, problem.group}:
        changes["values"] = list(usual_spelling(texts(column)).values())
    elif kind == "text" and name not in problem.columns.text:
        changes["pattern"] = find_pattern(column)
    return rule.model_copy(update=changes)


def _is_label(column: pd.Series, problem: Problem) -> bool:
    return problem.task == "binary" and str(column.name) == problem.target


def _may_be_missing(column: pd.Series) -> float:
    """Return the share that may be missing: twice that of the reference and a point; three in n for none."""
    share = float(column.isna().mean())
    allowed = (
        max(3 / len(column), 0.0001) if share == 0 else 2 * share + 0.01
    )  # rule of three: 95 % bound of a rate
    return min(float(f"{allowed:.2g}"), 1.0)


def _between(column: pd.Series) -> tuple[dt.date, dt.date] | None:
    found = dates(column).dropna()
    if found.empty:
        return None
    days = (found - pd.Timestamp(0)).dt.total_seconds().to_numpy() / 86400
    bounds = find_bounds(days)
    assert bounds is not None
    width = bounds.seen_high - bounds.seen_low
    low, high = bounds.seen_low - width - 1, bounds.seen_high + 3 * width + 1  # time goes on
    start = pd.Timestamp(0)
    return (start + pd.Timedelta(days=low)).date(), (start + pd.Timedelta(days=high)).date()


def _key(frame: pd.DataFrame, problem: Problem) -> list[str]:
    return (
        [name for name in (problem.id, problem.time) if name and name in frame.columns] if problem.id else []
    )


def _relations(frame: pd.DataFrame, rules: Rules, problem: Problem, seed: int) -> list[Relation]:
    rng = np.random.default_rng(seed)
    if len(frame) > MAX_ROWS:
        frame = frame.iloc[np.sort(rng.choice(len(frame), MAX_ROWS, replace=False))]
    prepared = prepare(frame, rules.columns)
    clean = prepared.clean.copy(deep=False)
    for (check, name), rows in enforce(prepared, rules).items():
        if check != "misspelt":
            clean[name] = clean[name].mask(rows)
    used = {
        name: rule.type
        for name, rule in rules.columns.items()
        if name != problem.target and name not in problem.columns.text
    }
    unique = {name for name in (problem.time,) if name}
    unique |= {name for name in used if clean[name].is_unique}
    return find_relations(clean, used, unique, seed)
