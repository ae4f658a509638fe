"""A production period answered anew as the service would, into a prediction log of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from ml_utils import data
from ml_utils.compiled.files import COMPILED
from ml_utils.compiled.frames import columns_of
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.data.schema import as_text
from ml_utils.prediction_log.entries import Entry, EntryRefused, Feedback
from ml_utils.prediction_log.log import open_store
from ml_utils.problem import Problem
from ml_utils.serving.log_check import fresh_log
from ml_utils.serving.parity import json_rows

if TYPE_CHECKING:
    from ml_utils.registry.registered import RegisteredModel

AT_ONCE = 10_000  # rows scored and stored together: a transaction each
Score = Callable[[pd.DataFrame], np.ndarray]
_START = pd.Timestamp("2000-01-01")  # of rows without a time, one second apart, in their order


def replay(frame: pd.DataFrame, problem: Problem, registered: RegisteredModel, log: Path) -> Path:
    """Write the log that a service would have written, had it been asked for each row at its time.

    Rows go through JSON and are scored by the form that serves, the compiled one where there is one. Known
    targets follow as feedback, at the row's time and the label's horizon. An earlier replay is replaced.

    Parameters
    ----------
    frame : DataFrame
        Rows of the problem's table, in order of time; the target may be missing.
    problem : Problem
    registered : RegisteredModel
        The version that answers.
    log : Path
        An SQLite file of its own.

    Returns
    -------
    Path
        `log`.
    """
    rows = frame.reset_index(drop=True)
    if problem.target not in rows:
        rows = rows.assign(**{problem.target: np.nan})
    asked, known_at = _times(rows, problem)
    score = _scorer(registered)
    store = open_store(fresh_log(log))
    try:
        for start in range(0, len(rows), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            entries = list(_entries(rows.iloc[part], problem, registered, score, asked[part]))
            for refusal in store.write([entries]):
                if refusal is not None:
                    raise EntryRefused(f"{log} could not be written: {refusal}")
            store.add_outcomes(list(_outcomes(rows.iloc[part], problem, entries, known_at[part])))
    finally:
        store.close()
    return log


def _scorer(registered: RegisteredModel) -> Score:
    """Return how the service scores: by the compiled form where there is one, else by the pipeline."""
    if COMPILED not in registered.files:
        return registered.model.predict_score
    compiled = CompiledScorer.from_files(registered.files)
    names = [column.name for column in compiled.columns]
    return lambda X: compiled.score_columns(columns_of(X, names))


def _seconds(moments: pd.Series) -> np.ndarray:
    """Return moments in seconds since 1970; without a zone they are UTC."""
    plain = moments if moments.dt.tz is None else moments.dt.tz_convert(None)
    return plain.to_numpy("datetime64[us]").astype("int64") / 1e6


def _times(frame: pd.DataFrame, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return when each row is predicted, and when its outcome is known."""
    if problem.time is None:
        asked = _START.timestamp() + frame.index.to_numpy(float)
        return asked, asked
    horizon = pd.DateOffset(days=problem.label_horizon.days, months=problem.label_horizon.months)
    return _seconds(frame[problem.time]), _seconds(frame[problem.time] + horizon)


def _entries(
    frame: pd.DataFrame, problem: Problem, registered: RegisteredModel, score: Score, asked: np.ndarray
) -> Iterator[Entry]:
    X = registered.schema.prepare(data.features_and_target(frame, problem)[0])
    scores, threshold = score(X), registered.model.threshold
    acts = [None] * len(X) if threshold is None else (scores >= threshold).tolist()
    ids = as_text(frame[problem.id]) if problem.id else pd.Series(None, frame.index, dtype="str")
    customers = ids.astype("object").where(ids.notna(), None).tolist()
    version, encode = registered.version, msgspec.json.encode
    told = zip(frame.index, asked.tolist(), customers, scores.tolist(), acts, json_rows(X), strict=True)
    for i, moment, customer, value, act, row in told:
        yield Entry(f"replay-{i:08d}", moment, customer, version, "champion", value, act, encode(row))


def _outcomes(
    frame: pd.DataFrame, problem: Problem, entries: list[Entry], known_at: np.ndarray
) -> Iterator[Feedback]:
    y = data.features_and_target(frame, problem)[1].tolist()
    is_known = frame[problem.target].notna().tolist()
    for entry, value, known, moment in zip(entries, y, is_known, known_at.tolist(), strict=True):
        if known:
            yield Feedback(float(value), moment, request_id=entry.request_id)
