"""A first look at a table: everything that statistics can say about it before a model is fitted."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ml_utils.exploration.associations import Associations, associate, columns_that_matter
from ml_utils.exploration.by_value import target_by_value
from ml_utils.exploration.columns import ColumnSummary, Distributions, distributions, summarise
from ml_utils.exploration.missing import Missingness, find_missing
from ml_utils.exploration.over_time import OverTime, over_time
from ml_utils.exploration.projection import Projection, project
from ml_utils.exploration.redundancy import Redundancy, relate
from ml_utils.exploration.variables import prepare
from ml_utils.problem import Problem
from ml_utils.wording import listing

SHOWN = 6


@dataclass(frozen=True)
class Exploration:
    """What a first look found.

    Parameters
    ----------
    problem : Problem
    sampling : str
        Which rows tests looked at, in a sentence.
    left_out : dict of str to str
        Columns that statistics can say nothing about, and why.
    columns : ColumnSummary
    missing : Missingness
    associations : Associations
    redundancy : Redundancy
    projection : Projection or None
    time : OverTime or None
    columns_that_matter : list of str
        Few columns with a real effect on the target that don't repeat one another; strongest first.
    shown : list of str
        The same, or the strongest columns where none has an effect that could be shown.
    distributions : Distributions
        Of the columns shown, by class.
    by_value : dict of str to DataFrame
        How the target runs over the values of the columns shown.
    """

    problem: Problem
    sampling: str
    left_out: dict[str, str]
    columns: ColumnSummary
    missing: Missingness
    associations: Associations
    redundancy: Redundancy
    projection: Projection | None
    time: OverTime | None
    columns_that_matter: list[str]
    shown: list[str]
    distributions: Distributions
    by_value: dict[str, pd.DataFrame]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a column: what it holds and what it has to do with the target."""
        columns = ["column", "test", "effect", "value", "low", "high", "size", "q_value", "verdict"]
        table = self.columns.table.drop(columns="rows")
        both = table.merge(self.associations.table[columns], on="column", how="left")
        both["matters"] = both["column"].isin(self.columns_that_matter)
        return both.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)

    def sentences(self) -> list[str]:
        """Say what was found: rows, columns, empty cells, target, repetition, time."""
        found = [
            self.sampling,
            self.columns.sentence(),
            self.missing.sentence(),
            self.associations.sentence(),
        ]
        if self.columns_that_matter:
            found.append(f"The columns that matter, repetitions left out, are {self._named()}.")
        else:
            found.append("No column by itself has a relation to the target that could be shown.")
        found.append(self.redundancy.sentence())
        if self.projection is not None:
            found.append(self.projection.sentence())
        if self.time is not None:
            found.append(self.time.sentence())
        if self.left_out:
            why = [f"{name} ({reason})" for name, reason in self.left_out.items()]
            found.append(f"Nothing can be said about {listing(why)}.")
        return found

    def as_results(self) -> dict[str, Any]:
        """Return everything that a page shows, ready to be recorded as JSON."""
        found: dict[str, Any] = {
            "sentences": self.sentences(),
            "columns_that_matter": self.columns_that_matter,
            "left_out": self.left_out,
            "columns": self.columns.table,
            "missing": {
                "columns": self.missing.to_frame(),
                "patterns": self.missing.patterns,
                "together": self.missing.together.head(20),
                "related": self.missing.related,
            },
            "associations": self.associations.table,
            "tests": {"family": self.associations.family, "alpha": self.associations.alpha},
            "distributions": self.distributions.summary,
            "by_value": self.by_value,
            "pairs": self.redundancy.pairs.head(40),
            "variance_inflation": self.redundancy.vif,
            "redundant_groups": self.redundancy.groups,
        }
        if self.projection is not None:
            found["components"] = self.projection.explained
            found["loadings"] = self.projection.loadings
        if self.time is not None:
            found["time"] = {"series": self.time.to_frame(), "values": self.time.table}
        return found

    def _named(self) -> str:
        table = self.associations.table.set_index("column")
        return listing([f"{name} ({table.loc[name, 'verdict']})" for name in self.columns_that_matter], SHOWN)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences())
        return f"<ul>{items}</ul>"


def explore(
    frame: pd.DataFrame, problem: Problem, seed: int = 42, *, max_rows: int = 50_000, tsne: bool = True
) -> Exploration:
    """Take a first look at the training rows.

    Columns and patterns of empty cells are counted on all rows. Tests look at independent rows only: where an
    entity stands in several rows, at one of them at most; and at `max_rows` at most. Each result says how
    many it looked at.

    Parameters
    ----------
    frame : DataFrame
        The training split, from `data.split_frame`.
    problem : Problem
    seed : int
        The same seed gives the same result.
    max_rows : int
        Rows that tests look at.
    tsne : bool
        Whether to lay rows out by t-SNE, which takes seconds.

    Returns
    -------
    Exploration

    Raises
    ------
    DataError
        If there are too few rows, the target has one value, or no column is left.
    """
    prepared = prepare(frame, problem, seed, max_rows)
    found = associate(prepared, seed)
    redundancy = relate(prepared, found.table["column"].tolist(), seed)
    matter = columns_that_matter(found, redundancy.strength, SHOWN)
    shown = matter or found.table["column"].head(4).tolist()
    return Exploration(
        problem,
        prepared.sentence(),
        prepared.left_out,
        summarise(frame, problem),
        find_missing(frame, problem, prepared, seed),
        found,
        redundancy,
        project(prepared, seed, tsne=tsne),
        over_time(frame, problem, shown),
        matter,
        shown,
        distributions(frame, shown, problem, seed),
        {name: target_by_value(frame, name, problem) for name in shown},
    )
