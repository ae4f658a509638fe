"""Early stopping: how many rounds a booster takes, told by a part of the rows that it is fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.training.candidates import Candidate, Params, Setting
from ml_utils.training.imbalance import PriorShift, candidate_shift, prior_shift, resample

MOST_ROUNDS = 2000
PATIENCE = 50  # rounds without a gain
INNER_SHARE = 0.15

Index = npt.NDArray[np.intp]


def fit_rounds(
    candidate: Candidate,
    params: Params,
    setting: Setting,
    Z: pd.DataFrame,
    y: npt.NDArray[Any],
    groups: npt.NDArray[Any] | None = None,
    times: npt.NDArray[Any] | None = None,
    sampler: str = "none",
) -> tuple[Any, int]:
    """Fit a booster until an inner part of its training rows stops gaining.

    The inner part is never resampled: copies of its rows among those that are fitted on would stop the
    booster far too late. Where classes were reweighted, its rows are weighted in the same way.

    Parameters
    ----------
    candidate : Candidate
        With `rounds`.
    params : dict
    setting : Setting
    Z : DataFrame of shape (n_rows, n_features)
        Training features of a fold; the fold's validation rows are not seen.
    y : ndarray of shape (n_rows,)
    groups : ndarray of shape (n_rows,), optional
        Whole groups stand on one side of the inner division.
    times : ndarray of shape (n_rows,), optional
        The inner part is the latest.
    sampler : str
        One of `imbalance.IMBALANCES`; resamples the rows that are fitted on.

    Returns
    -------
    estimator : fitted on the other 85 % of the rows
    rounds : int
    """
    assert candidate.rounds is not None
    train, inner = inner_split(y, groups, setting, times)
    plain = Z.iloc[train]
    rest, target = resample(sampler, plain, y[train], setting.seed)
    sampled = PriorShift() if rest is plain else prior_shift(y[train], target)
    weights = candidate_shift(candidate, setting, sampled, target).weights(y[inner])
    estimator = candidate.build({**params, candidate.rounds: MOST_ROUNDS}, setting)
    rounds = _fit_until(estimator, rest, target, Z.iloc[inner], y[inner], weights)
    if _family(estimator) == "sklearn":
        # it keeps the rounds that gained nothing, so that the trees are grown once more without them
        estimator = candidate.build({**params, candidate.rounds: rounds}, setting).fit(rest, target)
    return estimator, rounds


def _fit_until(
    estimator: Any,
    Z: pd.DataFrame,
    y: npt.NDArray[Any],
    inner: pd.DataFrame,
    goal: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
) -> int:
    """Fit until the loss on the inner rows stops falling; return the round where it was least."""
    family = _family(estimator)
    if family == "lightgbm":
        from lightgbm import early_stopping

        stop = early_stopping(PATIENCE, verbose=False)
        each = None if weights is None else [weights]
        estimator.fit(Z, y, **_lightgbm_inner(inner, goal), eval_sample_weight=each, callbacks=[stop])
        return int(estimator.best_iteration_ or MOST_ROUNDS)
    if family == "xgboost":
        estimator.set_params(early_stopping_rounds=PATIENCE)
        each = None if weights is None else [weights]
        estimator.fit(Z, y, eval_set=[(inner, goal)], sample_weight_eval_set=each, verbose=False)
        return int(estimator.best_iteration) + 1
    if family == "catboost":
        from catboost import Pool

        held = Pool(inner, goal, weight=weights)
        estimator.fit(Z, y, eval_set=held, early_stopping_rounds=PATIENCE)
        return int(estimator.tree_count_)
    estimator.set_params(early_stopping=True, n_iter_no_change=PATIENCE)
    estimator.fit(Z, y, X_val=inner, y_val=goal, sample_weight_val=weights)
    return max(int(np.argmax(estimator.validation_score_)), 1)


def _lightgbm_inner(inner: pd.DataFrame, goal: npt.NDArray[Any]) -> dict[str, Any]:
    """Name the inner rows as the installed version does: 4.7 has renamed the argument."""
    from inspect import signature

    from lightgbm import LGBMModel

    if "eval_X" in signature(LGBMModel.fit).parameters:
        return {"eval_X": (inner,), "eval_y": (goal,)}
    return {"eval_set": [(inner, goal)]}


def _family(estimator: Any) -> str:
    """Return the library that an estimator is of, by its class or one that it descends from."""
    known = {"lightgbm", "xgboost", "catboost"}
    modules = (kind.__module__.split(".")[0] for kind in type(estimator).__mro__)
    return next((name for name in modules if name in known), "sklearn")


def inner_split(
    y: npt.NDArray[Any],
    groups: npt.NDArray[Any] | None,
    setting: Setting,
    times: npt.NDArray[Any] | None = None,
) -> tuple[Index, Index]:
    """Divide training rows once more: by classes, whole groups on one side, or the latest apart."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    if times is not None:
        start = np.quantile(times, 1 - INNER_SHARE, method="higher")
        latest = times >= start
        if latest.all() or not _has_classes(y, latest, setting):
            latest = np.argsort(np.argsort(times, kind="stable")) >= (1 - INNER_SHARE) * len(times)
        if _has_classes(y, latest, setting):
            return np.flatnonzero(~latest), np.flatnonzero(latest)
    options = {"n_splits": 1, "test_size": INNER_SHARE, "random_state": setting.seed}
    if groups is not None and len(np.unique(groups)) > 1:
        splitter: Any = GroupShuffleSplit(**options)
    elif setting.task == "regression" or np.unique(y, return_counts=True)[1].min() < 2:
        splitter = ShuffleSplit(**options)
    else:
        splitter = StratifiedShuffleSplit(**options)
    train, inner = next(splitter.split(np.zeros(len(y)), y, groups))
    return train, inner


def _has_classes(y: npt.NDArray[Any], inner: npt.NDArray[np.bool_], setting: Setting) -> bool:
    """Tell whether what is fitted has every class, and the inner part more than one."""
    if setting.task == "regression":
        return True
    return len(np.unique(y[~inner])) == len(np.unique(y)) and len(np.unique(y[inner])) > 1
