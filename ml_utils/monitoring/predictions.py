"""A prediction log as a table for `ModelMonitor`: what one version answered, and what came true of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils import data
from ml_utils.credentials import REFUSED, is_url, literal_credential, mask
from ml_utils.errors import DataError, OctavoError, ParameterError
from ml_utils.paths import project_root
from ml_utils.prediction_log import read
from ml_utils.prediction_log.log import open_store
from ml_utils.prediction_log.reading import input_column
from ml_utils.problem import Problem
from ml_utils.wording import count, listing, percent, times

if TYPE_CHECKING:
    from ml_utils.registry.inputs import InputSchema
    from ml_utils.registry.registered import RegisteredModel

SCORE = "served score"
VERSION = "served version"
_STATES = (
    "SELECT count(*), max(seq) FROM predictions",
    "SELECT count(*), max(time) FROM prediction_outcomes",
)


@dataclass(frozen=True)
class Predictions:
    """What one version of a model answered.

    Parameters
    ----------
    table : DataFrame
        One row a prediction, in order of time: the problem's columns with the types of training, the target
        (missing where the outcome is not known yet), and SCORE and VERSION as they were served.
    place : str
        The log, without credentials.
    version : int
    others : dict of int to int
        Other versions in the log to the predictions they answered; these are not in the table.
    outcomes : int
        Predictions whose outcome is known by now.
    odd : int
        Outcomes of a binary problem that are neither 0 nor 1; they count as not known.
    repeated : int
        Predictions of a customer who has an earlier one in the same period; they are in the table.
    first, last : Timestamp
        Times (UTC) of the first and the last prediction.
    replayed : bool
        Whether it is no service's log, but one that `replay` wrote.
    has_times : bool
        Whether the times mean something; a table that is replayed may have none.
    """

    table: pd.DataFrame
    place: str
    version: int
    others: Mapping[int, int]
    outcomes: int
    odd: int
    repeated: int
    first: pd.Timestamp
    last: pd.Timestamp
    replayed: bool = False
    has_times: bool = True

    def results(self) -> dict[str, object]:
        """Return what is the same in each run on the same log: all but versions and places."""
        return {
            "predictions": len(self.table),
            "outcomes": self.outcomes,
            "odd_outcomes": self.odd,
            "repeated": self.repeated,
            "of_other_versions": sum(self.others.values()),
            "first": self.first.isoformat() if self.has_times else None,
            "last": self.last.isoformat() if self.has_times else None,
            "replayed": self.replayed,
        }

    def measured(self) -> dict[str, object]:
        """Return what differs from run to run: the log's name, and by version its predictions."""
        return {"log": self.place, "predictions": {self.version: len(self.table), **self.others}}

    def sentence(self) -> str:
        """Say where the rows come from: how many, of which version, over which span, with which outcomes."""
        n = len(self.table)
        what = f"{times(n, 'prediction')} of version {self.version}{self._span()}"
        if self.replayed:
            whence = f"No service's log was named, so production was replayed into {self.place}: {what}"
        else:
            whence = f"The rows are what was served, from the prediction log {self.place}: {what}"
        known = f"the outcome is known by now for {count(self.outcomes)} ({percent(self.outcomes / n)})"
        return f"{whence}; {known}{self._beside()}."

    def _span(self) -> str:
        first, last = f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"
        if not self.has_times:
            return ""
        return f" on {first}" if first == last else f" from {first} to {last}"

    def _beside(self) -> str:
        said = []
        if self.others:
            each = [f"{count(rows)} of version {version}" for version, rows in sorted(self.others.items())]
            said.append(f"left out: {listing(each)}")
        if self.odd:
            said.append(f"{times(self.odd, 'outcome')} neither 0 nor 1, taken as not known")
        if self.repeated:
            said.append(f"{times(self.repeated, 'prediction')} of customers who had one in the same period")
        return "".join(f"; {part}" for part in said)


