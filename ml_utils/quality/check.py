"""`DataQuality`: a table held to rules that were learnt from the training rows, dimension by dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.problem import Problem
from ml_utils.quality import findings
from ml_utils.quality.duplicates import THRESHOLD, repeats_across
from ml_utils.quality.enforcement import Marks, enforce, prepare
from ml_utils.quality.findings import Maker
from ml_utils.quality.inference import infer_rules
from ml_utils.quality.integrity import Link, check_links
from ml_utils.quality.outliers import Outliers, find_outliers
from ml_utils.quality.report import QualityReport, SplitsReport
from ml_utils.quality.rules import Rules
from ml_utils.quality.timeliness import Timeliness, check_time


class DataQuality:
    """Check tables against rules that are learnt from the training rows, or that a person wrote.

    Parameters
    ----------
    problem : Problem
    seed : int
        For samples, and for the built-in retailer's reference tables.
    rules : Rules, optional
        Taken instead of inferred ones, as from `load_or_infer`.
    n_customers : int
        Size of the built-in retailer, for its reference and event tables.
    now : str or Timestamp, optional
        When the tables arrived. Without it, no table is too old.
    others : mapping of str to DataFrame, optional
        Reference and event tables that are read already.

    Attributes
    ----------
    rules_ : Rules
        What tables are held to; after `fit`.

    Examples
    --------
    >>> from ml_utils.problem import load_problem
    >>> from ml_utils.synthetic import read_view
    >>> frame, _ = read_view("churn", 200, 1)
    >>> report = DataQuality(load_problem("churn")).check(frame)
    >>> sorted({f.column for f in report.findings if f.check == "misspelt"})
    ['contract', 'gender', 'payment_method']
    """

    def __init__(
        self,
        problem: Problem,
        seed: int = 42,
        rules: Rules | None = None,
        n_customers: int = 10_000,
        now: str | pd.Timestamp | None = None,
        others: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        self.problem = problem
        self.seed = seed
        self.rules = rules
        self.n_customers = n_customers
        self.now = now
        self.others = others

    def fit(self, train: pd.DataFrame) -> Self:
        """Learn the rules from the training rows, unless they were given.

        Raises
        ------
        DataError
            If there are no rows.
        """
        self.rules_ = self.rules or infer_rules(train, self.problem, self.seed)
        return self

    def check(self, frame: pd.DataFrame) -> QualityReport:
        """Look at every column and every row of a table.

        Parameters
        ----------
        frame : DataFrame
            As it came from the source, or a split. Without `fit` or given rules, the table is held to the
            rules that its own bulk keeps.

        Returns
        -------
        QualityReport

        Raises
        ------
        DataError
            If the table has no rows or no columns.
        """
        if frame.empty:
            raise DataError(
                f"The table has {len(frame):,} rows and {frame.shape[1]} columns; there is nothing to check. "
                "Bring one with rows."
            )
        given = getattr(self, "rules_", None) or self.rules
        return self._check(frame, given or infer_rules(frame, self.problem, self.seed), deep=True)

    def check_splits(self, splits: Mapping[str, pd.DataFrame]) -> SplitsReport:
        """Hold each split to the rules of the training rows, and look for rows that stand in two splits.

        Parameters
        ----------
        splits : mapping of str to DataFrame
            With "train"; from `data.split_frame`.

        Returns
        -------
        SplitsReport
        """
        if "train" not in splits:
            raise DataError(
                f"The splits lack 'train', which has the rules; got {', '.join(splits) or 'none'}."
            )
        if not hasattr(self, "rules_"):
            self.fit(splits["train"])
        reports = {
            name: self._check(split, self.rules_, deep=False) for name, split in splits.items() if len(split)
        }
        train = splits["train"]
        features = [str(name) for name in train.columns if name not in self.problem.reserved]
        repeats, _ = repeats_across(splits, self.rules_, features, self.seed)
        return SplitsReport(reports, repeats, THRESHOLD)

    def _check(self, frame: pd.DataFrame, rules: Rules, deep: bool) -> QualityReport:
        twice = frame.columns[frame.columns.duplicated()]
        rows = frame.loc[:, ~frame.columns.duplicated()]
        rows = rows.set_axis([str(name) for name in rows.columns], axis=1).reset_index(drop=True)
        prepared = prepare(rows, rules.columns)
        marks = enforce(prepared, rules)
        keys = rows[[name for name in (self.problem.id, self.problem.time) if name in rows.columns]]
        maker = Maker(rows, keys, rules, self.problem)
        maker.columns_there(list(dict.fromkeys(map(str, twice))))
        missing = {name: rows[name].isna().to_numpy() for name in rows.columns}
        maker.missing(missing)
        maker.broken(marks)
        repeated = self._unique(rows, rules, maker)
        links = check_links(rows, self.problem, self.n_customers, self.seed, self.others)
        maker.links(links)
        times = self._time(rows, rules, maker)
        outliers = self._outliers(prepared.clean, rules, maker, deep)
        scores = _scores(rows, rules, missing, marks, repeated, links, times, outliers)
        described = findings.describe(rows, prepared.clean, rules, marks, outliers)
        if deep:
            maker.constant(described)
        return QualityReport(
            rows=len(rows),
            duplicates=int(repeated.sum()),
            columns=described,
            findings=tuple(maker.found),
            scores=scores,
            outliers=outliers if deep else None,
            timeliness=times,
            marks=maker.marks,
            keys=keys,
        )

    def _unique(self, rows: pd.DataFrame, rules: Rules, maker: Maker) -> np.ndarray:
        """Mark rows that repeat another, and rows that share a key with one that says something else."""
        whole = _hashable(rows)
        repeated = whole.duplicated().to_numpy()
        key = [name for name in rules.table.key if name in rows.columns]
        shared = np.zeros(len(rows), bool)
        if key and len(key) == len(rules.table.key):
            first = whole.loc[~repeated, key]
            shared[~repeated] = first.duplicated(keep=False).to_numpy()
        maker.repeated(repeated, shared, key)
        return repeated | shared

    def _time(self, rows: pd.DataFrame, rules: Rules, maker: Maker) -> Timeliness | None:
        rule = rules.table.time
        if rule is None or rule.column not in rows.columns:
            return None
        now = pd.Timestamp(self.now) if self.now is not None else None
        times = check_time(rows, rule, now)
        maker.times(times, rule)
        return times

    def _outliers(self, clean: pd.DataFrame, rules: Rules, maker: Maker, deep: bool) -> Outliers:
        named = {self.problem.id, self.problem.time, self.problem.target, self.problem.group}
        numeric = [
            name
            for name in clean.columns
            if name not in named and rules.columns[name].type in ("number", "whole number")
        ]
        outliers = find_outliers(clean[numeric], self.seed, forest=deep)
        maker.far_out(outliers)
        return outliers


def _hashable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose lists and dicts are text, so that repeated rows can be found."""
    changed = {}
    for name in [name for name in rows.columns if rows[name].dtype == object]:
        try:
            rows[name].map(hash)
        except TypeError:
            changed[name] = rows[name].map(str, na_action="ignore")
    return rows.assign(**changed) if changed else rows


