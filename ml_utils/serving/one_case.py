"""One row with its whole story: who it is about, what made its score, and what came true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.client.answers import Explanation, ServiceRefused
from ml_utils.wording import count, figure

if TYPE_CHECKING:
    from ml_utils.client.calling import Client

_SHOWN = 8  # columns; the rest is told as one
_NOT_OFFERED = 404


@dataclass(frozen=True)
class Case:
    """A raw row of a split.

    Parameters
    ----------
    row : mapping
        Raw column to JSON value.
    customer : str or None
        Who it is about, where the table says so.
    outcome : float
        What came true: 1 for the positive class, or the target's value.
    """

    row: Mapping[str, object]
    customer: str | None
    outcome: float


@dataclass(frozen=True)
class ExplainedCase:
    """What the service said about a row's score.

    Parameters
    ----------
    case : Case
    explanation : Explanation or None
        None where the service explains nothing.
    why_not : str
        Its reason.
    """

    case: Case = field(repr=False)
    explanation: Explanation | None
    why_not: str = ""

    def results(self) -> dict[str, object]:
        """Return every number that is shown, unrounded."""
        if self.explanation is None:
            return {"explained": False, "why_not": self.why_not}
        return {
            "explained": True,
            "score": self.explanation.score,
            "base": self.explanation.base,
            "sum": self._sum,
            "scale": self.explanation.scale,
            "contributions": self._rows(self.explanation),
        }

    @property
    def _sum(self) -> float:
        assert self.explanation is not None
        return self.explanation.base + sum(self.explanation.contributions.values())

    def _rows(self, explanation: Explanation) -> list[dict[str, object]]:
        ordered = list(explanation.contributions.items())
        shown, rest = ordered[:_SHOWN], ordered[_SHOWN:]
        rows: list[dict[str, object]] = [
            {"column": name, "value": self.case.row[name], "contribution": value} for name, value in shown
        ]
        if rest:
            together = sum(value for _, value in rest)
            rows.append({"column": f"the other {len(rest)}", "value": "", "contribution": together})
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return one row a column: its value and what it added, largest first; the small ones together."""
        if self.explanation is None:
            return pd.DataFrame(columns=["column", "value", "contribution"])
        frame = pd.DataFrame(self._rows(self.explanation))
        values = ["unknown" if value is None else str(value) for value in frame["value"]]
        added = [f"{value:.3f}" for value in frame["contribution"]]
        return frame.assign(value=values, contribution=added)

    def _repr_html_(self) -> str:
        return "" if self.explanation is None else str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say how the parts make the score, or why they are not told."""
        if self.explanation is None:
            return f"The service explains nothing here: {self.why_not}."
        base = f"The base of {figure(self.explanation.base)} and the contributions of "
        columns = f"{count(len(self.explanation.contributions))} columns add up to {figure(self._sum)}"
        if self.explanation.scale != "log-odds":
            return f"{base}{columns}, the predicted value."
        return f"{base}{columns} in log-odds, a probability of {figure(self.explanation.score)}."


def explain_case(client: Client, case: Case) -> ExplainedCase:
    """Ask a running service what made a row's score.

    Parameters
    ----------
    client : Client
    case : Case

    Raises
    ------
    ServiceError
        If it does not answer, or refuses for another reason than that it explains nothing.
    """
    try:
        return ExplainedCase(case, client.explain(case.row, case.customer))
    except ServiceRefused as refusal:
        if refusal.status != _NOT_OFFERED or not refusal.faults:
            raise
        return ExplainedCase(case, None, refusal.faults[0].message)
