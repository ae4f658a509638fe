"""How a candidate is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class SearchOptions:
    """How a candidate is searched.

    Parameters
    ----------
    strategy : str
        One of `samplers.STRATEGIES`.
    n_trials : int
    early_stopping : bool
        Whether boosters find their number of rounds on an inner part of a fold's training rows.
    storage : optuna storage, optional
        Where the study is kept.
    key : str
        Tells studies of other data and settings apart.
    """

    strategy: str = "tpe"
    n_trials: int = 30
    early_stopping: bool = False
    storage: BaseStorage | None = None
    key: str = ""
