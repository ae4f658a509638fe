"""Reading the log as a table: what was asked, what was answered, what came true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_utils.errors import ParameterError
from ml_utils.prediction_log.log import open_store

if TYPE_CHECKING:
    import pandas as pd

Moment = str | float | datetime
_CHUNK = 20_000  # rows
_OWN = ("request_id", "row_no", "time", "customer", "version", "variant", "shadow", "score", "act")
_OUTCOME = ("outcome", "outcome_time")


def read(
    url: str | Path, since: Moment | None = None, until: Moment | None = None, shadow: bool = False
) -> pd.DataFrame:
    """Return the logged predictions in the order of their times.

    Parameters
    ----------
    url : str or Path
        As for `open_log`.
    since, until : str, float or datetime, optional
        From this moment on, and before that one; ISO text, seconds since 1970, or a datetime. Without a zone
        it is UTC.
    shadow : bool
        Whether scores that were never answered are among them.

    Returns
    -------
    DataFrame
        request_id, row_no, time (UTC without a zone), customer, version, variant, shadow, score, act, the
        inputs a column each, outcome and outcome_time (missing until known). An input that is named like one
        of these gets " (input)" behind its name. What is missing in every row stays an empty column.

    Raises
    ------
    ParameterError
        If a moment is none.
    LogUnavailable
        If the log cannot be read.
    """
    import pandas as pd

    frames = [_frame(rows) for rows in _chunks(url, since, until, shadow)]
    if not frames:
        return _typed(pd.DataFrame(columns=[*_OWN, *_OUTCOME]))
    whole = pd.concat(frames, ignore_index=True)
    names = [name for name in whole.columns if name not in _OUTCOME]
    return _typed(whole[[*names, *_OUTCOME]])


def seconds_of(moment: Moment) -> float:
    """Return a moment as seconds since 1970.

    >>> seconds_of("1970-01-02")
    86400.0
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ParameterError(f"{moment!r} is no moment; write it like 2026-01-31T12:00.") from None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def input_column(name: str) -> str:
    """Return how the table of `read` calls an input.

    >>> input_column("score"), input_column("plan")
    ('score (input)', 'plan')
    """
    return f"{name} (input)" if name in (*_OWN, *_OUTCOME) else name


def _chunks(
    url: str | Path, since: Moment | None, until: Moment | None, shadow: bool
) -> Iterator[list[tuple[Any, ...]]]:
    conditions, values = [], []
    for moment, comparison in ((since, ">="), (until, "<")):
        if moment is not None:
            conditions.append(f"p.time {comparison} ?")
            values.append(seconds_of(moment))
    if not shadow:
        conditions.append("NOT p.shadow")
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    query = (
        f"SELECT {', '.join(f'p.{name}' for name in _OWN)}, p.inputs, o.outcome, o.time FROM predictions p "
        "LEFT JOIN prediction_outcomes o ON o.request_id = p.request_id AND o.row_no = p.row_no "
        f"{where}ORDER BY p.time, p.seq"
    )
    yield from open_store(url).rows(query, values, _CHUNK)


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    own = pd.DataFrame([(*row[: len(_OWN)], *row[-2:]) for row in rows], columns=[*_OWN, *_OUTCOME])
    inputs = pd.DataFrame.from_records([json.loads(row[len(_OWN)]) for row in rows])
    inputs.columns = [input_column(str(name)) for name in inputs.columns]
    return pd.concat([own, inputs], axis=1)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    for name in ("time", "outcome_time"):
        seconds = pd.to_numeric(frame[name])
        frame[name] = pd.to_datetime((1e6 * seconds).round(), unit="us").astype("datetime64[us]")
    for name in ("score", "outcome"):
        frame[name] = frame[name].astype("float64")
    frame["shadow"] = frame["shadow"].astype(bool)
    frame["act"] = frame["act"].astype("boolean")
    return frame
