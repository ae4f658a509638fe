"""What to do about a rare class: weights and samplers, inside the fold only, and what each of them does.

Resampling and weights move probabilities. They are set right again by the known change of the classes' shares
(Elkan 2001, theorem 2; Saerens et al. 2002), so that a decision by cost is the same whichever was used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known

if TYPE_CHECKING:
    from imblearn.base import BaseSampler

    from ml_utils.training.candidates import Candidate, Setting

Array = npt.NDArray[np.float64]

WEIGHTS = ("class_weight", "scale_pos_weight")
_SMOTE_NEIGHBOURS = 5


def _under(seed: int, neighbours: int) -> BaseSampler:
    from imblearn.under_sampling import RandomUnderSampler

    return RandomUnderSampler(random_state=seed)


def _over(seed: int, neighbours: int) -> BaseSampler:
    from imblearn.over_sampling import RandomOverSampler

    return RandomOverSampler(random_state=seed)


def _smote(seed: int, neighbours: int) -> BaseSampler:
    from imblearn.over_sampling import SMOTE

    return SMOTE(random_state=seed, k_neighbors=neighbours)


def _smote_tomek(seed: int, neighbours: int) -> BaseSampler:
    from imblearn.combine import SMOTETomek

    return SMOTETomek(random_state=seed, smote=_smote(seed, neighbours))


def _smote_enn(seed: int, neighbours: int) -> BaseSampler:
    from imblearn.combine import SMOTEENN

    return SMOTEENN(random_state=seed, smote=_smote(seed, neighbours))


SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "under": _under,
    "over": _over,
    "smote": _smote,
    "smote_tomek": _smote_tomek,
    "smote_enn": _smote_enn,
}
IMBALANCES = ("none", *WEIGHTS, *SAMPLERS)
LABELS = {
    "none": "nothing",
    "class_weight": "class weights",
    "scale_pos_weight": "weight on positives",
    "under": "undersampling",
    "over": "oversampling",
    "smote": "SMOTE",
    "smote_tomek": "SMOTE and Tomek links",
    "smote_enn": "SMOTE and edited neighbours",
}


def check_imbalance(name: str, task: str) -> None:
    """Check that an option exists and fits the task.

    Raises
    ------
    ParameterError
        If it is unknown, or given for a regression.
    """
    if name not in IMBALANCES:
        raise ParameterError(f"imbalance is {name!r}. {list_known(name, IMBALANCES)}")
    if name != "none" and task == "regression":
        raise ParameterError(f"imbalance is {name!r}, but a regression has no classes. Set imbalance: none.")
    if name == "scale_pos_weight" and task == "multiclass":
        raise ParameterError(
            "imbalance is 'scale_pos_weight', which weighs one positive class; take class_weight."
        )


def resample(
    name: str, Z: pd.DataFrame, y: npt.NDArray[Any], seed: int = 42
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Resample training rows; weights and "none" leave them as they are.

    Parameters
    ----------
    name : str
        One of IMBALANCES.
    Z : DataFrame of shape (n_rows, n_features)
        Complete numeric features of a fold's TRAINING rows.
    y : ndarray of shape (n_rows,)
    seed : int

    Returns
    -------
    Z, y
        Resampled, with a fresh index.

    Raises
    ------
    DataError
        If a class has too few rows to interpolate between.

    Examples
    --------
    >>> Z, y = pd.DataFrame({"a": np.arange(10.0)}), np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    >>> resample("over", Z, y)[1].mean()
    np.float64(0.5)
    """
    if name not in SAMPLERS:
        return Z, y
    rare = int(np.bincount(np.unique(y, return_inverse=True)[1]).min())
    if "smote" in name and rare < 2:
        raise DataError(
            f"{LABELS[name]} interpolates between rows of the rare class, which has {rare} here. "
            "Take imbalance: class_weight, fewer folds, or bring more rows."
        )
    sampler = SAMPLERS[name](seed, min(_SMOTE_NEIGHBOURS, max(rare - 1, 1)))
    Z_new, y_new = sampler.fit_resample(Z.reset_index(drop=True), y)
    if len(np.unique(y_new)) < len(np.unique(y)):
        raise DataError(f"{LABELS[name]} left no row of a class. Take another sampler, or bring more rows.")
    return Z_new, np.asarray(y_new)