def _scores(
    rows: pd.DataFrame,
    rules: Rules,
    missing: Mapping[str, np.ndarray],
    marks: Marks,
    repeated: np.ndarray,
    links: list[Link],
    times: Timeliness | None,
    outliers: Outliers,
) -> dict[str, float]:
    """Score each dimension by the share of cells, rows or periods that nothing was found in."""
    n = len(rows)
    filled = {name: n - int(empty.sum()) for name, empty in missing.items()}
    invalid = {name: np.zeros(n, bool) for name in rows.columns}
    spelt = 0
    torn = {relation.words: 0 for relation in rules.relations if set(relation.columns) <= set(rows.columns)}
    for (check, place), bad in marks.items():
        if check == "relation broken":
            torn[place] += int(bad.sum())
        elif check == "misspelt":
            spelt += int(bad.sum())
        else:
            invalid[place] |= bad
    words = sum(
        filled[name] for name in rows if name in rules.columns and rules.columns[name].type == "category"
    )
    lacking = [name for name in rules.columns if name not in rows.columns]
    cells = n * (rows.shape[1] + len(lacking))
    scores = {
        "completeness": sum(filled.values()) / max(cells, 1),
        "validity": 1 - sum(int(bad.sum()) for bad in invalid.values()) / max(sum(filled.values()), 1),
        "consistency": 1 - (spelt + sum(torn.values())) / max(words + n * len(torn), 1),
        "uniqueness": 1 - float(repeated.mean()),
    }
    if links:
        lost = sum(int(link.unknown.sum()) for link in links if link.required)
        lost += sum(link.orphans for link in links)
        total = sum(link.filled for link in links if link.required) + sum(link.events for link in links)
        scores["integrity"] = 1 - lost / max(total, 1)
    if times is not None:
        scores["timeliness"] = times.score
    far = sum(int(rows_out.sum()) for rows_out in outliers.far.values())
    scores["outliers"] = 1 - far / max(sum(filled[name] for name in outliers.far), 1)
    return scores
