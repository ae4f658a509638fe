"""How sound a table is: completeness, validity, consistency, uniqueness, and columns that know the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.data.schema import word
from ml_utils.features.cleaning import NumericCleaner, normal_form, usual_spelling
from ml_utils.problem import Problem
from ml_utils.wording import count, listing, percent, times

FAR_OUT = 3.0  # interquartile ranges beyond the quartiles (Tukey 1977)
MAX_CATEGORIES = 200  # text with more distinct values is not searched for spellings


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be, with one column or with the table."""

    check: str
    column: str
    rows: int
    share: float
    examples: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class QualityReport:
    """What `DataQuality.check` found.

    `columns` has a row a column: type, missing share, distinct values, far-out share, misspelt share.
    `scores` runs from 0 to 1 a dimension: the share of cells (rows, for uniqueness) without a finding.
    """

    rows: int
    duplicates: int
    columns: pd.DataFrame
    findings: tuple[Finding, ...]
    scores: dict[str, float]

    @property
    def score(self) -> float:
        """The lowest of the dimensions' scores: a table is as sound as its weakest side."""
        return min(self.scores.values())

    def to_frame(self) -> pd.DataFrame:
        """Return the findings, a row each, the most frequent first."""
        rows = [
            (f.check, f.column, f.rows, f.share, listing(f.examples, 3), f.advice)
            for f in sorted(self.findings, key=lambda f: (-f.rows, f.check, f.column))
        ]
        return pd.DataFrame(rows, columns=["check", "column", "rows", "share", "examples", "what to do"])

    def sentence(self) -> str:
        """Say in one sentence how sound the table is."""
        return (
            f"{_share(1 - self.scores['completeness'])} of its cells are empty, "
            f"{_share(1 - self.scores['validity']).lower()} of the numbers lie far out and "
            f"{_share(1 - self.scores['consistency']).lower()} of the categories are misspelt; "
            f"{times(self.duplicates, 'row repeats', 'rows repeat')} another one."
        )


class DataQuality:
    """Check a table against what can be told from the table itself and its problem file.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def check(self, frame: pd.DataFrame) -> QualityReport:
        """Look at every column of the raw table.

        Parameters
        ----------
        frame : DataFrame
            As it came from the source.

        Returns
        -------
        QualityReport
        """
        keys = {self.problem.id, self.problem.time, self.problem.target, self.problem.group}
        described, findings = [], []
        cells = {"validity": [0, 0], "consistency": [0, 0]}
        for name in frame.columns:
            column = frame[name]
            numeric = _is_number(column, name, self.problem)
            far_out = _far_out(column) if numeric and name not in keys else np.zeros(len(frame), bool)
            misspelt = (
                np.zeros(len(frame), bool) if numeric or name in keys else _misspelt(column, len(frame))
            )
            described.append(
                (
                    name,
                    str(column.dtype),
                    column.isna().mean(),
                    column.nunique(),
                    far_out.mean(),
                    misspelt.mean(),
                )
            )
            if name not in keys:
                kind = "validity" if numeric else "consistency"
                cells[kind][0] += int(far_out.sum() + misspelt.sum())
                cells[kind][1] += int(column.notna().sum())
            findings += self._findings(column, far_out, misspelt, frame)
        duplicates = int(frame.duplicated().sum())
        if duplicates:
            findings.append(_duplicates(duplicates, frame, self.problem))
        scores = {
            "completeness": 1 - float(frame.isna().to_numpy().mean()),
            **{kind: 1 - bad / max(total, 1) for kind, (bad, total) in cells.items()},
            "uniqueness": 1 - duplicates / max(len(frame), 1),
        }
        columns = pd.DataFrame(
            described, columns=["column", "type", "missing", "distinct", "far_out", "misspelt"]
        )
        return QualityReport(len(frame), duplicates, columns, tuple(findings), scores)

    def _findings(
        self, column: pd.Series, far_out: np.ndarray, misspelt: np.ndarray, frame: pd.DataFrame
    ) -> list[Finding]:
        marks = [
            ("missing", column.isna().to_numpy(), "imputed, with a column that says it was missing"),
            ("far out", far_out, f"held within {FAR_OUT:g} interquartile ranges of the quartiles"),
            ("misspelt", misspelt, "read as the usual spelling"),
        ]
        found = []
        for check, rows, advice in marks:
            if rows.any():
                values = column[rows] if check != "missing" else self._names(frame, rows)
                examples = tuple(f"{value}" for value in values.drop_duplicates().head(3))
                found.append(
                    Finding(check, str(column.name), int(rows.sum()), float(rows.mean()), examples, advice)
                )
        if (column.isna() | (column == column.iloc[0])).all() and str(
            column.name
        ) not in self.problem.reserved:
            found.append(
                Finding("constant", str(column.name), len(frame), 1.0, (), "says nothing; leave it out")
            )
        return found

    def _names(self, frame: pd.DataFrame, rows: np.ndarray) -> pd.Series:
        return frame.loc[rows, self.problem.id] if self.problem.id else pd.Series(np.flatnonzero(rows))


def _share(share: float) -> str:
    if share == 0:
        return "None"
    return percent(share) if share >= 0.001 else "Less than 0.1 %"


def _is_number(column: pd.Series, name: str, problem: Problem) -> bool:
    if name in problem.columns.categorical or pd.api.types.is_bool_dtype(column):
        return False
    return bool(pd.api.types.is_numeric_dtype(column))


def _far_out(column: pd.Series) -> np.ndarray:
    table = column.to_frame()
    cleaner = NumericCleaner(FAR_OUT).fit(table)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        return (values < cleaner.lower_[0]) | (values > cleaner.upper_[0])


def _misspelt(column: pd.Series, n_rows: int) -> np.ndarray:
    """Mark rows whose category is a rarer spelling of another one."""
    if pd.api.types.is_datetime64_any_dtype(column) or column.nunique() > MAX_CATEGORIES:
        return np.zeros(n_rows, bool)
    codes, distinct = pd.factorize(column)
    spelling = usual_spelling(column)
    rare = [spelling[normal_form(value)] != _written(value) for value in distinct]
    return np.array([*rare, False])[codes]


def _written(value: object) -> str:
    """Return a value as it stands in the table, outer blanks and all."""
    return value if isinstance(value, str) and word(value) not in ("true", "false") else word(value)


def _duplicates(n: int, frame: pd.DataFrame, problem: Problem) -> Finding:
    repeated = frame[frame.duplicated()]
    examples = repeated[problem.id].astype(str).head(3) if problem.id else repeated.index.astype(str)[:3]
    advice = "dropped: delivered twice" if problem.id else f"kept: without an id these {count(n)} may be real"
    return Finding("repeated row", "(all)", n, n / len(frame), tuple(examples), advice)
