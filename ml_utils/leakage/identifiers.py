"""Identifiers: those in the order of the target, and those that stand among the features."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.leakage.columns import MIN_EVENTS, View, text_views
from ml_utils.leakage.report import Certainty, LeakFinding
from ml_utils.leakage.sample import Array, Looked, finite
from ml_utils.leakage.strength import strength
from ml_utils.wording import figure, percent

SURE: Final = 0.95
SUSPECT: Final = 0.85
ROW_ORDER: Final = "rows of train"
_NAMED: Final = re.compile(
    r"(?i)(^|[^a-z])(id|uuid|guid|key|nr|no|number|index|row)($|[^a-z])|[a-z](ID|Id|Nr)$"
)


def check_identifiers(looked: Looked) -> list[LeakFinding]:
    """Find ids that were given in the order of the target, and ids among the features."""
    if looked.binary and min(looked.y.sum(), (1 - looked.y).sum()) < MIN_EVENTS:
        return []
    found: list[LeakFinding] = []
    named = {name for name in (looked.problem.id, looked.problem.group) if name and name in looked.frame}
    for name in sorted(named | {column for column in looked.columns if names_rows(column, looked)}):
        ordered = _in_order_of_target(name, looked)
        found += ordered
        if not ordered and looked.used(name) and name not in named:
            found.append(_among_features(name, looked))
    if looked.problem.time is None:
        found += _row_order(looked)
    return found


def names_rows(column: str, looked: Looked) -> bool:
    """Whether a column's values name rows: nearly all different, as text, a plain count, or by its name."""
    values = looked.train[column]
    distinct = int(values.nunique())
    if column in looked.dates or distinct < 0.5 * len(values):
        return False
    if not pd.api.types.is_numeric_dtype(values):
        return distinct > 100
    x = finite(values)
    x = x[np.isfinite(x)]
    if not np.all(x == np.round(x)):
        return False
    is_count = distinct > 0.99 * len(x) and np.ptp(x) < 20 * len(x)
    return bool(is_count or _NAMED.search(column))


def _in_order_of_target(name: str, looked: Looked) -> list[LeakFinding]:
    values = looked.frame[name]
    if pd.api.types.is_numeric_dtype(values):
        views = [View(name, "its number", finite(values), False, "")]
    else:
        alphabet = pd.factorize(values, sort=True)[0].astype(float)
        views = [View(name, "its place in the alphabet", alphabet, False, ""), *text_views(name, values)]
    best, label = 0.0, ""
    for view in views:
        measured = strength(view.x, looked.y, looked.fold, looked.binary, view.category)
        if measured.surely > best:
            best, label = (
                measured.surely,
                f"{view.label} alone reaches {_what(looked)} {figure(measured.value)}",
            )
    if best < SUSPECT and values.is_unique:
        # Neighbours by number share their answer: blocks that are too small for a curve to follow.
        alike = _neighbours_alike(views[0].x, looked.y)
        if alike >= 0.6:
            best, label = (
                0.9,
                f"rows next to one another by it share their answer (correlation {figure(alike)})",
            )
    if best < SUSPECT:
        return []
    certainty: Certainty = "leak" if best >= SURE else "suspect"
    used = looked.used(name)
    advice = (
        "Leave it out" if used else "It is no feature; keep it so, and ask how the table was put together"
    )
    kind = "an identifier in the order of the target"
    return [LeakFinding(name, kind, certainty, label, best, f"{advice}.", used=used)]


def _neighbours_alike(x: Array, y: Array) -> float:
    order = np.argsort(x, kind="stable")
    first, second = y[order][:-1], y[order][1:]
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else 0.0


def _row_order(looked: Looked) -> list[LeakFinding]:
    measured = strength(looked.place.astype(float), looked.y, looked.fold, looked.binary)
    if measured.surely < SUSPECT:
        return []
    evidence = f"the place of a row in the split alone reaches {_what(looked)} {figure(measured.value)}"
    advice = "Shuffle the rows before splitting, and ask whether an id or a date follows the same order."
    kind = "rows in the order of the target"
    return [LeakFinding(ROW_ORDER, kind, "suspect", evidence, measured.value, advice, rows=len(looked.train))]


def _among_features(name: str, looked: Looked) -> LeakFinding:
    share = looked.train[name].nunique() / len(looked.train)
    evidence = f"{percent(share)} of its values are different; it says nothing about the target by its order"
    advice = "It cannot help with new rows: list it under columns.ignore, or name it as id or group."
    return LeakFinding(name, "an identifier among the features", "note", evidence, share, advice)


def _what(looked: Looked) -> str:
    return "an AUC of" if looked.binary else "a rank correlation of"
