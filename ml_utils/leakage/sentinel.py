"""The leak sentinel: names columns and rows that know the answer before a model learns from them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal, get_args

import pandas as pd

from ml_utils.data.schema import groups
from ml_utils.errors import DataError, LeakError, ParameterError
from ml_utils.leakage.by_model import ask_model, check_by_model
from ml_utils.leakage.columns import check_columns
from ml_utils.leakage.identifiers import check_identifiers
from ml_utils.leakage.over_time import check_changes, check_fading
from ml_utils.leakage.relations import check_beside_others, check_own_rates
from ml_utils.leakage.report import LeakFinding, LeakReport, ordered
from ml_utils.leakage.rows import check_rows
from ml_utils.leakage.sample import Looked, look
from ml_utils.problem import Problem

OnLeak = Literal["warn", "drop", "fail"]
_log = logging.getLogger(__name__)


class LeakSentinel:
    """Looks for columns, and rows, that know the answer.

    Parameters
    ----------
    problem : Problem
    on_leak : {"warn", "drop", "fail"}
        What to do about a sure leak among the columns that a model would see, or among the rows: report it,
        have `LeakReport.apply` drop the column, or raise. Suspects are only ever named.
    seed : int
    max_rows : int
        Training rows that the statistics look at; twins and target means are sought in all rows.

    Notes
    -----
    A noisy copy of the target can be told from an honest strong column as long as it is alone strong (an AUC
    of 0.93 and more), or shares nothing with the other columns but the answer. That needs an AUC of 0.7 to
    0.8, some thousand rows, and other columns that predict the answer, too. A count that goes on after the
    answer is found where the rest of it can be reproduced from other columns, or as a noisy copy is. What is
    fainter is an honest column by all that the table shows. `benchmarks/bench_leakage.py` measures how often
    each strength is found.
    """

    def __init__(
        self, problem: Problem, on_leak: OnLeak = "warn", seed: int = 42, max_rows: int = 20_000
    ) -> None:
        self.problem = problem
        self.on_leak = on_leak
        self.seed = seed
        self.max_rows = max_rows

    def check(self, splits: Mapping[str, pd.DataFrame]) -> LeakReport:
        """Look at a problem's splits.

        Parameters
        ----------
        splits : mapping of str to DataFrame
            From `data.split_frame`; "train" must be there.

        Returns
        -------
        LeakReport

        Raises
        ------
        LeakError
            Under ``on_leak="fail"``, if there is a sure leak that a model would see; lists all findings.
        ParameterError
            If `on_leak` is none of the three.
        DataError
            If there is no training split, or it has no rows or no target.
        """
        self._check(splits)
        looked = look(splits["train"], self.problem, self.max_rows, self.seed)
        findings = ordered(self._find(looked, splits))
        serious = [f for f in findings if f.certainty == "leak" and f.used]
        dropped = [f.column for f in serious if not f.rows] if self.on_leak == "drop" else []
        sizes = {name: len(split) for name, split in splits.items()} | {"train": len(looked.y)}
        report = LeakReport(findings, tuple(dict.fromkeys(dropped)), tuple(looked.columns), sizes)
        for finding in report.of("leak", "suspect"):
            if not finding.used:
                continue
            _log.warning("%s", finding.sentence())
        if self.on_leak == "fail" and serious:
            raise LeakError(_refusal(report, len(serious)))
        return report

    def _find(self, looked: Looked, splits: Mapping[str, pd.DataFrame]) -> list[LeakFinding]:
        found = check_columns(looked) + check_identifiers(looked) + check_changes(looked)
        everything = pd.concat([looked.train, *(s for n, s in splits.items() if n != "train")])
        found += check_own_rates(looked, everything, groups(everything, self.problem))
        found += check_beside_others(looked, _alone_enough(found))
        found += check_fading(looked, splits, self.seed, self.max_rows)
        leaks = {finding.column for finding in found if finding.certainty == "leak"}
        found += check_by_model(ask_model(looked, leaks), looked)
        return found + check_rows(looked, splits, self.seed)

    def _check(self, splits: Mapping[str, pd.DataFrame]) -> None:
        if self.on_leak not in get_args(OnLeak):
            allowed = ", ".join(get_args(OnLeak))
            raise ParameterError(f"on_leak must be one of {allowed}; got {self.on_leak!r}.")
        if "train" not in splits:
            raise DataError(
                f"There is no split 'train' among {', '.join(map(str, splits)) or 'none'}. "
                "Give the splits as data.split_frame made them."
            )


def _alone_enough(found: list[LeakFinding]) -> set[str]:
    """Columns that are leaks whatever stands beside them."""
    return {finding.column for finding in found if finding.certainty == "leak" and finding.strength >= 0.995}


def _refusal(report: LeakReport, n: int) -> str:
    lines = [f"  {finding.certainty}: {finding.sentence()}" for finding in report.findings]
    return (
        f"{n} sure {'leak' if n == 1 else 'leaks'} in the table (on_leak is fail):\n"
        + "\n".join(lines)
        + "\nList the columns under columns.ignore in the problem file, or set on_leak to drop or warn."
    )
