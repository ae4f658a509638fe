"""The built-in retailer's known changes beside what the monitor found; a simulated shift for other tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils import data
from ml_utils.monitoring.column_checks import kind_of
from ml_utils.problem import Problem, RetailerSource
from ml_utils.wording import listing, times

if TYPE_CHECKING:
    from ml_utils.monitoring.result import MonitorResult

_FIRST_MONTH = "2024-01"  # month 0 of the retailer
_CUSTOMERS = ("price_rise_90d", "monthly_charges", "logins_30d")
_COLUMNS = {"churn": _CUSTOMERS, "spend": _CUSTOMERS, "conversion": ("utm_source", "device_type")}


@dataclass(frozen=True)
class KnownChanges:
    """What was changed in the world, and when.

    Parameters
    ----------
    columns : tuple of str
        Columns whose distribution was moved.
    columns_from : str
        First period in which they differ.
    relation_from : str or None
        First period in which the same columns lead to another outcome; None where they don't.
    """

    columns: tuple[str, ...]
    columns_from: str
    relation_from: str | None


@dataclass(frozen=True)
class ChangeCheck:
    """A monitor's findings held against the known changes.

    Parameters
    ----------
    known : KnownChanges
    found : dict of str to str
        Column to the first period in which it was flagged.
    first_outcome : str or None
        First period in which performance or calibration was flagged.
    before : int
        Columns and periods flagged before anything was changed.
    tests_before : int
        Columns and periods compared before.
    """

    known: KnownChanges
    found: dict[str, str]
    first_outcome: str | None
    before: int
    tests_before: int

    @property
    def missed(self) -> list[str]:
        """Changed columns that were not flagged."""
        return [name for name in self.known.columns if name not in self.found]

    @property
    def unexpected(self) -> list[str]:
        """Flagged columns that were not changed."""
        return [name for name in self.found if name not in self.known.columns]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a question."""
        first = min(self.found.values(), default="never")
        rows = [
            ("columns that changed", listing(self.known.columns), listing(list(self.found)) or "none"),
            ("their first period", self.known.columns_from, first),
            ("other columns flagged", "none", listing(self.unexpected) or "none"),
            ("flagged before the change", "none", f"{self.before} of {self.tests_before}"),
            (
                *("first period in which outcomes left the scores",),
                self.known.relation_from or "never",
                self.first_outcome or "never",
            ),
        ]
        return pd.DataFrame(rows, columns=["question", "true", "found"])

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say in words how well the monitor did."""
        right = len(self.known.columns) - len(self.missed)
        found = f"{right} of {len(self.known.columns)} columns that were changed were found"
        wrong = f"{times(len(self.unexpected), 'other column')} flagged"
        early = f"{times(self.before, 'false alarm')} in {self.tests_before} tests before the change"
        return f"{found}, {wrong}, {early}."


def known_changes(problem: Problem) -> KnownChanges | None:
    """Return what the built-in retailer changed; None for any other table.

    Examples
    --------
    >>> from ml_utils.problem import load_problem
    >>> known_changes(load_problem("churn")).columns_from
    '2025-06'
    """
    if not isinstance(problem.source, RetailerSource):
        return None
    from ml_utils.synthetic.truth import TRUTH

    start = pd.Period(_FIRST_MONTH, "M")
    view = problem.source.view
    relation = None if view == "spend" else str(start + TRUTH.drift.relation_month)
    return KnownChanges(_COLUMNS[view], str(start + TRUTH.drift.covariate_month), relation)


def check_changes(result: MonitorResult, known: KnownChanges) -> ChangeCheck:
    """Hold a monitor's result against the known changes.

    Parameters
    ----------
    result : MonitorResult
    known : KnownChanges

    Returns
    -------
    ChangeCheck
    """
    columns = result.drift[result.drift["kind"] != "score"]
    flagged = columns[columns["drifted"]]
    early = columns[columns["period"] < known.columns_from]
    fallen = result.of_metric()
    outcomes = {
        *fallen.loc[fallen["fallen"], "period"],
        *result.calibration.loc[result.calibration["shifted"], "period"],
    }
    return ChangeCheck(
        known=known,
        found={str(name): str(period) for name, period in flagged.groupby("column")["period"].min().items()},
        first_outcome=min(outcomes, default=None),
        before=int(early["drifted"].sum()),
        tests_before=len(early),
    )


@dataclass(frozen=True)
class SimulatedShift:
    """A table in which one numeric column was moved on purpose from one period on."""

    frame: pd.DataFrame
    column: str
    since: str
    amount: float


def simulate_shift(
    frame: pd.DataFrame,
    problem: Problem,
    influence: pd.Series,
    size: float = 0.5,
    n_periods: int = 6,
) -> SimulatedShift | None:
    """Move the most influential numeric column from the middle period on, to show what the monitor sees.

    Parameters
    ----------
    frame : DataFrame
    problem : Problem
    influence : Series
        Column to its share of the model's score, largest first.
    size : float
        Of the shift, in standard deviations of the column.
    n_periods : int

    Returns
    -------
    SimulatedShift or None
        None where there is no numeric column with more than ten values.
    """
    names = [str(name) for name in influence.index if kind_of(frame[name]) == "numeric"]
    graded = [name for name in names if frame[name].nunique() > 10]
    if not graded:
        return None
    period = data.periods(frame, problem, n_periods)
    order = list(pd.unique(period))
    later = period.isin(order[len(order) // 2 :]).to_numpy()
    column, moved = graded[0], frame.copy()
    amount = size * float(frame[column].std())
    moved[column] = frame[column].astype(float).where(~later, frame[column].astype(float) + amount)
    return SimulatedShift(moved, column, str(order[len(order) // 2]), amount)
