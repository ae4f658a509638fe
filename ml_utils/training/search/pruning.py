"""Pruning in studies that may have been interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.pruners import BasePruner

from ml_utils.training.search.studies import uninterrupted

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class Resumable(BasePruner):
    """A pruner that does not see trials which were cut off.

    Successive halving counts every trial that reached a rung; one that a killed process left there would be
    counted a second time when it is tried again.

    Parameters
    ----------
    pruner : BasePruner
    """

    def __init__(self, pruner: BasePruner) -> None:
        self._pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial should stop."""
        return self._pruner.prune(_Uninterrupted(study), trial)  # type: ignore[arg-type]


class _Uninterrupted:
    """A study without the trials that were cut off, as far as pruners look."""

    def __init__(self, study: Study) -> None:
        self.direction = study.direction
        self._storage = study._storage
        self._study = study

    def get_trials(self, deepcopy: bool = True, states: object = None) -> list[FrozenTrial]:
        return uninterrupted(self._study)
