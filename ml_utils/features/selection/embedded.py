"""Methods that read off a fitted model: what trees gain from a feature, when it enters an L1 path."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features.selection.material import Array, Material
from ml_utils.features.selection.models import quick_trees
from ml_utils.features.selection.result import Step, join_notes, ranked_why, ranks, sampled_note, top

PATH_ROWS, FOLD_ROWS = 10_000, 5000
LOWEST = 1e-3  # where a path ends, as a share of the penalty at which the first feature enters
FACTOR = 0.8  # from one penalty of a logistic path to the next
TRIED = 12  # penalties that cross-validation compares


def importance(material: Material) -> Step:
    """Rank by what shallow boosted trees gain from a feature; without a number all stay."""
    if material.y is None:
        score = pd.Series(np.nan, index=material.names)
        return Step(
            "importance", score, material.names, dict.fromkeys(material.names, "no target to rank by")
        )
    score = tree_gains(material)
    kept = material.names if material.n_features is None else top(score, material.n_features)
    return Step("importance", score, kept, ranked_why(score, "gain"))


def tree_gains(material: Material) -> pd.Series:
    """Total gain of each feature over the splits of shallow boosted trees."""
    assert material.task is not None
    trees = quick_trees(material.task, material.seed)
    trees.fit(material.features.to_numpy(), material.target)
    return pd.Series(trees.feature_importances_, index=material.features.columns)


def l1(material: Material) -> Step:
    """Rank by the penalty at which a feature enters the L1 path, and by its weight there.

    The path is that of the lasso, or of the logistic regression with an L1 penalty, one for each class
    against the others where there are more than two; features are standardised. With a number the path is
    followed until so many have entered; without one, to the penalty that predicts best in cross-validation.
    """
    part = material.by_name().part(PATH_ROWS)
    if material.n_features is None:
        penalty = _best_penalty(part.part(FOLD_ROWS))
        entered = path_entries(part, None, lowest=penalty)
    else:
        entered = path_entries(part, material.n_features)
    entered = entered.loc[material.names]
    score = entered["penalty"] + 1e-6 * entered["weight"]
    if material.n_features is None:
        kept = [name for name in material.names if entered.loc[name, "penalty"] > 0]
    else:
        kept = top(score, material.n_features)
    places = ranks(score)
    why = {
        name: f"enters at {row.penalty:.3g} of the largest penalty, rank {places[name]} of {len(score)}"
        if row.penalty > 0
        else "does not enter the path"
        for name, row in entered.iterrows()
    }
    note = sampled_note("l1", len(part.features), len(material.features))
    if len(kept) < (material.n_features or 0):
        note = join_notes([note, "The L1 path ended before so many features had entered."])
    return Step("l1", score, kept, why, entered, note)


def path_entries(material: Material, wanted: int | None, lowest: float = LOWEST) -> pd.DataFrame:
    """Follow the L1 path and tell when each feature enters.

    Parameters
    ----------
    material : Material
        Features in alphabetical order.
    wanted : int or None
        The path ends once so many have entered.
    lowest : float
        The path ends at this share of the largest penalty.

    Returns
    -------
    DataFrame indexed by feature
        penalty (share of the largest one, 0 where the feature never enters) and weight (absolute, of the
        standardised feature, as a share of the largest one where it enters).
    """
    values, targets = material.standardised, indicators(material)
    if material.task == "regression":
        found = linear_entries(values, targets, lowest)
    else:
        found = _logistic_entries(values, targets, wanted, lowest)
    return pd.DataFrame(found, columns=["penalty", "weight"], index=material.names)


def indicators(material: Material) -> Array:
    """Return the target as columns: itself, or 1 for the second of two classes, or for each of more."""
    target = material.target
    if not material.classes:
        return target.astype(float)[:, None]
    labels = np.arange(1, 2) if material.task == "binary" else np.unique(target)
    return (target[:, None] == labels).astype(float)


def linear_entries(values: Array, targets: Array, lowest: float = LOWEST) -> Array:
    """Tell when each feature enters the lasso's path, for the target that it enters first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        Standardised.
    targets : ndarray of shape (n_rows, n_targets)

    Returns
    -------
    ndarray of shape (n_features, 2)
        Penalty and weight, as in `path_entries`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path

    gram, centred = values.T @ values, targets - targets.mean(axis=0)
    shares = np.geomspace(1.0, lowest, max(round(2 * np.log(lowest) / np.log(FACTOR)), 2))
    found = np.zeros((values.shape[1], 2))
    largest = max(_largest_penalty(values, target) for target in centred.T)
    if largest == 0:
        return found
    with warnings.catch_warnings():  # the order of entry does not hang on the last digits of a weight
        warnings.simplefilter("ignore", ConvergenceWarning)
        for target in centred.T:
            alphas = largest / len(target) * shares
            _, weights, _ = lasso_path(values, target, alphas=alphas, precompute=gram, tol=1e-3)
            found = np.maximum(found, _entries(weights, shares))
    return found


