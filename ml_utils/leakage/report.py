"""What the sentinel found: findings, how sure they are, what to do about each."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from ml_utils.wording import listing, times

Certainty = Literal["leak", "suspect", "note"]
_ORDER: Final[dict[str, int]] = {"leak": 0, "suspect": 1, "note": 2}


@dataclass(frozen=True)
class LeakFinding:
    """One column, or some rows, that know the answer or may do so.

    Attributes
    ----------
    column : str
        The column, or "rows of <split>".
    kind : str
        What sort of leak it is.
    certainty : {"leak", "suspect", "note"}
        A leak is sure and may be dropped; a suspect has to be asked about; a note is worth a question.
    evidence : str
        How it was found, with the numbers.
    strength : float
        The measure that decided, 0 to 1; its meaning is in the evidence.
    advice : str
        What to do.
    used : bool
        Whether a model would see the column; ids and ignored columns are looked at as well.
    rows : int
        Rows concerned, where the finding is about rows; 0 for a column.
    counterpart : str or None
        The honest column that measures the same before the answer, where there is one.
    """

    column: str
    kind: str
    certainty: Certainty
    evidence: str
    strength: float
    advice: str
    used: bool = True
    rows: int = 0
    counterpart: str | None = None

    def sentence(self) -> str:
        """Say it in one sentence."""
        known = "" if self.used or self.rows else " (kept from the model already)"
        return f"{self.column}{known}: {self.kind}, {_SURE[self.certainty]}: {self.evidence}. {self.advice}"


_SURE: Final[dict[str, str]] = {"leak": "a leak", "suspect": "a suspect", "note": "a note"}


@dataclass(frozen=True)
class LeakReport:
    """All findings of one look at a problem's splits.

    Attributes
    ----------
    findings : tuple of LeakFinding
        Leaks first, then suspects, then notes.
    dropped : tuple of str
        Columns that `apply` takes away: leaks that a model would see, under ``on_leak="drop"``.
    checked : tuple of str
        Columns that were looked at.
    looked_at : Mapping of str to int
        Rows of each split that the statistics used; fewer than there are where a sample was enough.
    """

    findings: tuple[LeakFinding, ...]
    dropped: tuple[str, ...]
    checked: tuple[str, ...]
    looked_at: Mapping[str, int]

    def of(self, *certainty: Certainty) -> tuple[LeakFinding, ...]:
        """Return the findings of the certainties named."""
        return tuple(finding for finding in self.findings if finding.certainty in certainty)

    @property
    def leaks(self) -> list[str]:
        """Columns that are surely leaks, used or not."""
        return [finding.column for finding in self.of("leak") if not finding.rows]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a finding."""
        rows = [
            (f.column, f.certainty, f.kind, f.evidence, f.strength, f.used, f.rows, f.advice)
            for f in self.findings
        ]
        names = ["column", "certainty", "kind", "how it was found", "strength", "used", "rows", "what to do"]
        return pd.DataFrame(rows, columns=names)

    def apply(self, splits: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return the splits without the dropped columns; the frames given are not changed."""
        gone = list(self.dropped)
        return {name: split.drop(columns=gone, errors="ignore") for name, split in splits.items()}

    def sentences(self) -> list[str]:
        """Say in a few sentences what was found, the gravest first."""
        n = len(self.checked)
        if not self.of("leak", "suspect"):
            said = [f"None of the {n} columns looked at knows the answer, and no row stands on both sides."]
        else:
            said = [self._count(n)]
        said += [finding.sentence() for finding in self.of("leak", "suspect")]
        notes = [f"{f.column} ({f.kind})" for f in self.of("note")]
        if notes:
            said.append(f"Worth a question, but no leak by what is seen here: {listing(notes)}.")
        if self.dropped:
            said.append(f"Dropped: {listing(list(self.dropped), 20)}.")
        return said

    def _count(self, n: int) -> str:
        parts = [times(len(self.of("leak")), "sure leak"), times(len(self.of("suspect")), "suspect")]
        return f"Of {n} columns and the rows of the splits, {parts[0]} and {parts[1]}."

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>{html.escape(self.sentences()[0])}</p>"
        frame = self.to_frame().drop(columns=["strength", "rows"])
        frame["used"] = frame["used"].map({True: "yes", False: "no"})
        return frame.to_html(index=False, border=0)


def ordered(findings: Iterable[LeakFinding]) -> tuple[LeakFinding, ...]:
    """Keep the gravest finding of a column and kind, leaks first, then the strongest.

    A column that is a leak is not listed as a suspect or worth a question as well.
    """
    by_grade = sorted(findings, key=lambda f: (_ORDER[f.certainty], -f.strength, f.column, f.kind))
    kept: dict[tuple[str, str], LeakFinding] = {}
    grade: dict[str, str] = {}
    for finding in by_grade:
        if grade.setdefault(finding.column, finding.certainty) != finding.certainty:
            continue
        kept.setdefault((finding.column, finding.kind), finding)
    return tuple(kept.values())
