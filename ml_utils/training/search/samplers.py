"""Strategies of a search: where the next trial looks, all through Optuna.

A sampler is made anew for every trial, seeded by the trial's number, and knows the others from the study
only. So a study that was interrupted and resumed goes the way of one that was not.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ml_utils.training.candidates import Candidate, Params

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

STRATEGIES = ("tpe", "random", "grid", "gp", "halving")


def make_sampler(strategy: str, seed: int, number: int, n_trials: int) -> BaseSampler:
    """Make the sampler of one trial.

    Parameters
    ----------
    strategy : {"tpe", "random", "grid", "gp", "halving"}
        Tree-structured Parzen estimators; at random; the candidate's grid; a Gaussian process with expected
        improvement; at random with successive halving over the folds.
    seed : int
    number : int
        Of the trial, from 0.
    n_trials : int
        Of the study; the first third of TPE's and the process's trials are drawn at random.
    """
    import optuna

    start = min(10, max(3, n_trials // 3))
    own = seed + 1000 * number
    if strategy == "tpe":
        return optuna.samplers.TPESampler(n_startup_trials=start, seed=own)
    if strategy == "gp":
        from ml_utils.training.search.gaussian import GaussianProcessSampler

        return GaussianProcessSampler(n_startup_trials=start, seed=own)
    return optuna.samplers.RandomSampler(seed=own)


def make_pruner(strategy: str) -> BasePruner:
    """Make what stops weak trials early: after each fold, against the other trials at that fold."""
    import optuna

    if strategy == "halving":
        from ml_utils.training.search.pruning import Resumable

        return Resumable(optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3))
    return optuna.pruners.MedianPruner(n_startup_trials=2)


def planned(candidate: Candidate, strategy: str, n_trials: int) -> list[Params]:
    """Return the parameters that are tried whatever the sampler says: the prior, then the grid's points.

    Examples
    --------
    >>> from ml_utils.training.candidates import CANDIDATES
    >>> planned(CANDIDATES["logistic"], "grid", 3)
    [{'C': 0.1}, {'C': 0.01}, {'C': 1.0}]
    """
    if not candidate.prior:
        return [{}]
    prior = dict(candidate.prior)
    if strategy != "grid":
        return [prior]
    names = list(candidate.grid)
    points = [
        {**prior, **dict(zip(names, each, strict=True))}
        for each in itertools.product(*candidate.grid.values())
    ]
    return [prior, *(point for point in points if point != prior)][:n_trials]
