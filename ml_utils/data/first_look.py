"""What notebook 01 says about a table: target by period, description of splits, the answer's sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ml_utils.data.schema import features_and_target
from ml_utils.data.splits import periods
from ml_utils.leakage.report import LeakReport
from ml_utils.problem import Problem
from ml_utils.quality.report import QualityReport
from ml_utils.wording import count, figure, listing, percent


@dataclass(frozen=True)
class FirstLook:
    """A table's splits and columns, described."""

    problem: Problem
    splits: pd.DataFrame
    rates: pd.DataFrame
    screened: pd.DataFrame
    quality: QualityReport
    n_features: int
    leaks: LeakReport

    def to_frame(self) -> pd.DataFrame:
        """Return the splits: rows, from and to where there is a time, mean of the target."""
        return self.splits if self.problem.time else self.splits.drop(columns=["from", "to"])

    def sentences(self) -> list[str]:
        """Answer notebook 01's question in three sentences."""
        return [self._what(), self._sound(), self._says()]

    def _what(self) -> str:
        total = int(self.splits["rows"].sum())
        train = self.splits.iloc[0]
        if self.problem.task == "binary":
            rate = float((self.splits["target mean"] * self.splits["rows"]).sum() / total)
            what = f"of which {percent(rate)} {self.problem.outcome or 'are positive'}"
        else:
            what = f"with a mean {self.problem.target} of {train['target mean']:,.1f} in training"
        return (
            f"The table has {count(total)} rows of {self.problem.entity}, {what}; "
            f"{count(train['rows'])} of them teach the model, the rest test it and stand for production."
        )

    def _sound(self) -> str:
        kept = {finding.column for finding in self.leaks.of("leak") if not finding.used}
        used = [finding.column for finding in self.leaks.of("leak") if finding.used]
        asked = [finding.column for finding in self.leaks.of("suspect")]
        if self.leaks.dropped:
            leak = f"{listing(list(self.leaks.dropped))} knew the answer and was dropped"
        elif used:
            leak = f"{listing(used)} knows the answer and must not go on to the model"
        elif asked:
            leak = f"{listing(asked)} may know the answer and must be asked about"
        elif kept:
            leak = f"{listing(sorted(kept))} knows the answer and is kept from the model"
        else:
            leak = "no column knows the answer"
        return f"{self.quality.sentence().rstrip('.')}; {leak}."

    def _says(self) -> str:
        honest = self.screened[self.screened["used"]].head(3)
        what = "AUC" if self.problem.task == "binary" else "rank correlation"
        top = [f"{row.column} ({what} {figure(row.strength, 2)})" for row in honest.itertuples()]
        return (
            f"The columns that say most by themselves are {listing(top)}; "
            f"{count(self.screened['used'].sum())} columns become {count(self.n_features)} features."
        )


def describe(
    splits: Mapping[str, pd.DataFrame],
    problem: Problem,
    screened: pd.DataFrame,
    quality: QualityReport,
    n_features: int,
    leaks: LeakReport,
) -> FirstLook:
    """Describe the splits of a table.

    Parameters
    ----------
    splits : mapping of str to DataFrame
        From `data.split_frame`.
    problem : Problem
    screened : DataFrame
        From `screening.screen_columns`.
    quality : QualityReport
    n_features : int
        Number of features that were made.
    leaks : LeakReport

    Returns
    -------
    FirstLook
    """
    rows, rates = [], []
    months = problem.time is not None and len(_months(splits, problem.time)) > 1
    for name, split in splits.items():
        y = features_and_target(split, problem)[1]
        span = ["", ""]
        if problem.time:
            span = [str(split[problem.time].min().date()), str(split[problem.time].max().date())]
        rows.append((name, len(split), *span, float(y.mean())))
        label = _label(split, name, problem, months)
        rate = y.groupby(label, sort=False).agg(["size", "mean"])
        rates += [(period, name, int(n), float(mean)) for period, n, mean in rate.itertuples()]
    return FirstLook(
        problem,
        pd.DataFrame(rows, columns=["split", "rows", "from", "to", "target mean"]),
        pd.DataFrame(rates, columns=["period", "split", "rows", "target"]),
        screened,
        quality,
        n_features,
        leaks,
    )


def _months(splits: Mapping[str, pd.DataFrame], time: str) -> set[str]:
    return {month for split in splits.values() for month in split[time].dt.strftime("%Y-%m").unique()}


def _label(split: pd.DataFrame, name: str, problem: Problem, months: bool) -> pd.Series:
    """Name each row's period: its month where the table has several, else what `periods` calls it."""
    if problem.time is None:
        return pd.Series(name, index=split.index)
    return split[problem.time].dt.strftime("%Y-%m") if months else periods(split, problem, 1)
