"""One candidate after the other, sharing the time there is; what was searched is told apart by its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Metric
from ml_utils.problem import Decision
from ml_utils.training.candidates import Candidate, Setting
from ml_utils.training.leaderboard import CandidateResult
from ml_utils.training.search.budget import Budget
from ml_utils.training.search.candidate_search import CandidateSearch
from ml_utils.training.search.options import SearchOptions
from ml_utils.training.search.progress import Progress
from ml_utils.training.search.tables import FoldTables

if TYPE_CHECKING:
    from optuna import Study

# Over a fold's fits and features: all rows are more than a fold's, and ensembles and calibration come too.
MARGIN = 1.3


def search_all(
    candidates: Sequence[Candidate],
    tables: FoldTables,
    setting: Setting,
    metric: Metric,
    options: SearchOptions,
    budget: Budget,
    progress: Callable[[str], object] | str | None = None,
    done: Callable[[CandidateResult], object] | None = None,
    final_rows: int | None = None,
) -> list[tuple[CandidateResult, Study]]:
    """Search candidates: the known-good start of each first, then in turn, sharing the time that is left.

    Parameters
    ----------
    candidates : sequence of Candidate
    tables : FoldTables
    setting : Setting
    metric : Metric
    options : SearchOptions
    budget : Budget
        Room for fitting every candidate once more, as an ensemble would be, is kept back.
    progress : "bar" or callable, optional
    done : callable, optional
        Called with each candidate's result.
    final_rows : int, optional
        Rows that the chosen one is fitted on, where they are more than the tables'.

    Returns
    -------
    list of (CandidateResult, optuna.Study)
    """
    started = budget.left()
    tables.all()
    features = (started - budget.left()) / len(tables.folds) if budget.bounded else 0.0
    rows = float(np.mean([len(fold.train) for fold in tables.folds]))
    scale = MARGIN * max((final_rows or len(tables.y)) / rows, 1.0)
    with Progress(progress, candidates, options) as shown:
        searches = [
            CandidateSearch(candidate, tables, setting, metric, options, shown.tell(candidate))
            for candidate in candidates
        ]
        for search in searches:
            free = search.candidate.name == "baseline"  # there is always something to fall back on
            kept = scale * (features + _fits(searches))
            search.advance(Budget() if free else budget.part(1, kept), most=1, final_fits=scale)
        found = []
        for i, search in enumerate(searches):
            kept = scale * (features + _fits(searches))
            if search.worked or not budget.bounded:
                waiting = [other for other in searches[i:] if other.worked and other.n_trials > 1]
                search.advance(budget.part(len(waiting), kept))
            found.append(search.result())
            if done is not None:
                done(found[-1][0])
    return found


def _fits(searches: Sequence[CandidateSearch]) -> float:
    """Seconds that one fit of every candidate that has a result takes."""
    return sum(search.longest for search in searches if search.worked)


def search_key(
    tables: FoldTables,
    setting: Setting,
    metric: Metric,
    options: SearchOptions,
    decision: Decision | None = None,
) -> str:
    """Return a digest of everything that a study's scores depend on, but the candidate.

    Parameters
    ----------
    tables, setting, metric, options
        As in `search_all`.
    decision : Decision, optional
        What profit, as a metric, is made of.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(tables.X, index=False).to_numpy().tobytes())
    digest.update(np.ascontiguousarray(tables.y).tobytes())
    for fold in tables.folds:
        digest.update(fold.train.tobytes() + fold.valid.tobytes())
    for inner in (tables.groups, tables.times):
        digest.update(b"none" if inner is None else np.ascontiguousarray(inner).tobytes())
    settings = {
        "columns": [str(name) for name in tables.X.columns],
        "features": {name: repr(value) for name, value in tables.engineer.get_params().items()},
        "sampler": [tables.sampler, tables.seed],
        "setting": repr(setting),
        "metric": [metric.name, repr(decision)],
        "search": [options.strategy, options.n_trials, options.early_stopping],
    }
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:16]
