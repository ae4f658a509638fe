"""Single columns that know the answer: by their values, by being filled, by their name, by their number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import wilson
from ml_utils.leakage.report import Certainty, LeakFinding
from ml_utils.leakage.sample import Array, Looked, bins, days
from ml_utils.leakage.strength import Strength, codes_of, strength
from ml_utils.wording import count, figure, percent

# What a column alone must reach, two standard errors off: AUC for an event, rank correlation for a number.
SURE: Final = {True: 0.97, False: 0.97}
SUSPECT: Final = {True: 0.93, False: 0.93}
PURE: Final = 0.98  # share of events among the rows of a value that determines the event
MIN_COVER: Final = 0.05  # share of all events that such a value must hold
MIN_EVENTS: Final = 15  # rows of the rarer class below which nothing is said
_AFTERWARDS: Final = re.compile(  # words that speak of what comes after; "left" and "won" as a verb's past
    r"after|cancel\w*|clos(e|ed|ing|ure)|churn\w*|exit|final|left|outcome|post|reason|refund\w*|resolution|"
    r"resolv\w*|result|settl\w*|terminat\w*|won|lost"
)
_COPY_WORDS: Final = re.compile(  # what a form of the target is called besides the target
    r"label|value|flag|score|reason|category|prob|probability|predict\w*|pred|code|date|num|int|binary|encod|"
    r"target|y|copy"
)
ASK = "Ask when it is filled in; if only after the answer is known, list it under columns.ignore"


@dataclass(frozen=True)
class View:
    """One way to look at a column.

    Attributes
    ----------
    column : str
    label : str
        What is looked at, for sentences.
    x : ndarray of float, shape (n_rows,)
        Values or codes; NaN is missing.
    category : bool
        Whether the order means nothing.
    kind : str
        What sort of leak it would be.
    rows : ndarray of bool or None
        Rows for which it is defined; None is all.
    """

    column: str
    label: str
    x: Array
    category: bool
    kind: str
    rows: Array | None = None


def views(looked: Looked) -> Iterator[View]:
    """List the ways to look at each column: its values, its last digit or ends, its age at the row's time."""
    for name in looked.columns:
        values = looked.frame[name]
        if name in looked.dates:
            yield from _date_views(name, looked)
        elif looked.is_number(name):
            yield View(name, "its value", looked.numbers[name].to_numpy(), False, "knows the answer")
            yield from _digit_views(name, looked.numbers[name].to_numpy())
        else:
            yield View(name, "its value", codes_of(values), True, "knows the answer")
            if values.nunique() > 0.2 * len(values):
                yield from text_views(name, values)


def check_columns(looked: Looked) -> list[LeakFinding]:
    """Find the columns that know the answer by themselves."""
    if looked.binary and min(looked.y.sum(), (1 - looked.y).sum()) < MIN_EVENTS:
        return []
    found: list[LeakFinding] = []
    for view in views(looked):
        found += check_view(view, looked)
    for name in looked.columns:
        found += _check_filled(name, looked)
        found += _check_name(name, looked)
    return found


def check_view(view: View, looked: Looked) -> list[LeakFinding]:
    """Ask one view of a column for its strength and for values that determine the event."""
    rows = np.ones(len(looked.y), dtype=bool) if view.rows is None else view.rows
    if rows.sum() < 50:
        return []
    x, y, fold = view.x[rows], looked.y[rows], looked.fold[rows]
    if looked.binary and min(y.sum(), (1 - y).sum()) < MIN_EVENTS:
        return []
    found = _by_strength(view, strength(x, y, fold, looked.binary, view.category), looked)
    pure = _pure_set(view, x, y, looked)
    return found + ([pure] if pure else [])


