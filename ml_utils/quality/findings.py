"""Findings from marked rows: how grave each is, examples, the rows it is about, what to do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_utils.problem import Problem
from ml_utils.quality.enforcement import Marks
from ml_utils.quality.integrity import Link
from ml_utils.quality.outliers import Outliers
from ml_utils.quality.ranges import Bounds, find_bounds, unit_factor
from ml_utils.quality.report import SHOWN_IDS, Finding, Grade
from ml_utils.quality.rules import Relation, Rules, TimeRule
from ml_utils.quality.timeliness import Timeliness
from ml_utils.quality.values import numbers
from ml_utils.wording import count, listing, percent

SURE = 1e-4  # chance of a false alarm, for shares that a rule lets pass
WHOLE = "(all)"

_ADVICE = {
    "wrong type": "not readable as a {type}: made empty; mend it at the source",
    "infinite": "made empty; look for a division by zero at the source",
    "not whole": "a fraction in a column of whole numbers; see whether its unit changed",
    "out of range": "outside {range}, which the bulk keeps{unit}; mend it at the source",
    "misspelt": "read as the usual spelling",
    "unseen value": "treated as unknown; add it to the rules' values if it is right",
    "odd pattern": "does not read like {pattern}; mend it, or widen the pattern",
    "relation broken": "one of the columns is wrong in these rows; mend it at the source",
}
_DIMENSION = {"misspelt": "consistency", "relation broken": "consistency"}
_ERRORS = ("wrong type", "infinite", "out of range")


class Maker:
    """Collects the findings of one table.

    Parameters
    ----------
    rows : DataFrame
        Indexed from 0.
    keys : DataFrame
        Columns that name a row.
    rules : Rules
    problem : Problem
    """

    def __init__(self, rows: pd.DataFrame, keys: pd.DataFrame, rules: Rules, problem: Problem) -> None:
        self.rows = rows
        self.keys = keys
        self.rules = rules
        self.problem = problem
        self.found: list[Finding] = []
        self.marks: Marks = {}

    def columns_there(self, twice: list[str]) -> None:
        """Note columns that are lacking, new, or there twice."""
        n = len(self.rows)
        none = np.zeros(n, bool)
        lacking = [name for name in self.rules.columns if name not in self.rows.columns]
        for name in lacking:
            advice = "the model expects it; bring it back"
            self._add("column lacking", name, none, "completeness", "error", advice, (), n)
        for name in (name for name in self.rows.columns if name not in self.rules.columns):
            self._add("new column", name, none, "validity", "note", "no rule knows it; left aside", (), n)
        for name in twice:
            advice = "only the first is looked at; rename or drop the other"
            self._add("column twice", name, none, "validity", "error", advice, (), n)

    def missing(self, missing: Mapping[str, np.ndarray]) -> None:
        """Note empty cells: a warning where more are empty than the rule lets pass."""
        for name, empty in missing.items():
            if not empty.any():
                continue
            rule = self.rules.columns.get(name)
            allowed = rule.missing if rule else 1.0
            severity: Grade = "note"
            advice = "imputed, with a column that says it was missing"
            if _too_many(int(empty.sum()), len(empty), allowed):
                severity = "error" if empty.all() else "warning"
                advice = f"at most {percent(allowed, 2)} were expected; ask why"
            severity = self._graded(name, severity)
            self._add("missing", name, empty, "completeness", severity, advice, self._names(empty))

    def broken(self, marks: Marks) -> None:
        """Note the rows that break a rule of a column, or between columns."""
        relations = {relation.words: relation for relation in self.rules.relations}
        for (check, place), bad in marks.items():
            if not bad.any():
                continue
            if check == "relation broken":
                relation = relations[place]
                many = _too_many(int(bad.sum()), len(bad), relation.allow)
                severity: Grade = relation.severity if many else "note"
                examples = self._pairs(relation, bad)
            else:
                severity, examples = self._grade(check, place, bad), self._values(place, bad)
            advice = _ADVICE[check].format(**self._words(check, place, bad))
            dimension = _DIMENSION.get(check, "validity")
            self._add(check, place, bad, dimension, severity, advice, examples)

    def repeated(self, repeated: np.ndarray, shared: np.ndarray, key: list[str]) -> None:
        """Note repeated rows, and rows that share their key."""
        if repeated.any():
            n = int(repeated.sum())
            known = bool(self.problem.id)
            advice = (
                "dropped: delivered twice" if known else f"kept: without an id these {count(n)} may be real"
            )
            severity: Grade = "warning" if known else "note"
            self._add("repeated row", WHOLE, repeated, "uniqueness", severity, advice, self._names(repeated))
        if shared.any():
            advice = f"rows share their {listing(key)} but say something else; keep one of each"
            self._add(
                "key shared", " + ".join(key), shared, "uniqueness", "error", advice, self._names(shared)
            )

    def links(self, links: list[Link]) -> None:
        """Note values that another table lacks, and events of nobody."""
        for link in links:
            if link.unknown.any():
                advice = f"{link.other} does not have these values"
                check, severity = "unknown value", "error"
                if not link.required:
                    check, severity, advice = "no events", "note", f"no row in {link.other}; counted as none"
                examples = self._values(link.column, link.unknown)
                self._add(check, link.column, link.unknown, "integrity", severity, advice, examples)  # type: ignore[arg-type]
            if link.orphans:
                advice = f"events whose {link.column} the table lacks; they count for nobody"
                severity = "warning" if link.orphans > 0.5 * link.events else "note"
                none = np.zeros(len(self.rows), bool)
                self._add(
                    "events of nobody", link.other, none, "integrity", severity, advice, link.examples,  # type: ignore[arg-type]
                    link.orphans, link.orphans / link.events,
                )  # fmt: skip

    def times(self, times: Timeliness, rule: TimeRule) -> None:
        """Note rows out of their time, gaps and thin periods, and columns that arrive late."""
        name = rule.column
        for check, bad, advice in (
            ("in the future", times.future, "after the table arrived; mend the date"),
            ("far from all other times", times.apart, "a placeholder, or a slip; mend the date"),
        ):
            if bad.any():
                self._add(check, name, bad, "timeliness", "error", advice, self._values(name, bad))
        for check, column, advice in (
            ("gap", "gap", f"no rows in a {rule.every} that should have some; ask for them"),
            ("thin period", "thin", f"under {percent(rule.fewest, 0)} of the usual rows; ask for the rest"),
        ):
            periods = times.periods.loc[times.periods[column].astype(bool)]
            if len(periods):
                label = self._periods(name, rule, list(periods["period"]))
                examples = tuple(periods["period"].head(3))
                rows = int(periods["rows"].sum())
                self._add(check, name, label, "timeliness", "warning", advice, examples, rows)
        for late, share in times.late.items():
            bad = times.last & self.rows[late].isna().to_numpy()
            advice = f"empty in {percent(share, 0)} of the last {rule.every}: late; wait, or leave it out"
            self._add("arrives late", late, bad, "timeliness", "warning", advice, self._names(bad))

    def far_out(self, outliers: Outliers) -> None:
        """Note far-out numbers."""
        advice = "held within 3 interquartile ranges of the quartiles"
        for name, bad in outliers.far.items():
            if bad.any():
                self._add("far out", name, bad, "outliers", "note", advice, self._values(name, bad))

    def constant(self, described: pd.DataFrame) -> None:
        """Note columns with one value, or none."""
        every = np.ones(len(self.rows), bool)
        for row in described.itertuples():
            if row.distinct <= 1 and row.column not in self.problem.reserved:
                advice = "says nothing; leave it out"
                self._add("constant", row.column, every, "validity", "note", advice, (), keep=False)

    def _add(
        self,
        check: str,
        column: str,
        bad: np.ndarray,
        dimension: str,
        severity: Grade,
        advice: str,
        examples: tuple[str, ...],
        rows: int | None = None,
        share: float | None = None,
        keep: bool = True,
    ) -> None:
        n = int(bad.sum()) if rows is None else rows
        part = n / max(len(self.rows), 1) if share is None else share
        ids = self._names(bad, SHOWN_IDS) if keep and bad.any() else ()
        self.found.append(Finding(check, column, n, part, examples, advice, dimension, severity, ids))
        if keep and bad.any():
            self.marks[check, column] = bad

    def _grade(self, check: str, name: str, bad: np.ndarray) -> Grade:
        rule = self.rules.columns[name]
        if check == "unseen value" and not _too_many(int(bad.sum()), len(bad), rule.unseen):
            return "note"
        return self._graded(name, "error" if check in _ERRORS else "warning")

    def _graded(self, name: str, severity: Grade) -> Grade:
        """Return a finding's severity, as the file has it for that column."""
        rule = self.rules.columns.get(name)
        return rule.severity if rule and rule.severity and severity != "note" else severity

    def _words(self, check: str, name: str, bad: np.ndarray) -> dict[str, str]:
        rule = self.rules.columns.get(name)
        if rule is None:
            return {}
        low, high = rule.range or rule.between or (None, None)
        said = f"{'…' if low is None else low} to {'…' if high is None else high}"
        if rule.range:
            said = " to ".join("…" if end is None else f"{end:,.12g}" for end in rule.range)
        unit = ""
        if check == "out of range" and rule.range:
            unit = _unit(numbers(self.rows[name]), bad)
        return {"type": rule.type, "range": said, "unit": unit, "pattern": rule.pattern or ""}

    def _values(self, name: str, bad: np.ndarray) -> tuple[str, ...]:
        found = self.rows.loc[bad, name]
        return tuple(dict.fromkeys(map(_written, found.head(500))))[:3]

    def _pairs(self, relation: Relation, bad: np.ndarray) -> tuple[str, ...]:
        part = self.rows.loc[bad, relation.columns].head(3)
        return tuple(" / ".join(map(_written, row)) for row in part.itertuples(index=False))

    def _names(self, bad: np.ndarray, limit: int = 3) -> tuple[str, ...]:
        rows = np.flatnonzero(bad)[:limit]
        if not len(self.keys.columns):
            return tuple(f"row {row}" for row in rows)
        column = self.problem.id if self.problem.id in self.keys.columns else self.keys.columns[0]
        return tuple(self.keys[column].iloc[rows].astype(str))

    def _periods(self, name: str, rule: TimeRule, periods: list[str]) -> np.ndarray:
        from ml_utils.quality.timeliness import labels

        return labels(self.rows[name], rule.every).isin(periods).to_numpy()


