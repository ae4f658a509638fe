"""Optuna studies that survive an interruption."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ml_utils.errors import ParameterError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

INTERRUPTED = "interrupted"


def open_storage(storage: str | None) -> BaseStorage | None:
    """Open where studies are kept: a database URL (`sqlite:///…`), or the path of a journal file.

    Raises
    ------
    ParameterError
        If it cannot be opened.
    """
    if storage is None:
        return None
    import optuna
    from optuna.storages.journal import JournalFileBackend

    try:
        if "://" in storage:
            return optuna.storages.RDBStorage(storage)
        return optuna.storages.JournalStorage(JournalFileBackend(storage))
    except Exception as error:
        raise ParameterError(
            f"storage {storage!r} cannot be opened: {type(error).__name__}: {error}. Give the path of a file "
            "in a folder that exists, or a database URL such as sqlite:////folder/studies.db."
        ) from error


def open_study(
    name: str, storage: BaseStorage | None, *, greater_is_better: bool, pruner: BasePruner
) -> Study:
    """Make a study, or take up the one of that name; a trial that was cut off counts as never begun."""
    import optuna

    study = optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        direction="maximize" if greater_is_better else "minimize",
        pruner=pruner,
    )
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            # not study.tell, which refuses a trial that was planned and never begun
            study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
            study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    return study


def finished(study: Study) -> list[Any]:
    """Return the trials that came to an end of their own."""
    return [trial for trial in uninterrupted(study) if trial.state.is_finished()]


def uninterrupted(study: Study) -> list[Any]:
    """Return the trials that were not cut off, the one that runs too."""
    return [trial for trial in study.get_trials(deepcopy=False) if INTERRUPTED not in trial.user_attrs]


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's line for each trial out of the page; what failed is told by the leaderboard."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