def read_predictions(
    log: str | Path,
    problem: Problem,
    registered: RegisteredModel,
    reference: pd.DataFrame,
    since: str = "",
    until: str = "",
    n_periods: int = 6,
    replayed: bool = False,
) -> Predictions:
    """Read what a version of the model answered from a prediction log.

    Parameters
    ----------
    log : str or Path
        A file (a relative path starts at the project's root) or postgresql://user:${PASSWORD}@host/database.
    problem : Problem
    registered : RegisteredModel
        The version; its schema gives the columns their types. What other versions answered is counted and
        left out, what was only scored aside (shadows) is left out.
    reference : DataFrame
        Rows of the problem's table: outcomes get its target's values, times its time column's zone.
    since, until : str
        From this moment on, and before that one; empty for all.
    n_periods : int
        As for `ModelMonitor`.
    replayed : bool
        Whether `replay` wrote the log.

    Returns
    -------
    Predictions

    Raises
    ------
    ParameterError
        If a moment is none, or the address holds a password.
    LogUnavailable
        If there is no log, or it cannot be read.
    DataError
        If the version answered nothing in that span, or its inputs are not those of the schema.
    """
    logged = read(_address(log), since or None, until or None)
    place = shown(log)
    counts = logged["version"].value_counts().to_dict()
    version = registered.version
    own = logged[logged["version"] == version].reset_index(drop=True)
    if own.empty:
        raise DataError(_nothing_of(version, counts, place, since, until))
    table = _inputs(own, registered.schema, version, place)
    if problem.time:
        table.insert(0, problem.time, _in_zone(own["time"], reference[problem.time]))
    units = _units(own)
    for column in {problem.id, problem.group} - {None}:
        table.insert(0, str(column), units)
    known = own["outcome"].notna()
    table[problem.target] = _targets(own["outcome"], reference[problem.target], problem)
    table[SCORE], table[VERSION] = own["score"], own["version"].astype("int64")
    period = data.periods(table, problem, n_periods)
    again = pd.DataFrame({"customer": units, "period": period}).duplicated()
    return Predictions(
        table=table,
        place=place,
        version=version,
        others={int(key): int(n) for key, n in counts.items() if key != version},
        outcomes=int(table[problem.target].notna().sum()),
        odd=int((known & table[problem.target].isna()).sum()),
        repeated=int(again.sum()),
        first=own["time"].iloc[0],
        last=own["time"].iloc[-1],
        replayed=replayed,
        has_times=not replayed or problem.time is not None,
    )


def log_state(log: str | Path) -> str:
    """Tell, without reading a log, whether it changed: by its numbers of predictions and of outcomes.

    Raises
    ------
    ParameterError
        If the address holds a password.
    """
    try:
        address = _address(log)
        store = open_store(address)
        return " ".join(str(row) for query in _STATES for rows in store.rows(query, (), 1) for row in rows)
    except ParameterError:
        raise
    except OctavoError:
        return "out of reach"


def shown(log: str | Path) -> str:
    """Return how a log is named on a page."""
    if is_url(str(log)):
        return mask(str(log))
    path = Path(log)
    return (path.relative_to(project_root()) if path.is_relative_to(project_root()) else path).as_posix()


def _address(log: str | Path) -> str | Path:
    """Return a log's address, a relative path from the project's root; refuse one that holds a password."""
    text = str(log)
    found = literal_credential(text)
    if found:
        raise ParameterError(
            f"{mask(text)} holds {found}; {REFUSED}: write ${{NAME}} in its place and set the variable NAME."
        )
    return text if is_url(text) or text.startswith(("$", "~")) else project_root() / text


def _nothing_of(version: int, counts: Mapping[int, int], place: str, since: str, until: str) -> str:
    span = f"{f' from {since} on' if since else ''}{f' before {until}' if until else ''}"
    if not counts:
        return (
            f"The prediction log {place} holds no predictions{span}. Let the service answer first"
            f"{', or take another span' if span else ''}."
        )
    found = listing([f"version {key} ({times(n, 'row')})" for key, n in sorted(counts.items())])
    return (
        f"Version {version}, which notebook 3 judged, answered nothing in the prediction log {place}{span}; "
        f"there is {found}. Only version {version} is known not to have learnt from the test split, which is "
        "the reference here: promote and serve it, have notebooks 2 and 3 make and judge a new one to serve, "
        f"or take another log{' or span' if span else ''}."
    )


def _inputs(own: pd.DataFrame, schema: InputSchema, version: int, place: str) -> pd.DataFrame:
    """Return the logged inputs with the columns and types of training."""
    names = {input_column(column.name): column.name for column in schema.columns}
    given = own[[name for name in names if name in own.columns]].rename(columns=names)
    try:
        return schema.prepare(given)
    except DataError as error:
        raise DataError(
            f"The rows of version {version} in the prediction log {place} are not what version {version} of "
            f"the registry takes: {error} Another model's service may have written them; name its own log."
        ) from None


def _in_zone(moments: pd.Series, like: pd.Series) -> pd.Series:
    """Give moments, which are UTC without a zone, the zone of a time column."""
    return moments if like.dt.tz is None else moments.dt.tz_localize("UTC").dt.tz_convert(like.dt.tz)


def _units(own: pd.DataFrame) -> pd.Series:
    """Return whose prediction each is; one without a customer is its own."""
    each = own["request_id"].astype("str") + "/" + own["row_no"].astype("str")
    return own["customer"].astype("str").where(own["customer"].notna(), "request " + each)


def _targets(outcome: pd.Series, target: pd.Series, problem: Problem) -> pd.Series:
    """Give outcomes the values that the target has in the table."""
    if problem.task == "regression":
        return outcome.astype("float64")
    positive = data.is_positive(target, problem)
    values = {1.0: target[positive].iloc[0], 0.0: target[~positive & target.notna()].iloc[0]}
    return outcome.astype("object").map(values)