def _by_strength(view: View, measured: Strength, looked: Looked) -> list[LeakFinding]:
    certainty: Certainty
    if measured.surely >= SURE[looked.binary]:
        certainty = "leak"
    elif measured.surely >= SUSPECT[looked.binary]:
        certainty = "suspect"
    else:
        return []
    what = "an AUC" if looked.binary else "a rank correlation"
    how = "by its order" if measured.shape == "ordered" else "value by value, out of fold"
    evidence = (
        f"{view.label} alone reaches {what} of {figure(measured.value)} ({how}; from "
        f"{figure(SURE[looked.binary], 2)} a leak, from {figure(SUSPECT[looked.binary], 2)} a suspect)"
        + named_afterwards(view.column)
    )
    advice = "Leave it out" if certainty == "leak" else ASK
    used = looked.used(view.column)
    return [LeakFinding(view.column, view.kind, certainty, evidence, measured.value, f"{advice}.", used=used)]


def events_of(y: Array, binary: bool) -> tuple[Array, str] | None:
    """Return the event whose sets are searched: the rarer class, or a number's frequent single value."""
    if binary:
        return (y, "the event") if y.mean() <= 0.5 else (1 - y, "the other answer")
    values, counts = np.unique(y, return_counts=True)
    top = int(counts.argmax())
    if not 0.02 <= counts[top] / len(y) <= 0.5:
        return None
    return (y == values[top]).astype(float), f"a target of {values[top]:g}"


def _pure_set(view: View, x: Array, y: Array, looked: Looked) -> LeakFinding | None:
    """Find values whose rows are all events; what is seldom or never followed by one may well be honest."""
    event = events_of(y, looked.binary)
    if event is None:
        return None
    hit, what = event
    total, n = hit.sum(), len(hit)
    known = np.isfinite(x)
    codes = x if view.category else np.where(known, bins(x), np.nan)
    distinct, places = np.unique(codes[known], return_inverse=True)
    if len(distinct) == 0 or len(distinct) > n / 10:
        return None
    rows = np.bincount(places)
    events = np.bincount(places, weights=hit[known])
    enough = (rows >= 20) & (events >= PURE * rows) & (_lower(events, rows) >= 0.85)
    cover = events[enough].sum() / total
    if events[enough].sum() < 30 or cover < MIN_COVER:
        return None
    at, inside = events[enough].sum(), rows[enough].sum()
    evidence = (
        f"{view.label} has {'a value' if enough.sum() == 1 else f'{enough.sum()} values'} at which "
        f"{percent(at / inside)} of {count(inside)} rows are {what} ({percent(total / n)} are in all), "
        f"{percent(cover)} of all such rows" + named_afterwards(view.column)
    )
    certainty: Certainty = "leak" if cover >= 0.5 else "suspect"
    return LeakFinding(
        view.column, "a value that comes with the answer", certainty, evidence, float(cover), f"{ASK}.",
        used=looked.used(view.column),
    )  # fmt: skip


def _lower(events: Array, rows: Array) -> Array:
    """Lower end of Wilson's 99.9 % interval of a share."""
    return wilson(events, rows, z=3.29)[0]


def _check_filled(name: str, looked: Looked) -> list[LeakFinding]:
    """A column that is filled, or not at its usual value, (nearly) only where the event happened."""
    event = events_of(looked.y, looked.binary)
    if event is None:
        return []
    hit, what = event
    values = looked.frame[name]
    missing = ~np.isfinite(looked.numbers[name].to_numpy()) | values.isna().to_numpy()
    sets = {"filled": ~missing, "empty": missing}
    usual = values.mode()
    if len(usual) and 0.5 <= float((values == usual.iloc[0]).mean()) < 1:
        sets[f"other than {usual.iloc[0]!s:.20}"] = ~missing & (values != usual.iloc[0]).to_numpy()
    found = []
    for state, rows in sets.items():
        inside = float(rows.sum())
        if inside < 20 or inside == len(hit):
            continue
        events, total = float(hit[rows].sum()), float(hit.sum())
        only = float(_lower(np.array([events]), np.array([inside]))[0])
        if events >= 30 and events >= PURE * inside and only >= 0.85 and events >= MIN_COVER * total:
            certainty: Certainty = "leak" if events >= 0.25 * total or state != "empty" else "suspect"
            found.append(_filled(name, state, certainty, (events, inside, total), what, looked))
        elif state == "filled" and events == 0 and inside * total / len(hit) >= 30:
            found.append(_filled(name, state, "suspect", (events, inside, total), what, looked))
    return found


