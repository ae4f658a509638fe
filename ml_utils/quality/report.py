"""What a check of quality found: a score a dimension, findings, and the rows that they are about."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.files import to_json, write_parquet, write_text
from ml_utils.quality.outliers import Outliers
from ml_utils.quality.timeliness import Timeliness
from ml_utils.wording import count, listing, percent, times

Grade = Literal["error", "warning", "note"]
GRADES: tuple[Grade, ...] = ("error", "warning", "note")
SHOWN_IDS = 20  # offending rows that a finding carries onto the page


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be, with one column or with the table.

    An error breaks a rule that a model may fall over, a warning one that a person should look at; a note is
    what a real table has anyway, and is seen to by the features.
    """

    check: str
    column: str
    rows: int
    share: float
    examples: tuple[str, ...]
    advice: str
    dimension: str = "validity"
    severity: Grade = "note"
    offenders: tuple[str, ...] = ()  # ids of the first rows


@dataclass(frozen=True)
class QualityReport:
    """What `DataQuality.check` found.

    `columns` has a row a column: type, missing share, distinct values, far-out share, misspelt share.
    `scores` runs from 0 to 1 a dimension: the share of cells (rows, periods) that nothing was found in.
    `marks` has the rows of each finding by (check, column), `keys` what names a row.
    """

    rows: int
    duplicates: int
    columns: pd.DataFrame
    findings: tuple[Finding, ...]
    scores: dict[str, float]
    outliers: Outliers | None = None
    timeliness: Timeliness | None = None
    marks: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict, repr=False)
    keys: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @property
    def score(self) -> float:
        """The lowest of the dimensions' scores: a table is as sound as its weakest side."""
        return min(self.scores.values())

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings that break a rule: errors and warnings."""
        return tuple(finding for finding in self.findings if finding.severity != "note")

    def to_frame(self) -> pd.DataFrame:
        """Return the findings, a row each: errors, warnings, notes; the most frequent first."""
        rows = [
            (f.dimension, f.severity, f.check, f.column, f.rows, f.share, listing(f.examples, 3), f.advice)
            for f in sorted(
                self.findings, key=lambda f: (GRADES.index(f.severity), -f.rows, f.check, f.column)
            )
        ]
        names = ["dimension", "severity", "check", "column", "rows", "share", "examples", "what to do"]
        return pd.DataFrame(rows, columns=names)

    def scores_frame(self) -> pd.DataFrame:
        """Return a row a dimension: score, errors, warnings, notes."""
        rows = [
            (
                dimension,
                score,
                *(
                    sum(f.dimension == dimension and f.severity == grade for f in self.findings)
                    for grade in GRADES
                ),
            )
            for dimension, score in self.scores.items()
        ]
        return pd.DataFrame(rows, columns=["dimension", "score", "errors", "warnings", "notes"])

    def offenders(self) -> pd.DataFrame:
        """Return every row of every finding: dimension, severity, check, column, row (from 0) and its id."""
        parts = []
        for found in self.findings:
            rows = np.flatnonzero(self.marks.get((found.check, found.column), np.zeros(0, bool)))
            part = self.keys.iloc[rows].reset_index(drop=True) if len(self.keys.columns) else pd.DataFrame()
            about = {"dimension": found.dimension, "severity": found.severity}
            about |= {"check": found.check, "column": found.column}
            parts.append(pd.DataFrame({**about, "row": rows}).join(part))
        names = ["dimension", "severity", "check", "column", "row"]
        if not parts:
            return pd.DataFrame(columns=[*names, *self.keys.columns])
        whole = pd.concat(parts, ignore_index=True)
        return whole.astype(dict.fromkeys(("dimension", "severity", "check", "column"), "category"))

    def write_offenders(self, path: Path) -> Path:
        """Write `offenders()` as JSON where the path ends so, else as Parquet."""
        table = self.offenders()
        if path.suffix == ".json":
            return write_text(path, to_json(table))
        return write_parquet(path, table)

    def to_dict(self) -> dict[str, object]:
        """Return what a page shows and a results file keeps; the ids of the first rows of each finding."""
        kept: dict[str, object] = {
            "rows": self.rows,
            "score": self.score,
            "scores": self.scores,
            "findings": self.to_frame(),
            "columns": self.columns,
            "offenders": {f"{f.check}: {f.column}": f.offenders for f in self.findings if f.offenders},
        }
        if self.outliers is not None:
            kept["outliers"] = self.outliers.to_frame()
            kept["unusual_rows"] = self.outliers.rows
        if self.timeliness is not None:
            kept["periods"] = self.timeliness.periods
        return kept

    def sentence(self) -> str:
        """Say in one sentence how sound the table is."""
        cells = self.columns
        misspelt = float(cells["misspelt"].sum() / max(self._words(), 1))
        return (
            f"{_share(1 - self.scores['completeness'])} of its cells are empty, "
            f"{_share(1 - self.scores.get('outliers', 1.0)).lower()} of the numbers lie far out and "
            f"{_share(misspelt).lower()} of the categories are misspelt; "
            f"{times(self.duplicates, 'row repeats', 'rows repeat')} another one."
        )

    def _words(self) -> int:
        return int((self.columns["kind"] == "category").sum())

    def _repr_html_(self) -> str:
        scores = self.scores_frame().style.format({"score": "{:.2%}"}).hide().to_html()
        found = self.to_frame().head(15).style.format({"share": "{:.2%}", "rows": "{:,}"}).hide().to_html()
        return f"<p>{html.escape(self.sentence())}</p>{scores}{found}"


@dataclass(frozen=True)
class SplitsReport:
    """The splits of a table held to the rules of the training rows, and rows that stand in two of them.

    `reports` has one `QualityReport` a split; `repeats` a row a split: how many of its rows are exactly, or
    nearly, one of the training rows, and how many would be by chance.
    """

    reports: dict[str, QualityReport]
    repeats: pd.DataFrame
    threshold: float  # distance below which two rows are near

    def to_frame(self) -> pd.DataFrame:
        """Return errors and warnings of all splits: split, severity, check, column, rows, share."""
        rows = [
            (name, f.severity, f.check, f.column, f.rows, f.share, listing(f.examples, 3))
            for name, report in self.reports.items()
            for f in report.broken
        ]
        names = ["split", "severity", "check", "column", "rows", "share", "examples"]
        return pd.DataFrame(rows, columns=names)

    def scores_frame(self) -> pd.DataFrame:
        """Return the score of each dimension (columns) in each split (rows)."""
        table = pd.DataFrame({name: report.scores for name, report in self.reports.items()}).T
        return table.rename_axis("split").reset_index()

    def to_dict(self) -> dict[str, object]:
        """Return what a page shows and a results file keeps."""
        return {
            "scores": self.scores_frame(),
            "broken": self.to_frame(),
            "repeats": self.repeats,
            "threshold": self.threshold,
        }

    def sentence(self) -> str:
        """Say in one sentence whether later rows keep the rules, and whether splits share rows."""
        later = [report for name, report in self.reports.items() if name != "train"]
        rows = sum(report.rows for report in later)
        marked = sum(int(_any_mark(report).sum()) for report in later)
        shared = self.repeats[self.repeats["suspicious"]]
        what = "no split shares more rows with training than chance explains"
        if len(shared):
            worst = shared.loc[shared["exact"].idxmax()]
            what = (
                f"{count(worst['exact'])} rows of {worst['split']} stand in training too, more than by chance"
            )
        return (
            f"{_share(marked / max(rows, 1))} of the {count(rows)} rows after training break a rule; {what}."
        )

    def _repr_html_(self) -> str:
        scores = self.scores_frame()
        shares = dict.fromkeys(scores.columns[1:], "{:.2%}")
        return str(scores.style.format(shares).hide().to_html())


def _any_mark(report: QualityReport) -> np.ndarray:
    broken = np.zeros(report.rows, bool)
    for finding in report.broken:
        broken |= report.marks.get((finding.check, finding.column), broken)
    return broken


def _share(share: float) -> str:
    if share <= 0:
        return "None"
    return percent(share) if share >= 0.001 else "Less than 0.1 %"