def _logistic_entries(values: Array, targets: Array, wanted: int | None, lowest: float) -> Array:
    found = np.zeros((values.shape[1], 2))
    largest = max(_largest_penalty(values, target) for target in targets.T)
    share = FACTOR
    while largest > 0 and share >= 0.999 * lowest:
        weights = [_logistic(values, target, share * largest).coef_[0] for target in targets.T]
        size = np.max(np.abs(weights), axis=0)
        new = (size > 0) & (found[:, 0] == 0)
        found[new, 0], found[new, 1] = share, size[new] / max(size.max(), 1e-300)
        if (found[:, 0] > 0).sum() >= (wanted or len(found)):
            break
        share *= FACTOR
    return found


def _entries(weights: Array, shares: Array) -> Array:
    """Penalty and relative weight at the first point of the path where each feature has one."""
    size = np.abs(weights)
    entered = size.any(axis=1)
    first = (size > 0).argmax(axis=1)
    relative = size[np.arange(len(size)), first] / np.maximum(size[:, first].max(axis=0), 1e-300)
    return np.column_stack([np.where(entered, shares[first], 0.0), np.where(entered, relative, 0.0)])


def _largest_penalty(values: Array, target: Array) -> float:
    """The penalty above which every weight is 0: the steepest slope at the model with a constant alone."""
    return float(np.abs(values.T @ (target - target.mean())).max())


def _logistic(values: Array, target: Array, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # liblinear shrinks the constant with the weights, unless it is written large
    model = LogisticRegression(
        C=1 / penalty, l1_ratio=1.0, solver="liblinear", intercept_scaling=100, tol=1e-3, random_state=0
    )
    return model.fit(values, target)


def _best_penalty(material: Material) -> float:
    """The largest penalty whose loss is within a standard error of the best one's (Breiman et al. 1984)."""
    shares = np.geomspace(FACTOR, 10 * LOWEST, TRIED)
    losses = np.array([_losses(material, fold, shares) for fold in material.folds(5)])
    mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(len(losses))
    best = int(mean.argmin())
    return float(shares[np.flatnonzero(mean <= mean[best] + error[best])[0]])


def _losses(material: Material, fold: tuple[Array, Array], shares: Array) -> list[float]:
    """Held-out loss at each penalty: squared error, or log loss summed over the classes."""
    from sklearn.linear_model import Lasso
    from sklearn.metrics import log_loss

    train, valid = fold
    values, targets = material.standardised, indicators(material)
    largest = max(_largest_penalty(values[train], target) for target in targets[train].T)
    found = []
    for share in shares:
        if material.task == "regression":
            lasso = Lasso(alpha=max(share * largest / len(train), 1e-300)).fit(
                values[train], targets[train, 0]
            )
            found.append(float(np.mean((lasso.predict(values[valid]) - targets[valid, 0]) ** 2)))
            continue
        models = [_logistic(values[train], target, share * largest) for target in targets[train].T]
        parts = [
            log_loss(targets[valid, i], model.predict_proba(values[valid])[:, 1], labels=[0, 1])
            for i, model in enumerate(models)
        ]
        found.append(float(sum(parts)))
    return found