def _filled(
    name: str, state: str, certainty: Certainty, n: tuple[float, float, float], what: str, looked: Looked
) -> LeakFinding:
    events, inside, total = n
    evidence = (
        f"where it is {state} ({count(inside)} rows), {percent(events / inside)} are {what} "
        f"({percent(total / len(looked.y))} are in all); they hold {percent(events / total)} of all such rows"
        + named_afterwards(name)
    )
    kind = "filled in when the answer is known"
    share = events / inside if events else 1.0
    return LeakFinding(name, kind, certainty, evidence, share, f"{ASK}.", used=looked.used(name))


def _check_name(name: str, looked: Looked) -> list[LeakFinding]:
    """A column that bears the target's name and says something about it."""
    target, words = _words(looked.problem.target), _words(name)
    if len("".join(target)) < 3 or not set(target) <= set(words):
        return []
    if not all(word in target or _COPY_WORDS.fullmatch(word) for word in words):
        return []
    category = not looked.is_number(name) and name not in looked.dates
    measured = strength(looked.numbers[name].to_numpy(), looked.y, looked.fold, looked.binary, category)
    if measured.surely < (0.6 if looked.binary else 0.3):
        return []
    what = "an AUC" if looked.binary else "a rank correlation"
    evidence = (
        f"it bears the target's name ({looked.problem.target}) and alone reaches {what} of "
        f"{figure(measured.value)}"
    )
    certainty: Certainty = "leak" if measured.surely >= (0.85 if looked.binary else 0.8) else "suspect"
    kind = "another form of the target"
    return [LeakFinding(name, kind, certainty, evidence, measured.value, f"{ASK}.", used=looked.used(name))]


def _words(name: str) -> list[str]:
    """Part a name into its words, without the ends that verbs have.

    >>> _words("ChurnLabel"), _words("churned_flag")
    (['churn', 'label'], ['churn', 'flag'])
    """
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = [word.lower() for word in re.split(r"[^A-Za-z0-9]+", parts) if word]
    return [word[:-2] if word.endswith("ed") and len(word) > 4 else word for word in words]


def named_afterwards(name: str) -> str:
    """Say so where a column's name tells of something that comes after the answer; never decides alone."""
    told = {word for word in _words(name) if _AFTERWARDS.fullmatch(word)}
    return f"; its name ({', '.join(sorted(told))}) speaks of what comes after" if told else ""


def _date_views(name: str, looked: Looked) -> Iterator[View]:
    date = looked.dates[name]
    yield View(name, "its date", days(date), False, "knows the answer")
    time = looked.problem.time
    if time and time in looked.frame:
        ahead = days(date) - days(pd.to_datetime(looked.frame[time]))
        label = "how long it lies after the row's time"
        yield View(name, label, ahead, False, "dated after the answer")


def _digit_views(name: str, x: Array) -> Iterator[View]:
    """Last digit of whole numbers, number of decimals of others: a system that closes a case rounds it."""
    known = np.isfinite(x)
    if len(np.unique(x[known][:2000])) < 50:
        return
    if np.all(x[known] == np.round(x[known])):
        yield View(name, "its last digit", np.mod(x, 10), True, "knows the answer")
    else:
        hundredths = np.round(x * 100, 6)
        fine = np.where(hundredths == np.round(hundredths), np.where(hundredths % 100 == 0, 0.0, 1.0), 2.0)
        yield View(
            name, "the number of its decimals", np.where(known, fine, np.nan), True, "knows the answer"
        )


def text_views(name: str, values: pd.Series) -> Iterator[View]:
    """Length, first and last characters, and the number in a text that names rows."""
    text = values.astype("str")
    yield View(name, "its length", text.str.len().to_numpy(float, na_value=np.nan), False, "knows the answer")
    for label, part in (("its first two characters", text.str[:2]), ("its last character", text.str[-1:])):
        yield View(name, label, codes_of(part), True, "knows the answer")
    number = pd.to_numeric(text.str.extract(r"(\d{1,15})(?!.*\d)")[0], errors="coerce")
    yield View(name, "its number", number.to_numpy(float), False, "knows the answer")