def describe(
    rows: pd.DataFrame, clean: pd.DataFrame, rules: Rules, marks: Marks, outliers: Outliers
) -> pd.DataFrame:
    """Describe each column: type, kind, missing share, distinct values, shares far out, misspelt, invalid."""
    described = []
    for name in rows.columns:
        rule = rules.columns.get(name)
        invalid = np.zeros(len(rows), bool)
        for (check, place), bad in marks.items():
            if place == name and check not in ("misspelt", "relation broken"):
                invalid |= bad
        far = outliers.far.get(name)
        misspelt = marks.get(("misspelt", name))
        described.append(
            (
                name,
                str(rows[name].dtype),
                rule.type if rule else "",
                float(rows[name].isna().mean()),
                _distinct(rows[name]),
                0.0 if far is None else float(far.mean()),
                0.0 if misspelt is None else float(misspelt.mean()),
                float(invalid.mean()),
            )
        )
    names = ["column", "type", "kind", "missing", "distinct", "far_out", "misspelt", "invalid"]
    return pd.DataFrame(described, columns=names)


def _written(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _distinct(column: pd.Series) -> int:
    try:
        return int(column.nunique())
    except TypeError:
        return int(column.map(str, na_action="ignore").nunique())


def _unit(values: np.ndarray, bad: np.ndarray) -> str:
    bounds: Bounds | None = find_bounds(values)
    with np.errstate(invalid="ignore"):
        above = values[bad & (values > bounds.seen_high)] if bounds else values[:0]
    factor = unit_factor(above, bounds) if bounds and len(above) > bad.sum() / 2 else None
    return f" (as if recorded {factor:,.0f} times too large)" if factor else ""


def _too_many(k: int, n: int, allowed: float) -> bool:
    """Tell whether k of n is more than a share that is let pass makes likely."""
    if allowed >= 1 or k == 0:
        return False
    if allowed <= 0:
        return True
    from scipy.stats import binom

    return k / n > allowed and float(binom.sf(k - 1, n, allowed)) < SURE