@dataclass(frozen=True)
class PriorShift:
    """How a sampler or weights changed the odds of the positive class.

    Parameters
    ----------
    factor : float
        Odds of the positive class in what the model saw over its odds in the rows; 1 where nothing changed.
    ratios : tuple of float
        Of several classes: the share of each in what the model saw over its share in the rows. Empty where
        there are two classes, or nothing changed.
    """

    factor: float = 1.0
    ratios: tuple[float, ...] = ()

    def undo(self, score: npt.ArrayLike) -> Array:
        """Return probabilities for the rows as they are; predicted values have no shift and stay.

        Examples
        --------
        >>> PriorShift(4.0).undo([0.5]), PriorShift(ratios=(1.0, 1.0, 3.0)).undo([[0.25, 0.0, 0.75]])
        (array([0.2]), array([[0.5, 0. , 0.5]]))
        """
        p = np.asarray(score, dtype=float)
        if p.ndim == 2 and self.ratios:
            each = p / np.array(self.ratios)
            return np.asarray(each / each.sum(axis=1, keepdims=True))
        return p if p.ndim == 2 or self.factor == 1 else p / (p + self.factor * (1 - p))

    def weights(self, y: npt.NDArray[Any]) -> Array | None:
        """Weights that give rows the classes' shares that the model saw; None where nothing changed."""
        if self.ratios:
            return np.array(self.ratios)[y.astype(int)]
        return None if self.factor == 1 else np.where(y == 1, self.factor, 1.0)

    def moved(self, threshold: float) -> float:
        """Return where a threshold on true probabilities stands on the model's own scores.

        Examples
        --------
        >>> PriorShift(4.0).moved(0.2)
        0.5
        """
        return threshold * self.factor / (1 - threshold + threshold * self.factor)


def prior_shift(y: npt.ArrayLike, seen: npt.ArrayLike) -> PriorShift:
    """Measure the change of the classes' odds between rows and what a model was fitted on.

    Parameters
    ----------
    y, seen : array of 0 and 1, or of class codes
        Targets before and after resampling.
    """
    before, after = np.bincount(np.asarray(y, dtype=int)), np.bincount(np.asarray(seen, dtype=int))
    if len(before) > 2:
        return PriorShift(ratios=tuple((after / after.sum() / (before / before.sum())).tolist()))

    def odds(target: npt.ArrayLike) -> float:
        share = float(np.mean(np.asarray(target, dtype=float)))
        return share / (1 - share)

    return PriorShift(odds(seen) / odds(y))


def candidate_shift(
    candidate: Candidate, setting: Setting, sampled: PriorShift, y: npt.NDArray[Any]
) -> PriorShift:
    """Return how sampler and weights together changed what a candidate's fit saw.

    Parameters
    ----------
    candidate : Candidate
    setting : Setting
    sampled : PriorShift
        By the sampler.
    y : ndarray of shape (n_rows,)
        Targets of the fit.
    """
    if not candidate.weighs or setting.task == "regression":
        return sampled
    if setting.task == "binary":
        return PriorShift(sampled.factor * setting.positive_weight)
    if not setting.balanced:
        return sampled
    sizes = np.bincount(np.asarray(y, dtype=int))
    return PriorShift(ratios=tuple((len(y) / len(sizes) / sizes).tolist()))


def balancing_weight(y: npt.ArrayLike) -> float:
    """Weight of a positive row at which both classes weigh the same."""
    share = float(np.mean(np.asarray(y, dtype=float)))
    return (1 - share) / share
