"""Methods that fit a model again and again on fewer, or more, features: RFE and sequential search."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.features.selection.filters import univariate_f
from ml_utils.features.selection.material import SCORING, Material, Task
from ml_utils.features.selection.models import quick_linear
from ml_utils.features.selection.result import Step, join_notes, sampled_note, top
from ml_utils.wording import count

if TYPE_CHECKING:
    from sklearn.feature_selection import RFE

logger = logging.getLogger(__name__)

RFE_ROWS, SEQUENTIAL_ROWS = 8000, 4000
DROPPED = 0.1  # share of the features that leave at each turn of the elimination
FOLDS, SEQUENTIAL_FOLDS = 5, 3
WORTH = {"roc_auc": 0.001, "neg_log_loss": 0.002, "r2": 0.001}  # least gain that a further feature must bring
MOST_SEARCHED = 60  # features that a sequential search looks at; the F test chooses them among more
MANY_FITS = 2000


def rfe(material: Material) -> Step:
    """Drop the features with the smallest weights of a linear model, refit, and so on.

    Features are standardised. A tenth leaves at each turn; without a number cross-validation tells where to
    stop (Guyon et al. 2002; scikit-learn's RFE and RFECV).
    """
    if len(material.names) == 1:
        only = material.names[0]
        return Step("rfe", pd.Series({only: 0.0}), [only], {only: "the only one"})
    part = material.by_name().part(RFE_ROWS)
    fitted = _eliminate(part)
    place = pd.Series(fitted.ranking_, index=part.names)
    weight = pd.Series(0.0, index=part.names)
    weight[fitted.support_] = np.abs(np.atleast_2d(fitted.estimator_.coef_)).max(axis=0)
    place, weight = place[material.names], weight[material.names]
    # those that stay share the first place: their weights in the last model tell them apart
    score = (1.0 - place) + weight / (1 + weight.max())
    turns = int(place.max())
    why = {
        name: f"weight {weight[name]:.3g} in the last model"
        if place[name] == 1
        else f"left in turn {turns - place[name] + 1} of {turns - 1}"
        for name in material.names
    }
    kept = [name for name in material.names if place[name] == 1]
    note = sampled_note("rfe", len(part.features), len(material.features))
    return Step("rfe", score, kept, why, pd.DataFrame({"place": place, "weight": weight}), note)


def sequential(material: Material) -> Step:
    """Add the feature that helps a linear model most in cross-validation, one at a time.

    Without a number the search ends when a further feature brings less than 0.001 of AUC or R² (0.002 of log
    loss). It fits a model for every feature left, at every turn, in every fold, so that it looks at the 60
    features with the largest F at most, and warns where it takes thousands of fits (Ferri et al. 1994;
    scikit-learn's SequentialFeatureSelector). A feature's score is what the model loses without it.
    """
    part = material.by_name().part(SEQUENTIAL_ROWS)
    searched, notes = part, [sampled_note("sequential", len(part.features), len(material.features))]
    if len(part.names) > MOST_SEARCHED:
        searched = part.only(top(univariate_f(part)[0], MOST_SEARCHED))
        notes.append(f"Sequential search looked at the {MOST_SEARCHED} features with the largest F.")
    chosen = _forward(searched)
    score = _losses_without(searched, chosen).reindex(material.names)
    why = {
        name: f"{SCORING[_task(part)]} falls by {score[name]:.3g} without it"
        if name in chosen
        else ("adds too little to those that stay" if name in searched.names else "a small F, not searched")
        for name in material.names
    }
    kept = [name for name in material.names if name in chosen]
    return Step("sequential", score, kept, why, note=join_notes(notes))


def _task(material: Material) -> Task:
    assert material.task is not None
    return material.task


def _eliminate(part: Material) -> RFE:
    from sklearn.feature_selection import RFE, RFECV

    model = quick_linear(_task(part))
    if part.n_features is None:
        scoring = SCORING[_task(part)]
        search: RFE = RFECV(model, step=DROPPED, cv=part.folds(FOLDS), scoring=scoring)
    else:
        search = RFE(model, n_features_to_select=min(part.n_features, len(part.names)), step=DROPPED)
    return search.fit(part.standardised, part.target)


def _forward(part: Material) -> list[str]:
    from sklearn.feature_selection import SequentialFeatureSelector

    p, wanted, scoring = len(part.names), part.n_features, SCORING[_task(part)]
    if p <= (wanted or 1):
        return part.names
    _warn_of_cost(p, wanted)
    search = SequentialFeatureSelector(
        quick_linear(_task(part)),
        n_features_to_select=wanted or "auto",
        tol=None if wanted else WORTH[scoring],
        cv=part.folds(SEQUENTIAL_FOLDS),
        scoring=scoring,
    )
    search.fit(part.standardised, part.target)
    return [name for name, stays in zip(part.names, search.get_support(), strict=True) if stays]


def _warn_of_cost(p: int, wanted: int | None) -> None:
    fits = SEQUENTIAL_FOLDS * sum(p - i for i in range(wanted or p - 1))
    if fits > MANY_FITS:
        logger.warning(
            "sequential selection among %d features takes up to %s fits; a filter before it, as in "
            "['correlation', 'f_test', 'sequential'], or a smaller n_features makes it quicker",
            *(p, count(fits)),
        )


def _losses_without(part: Material, chosen: list[str]) -> pd.Series:
    """How much the cross-validated score falls when one of the chosen features is taken out."""
    from sklearn.model_selection import cross_val_score

    folds, task = part.folds(SEQUENTIAL_FOLDS), _task(part)

    def reached(names: list[str]) -> float:
        values = part.only(names).standardised if names else np.zeros((len(part.target), 1))
        return float(
            cross_val_score(quick_linear(task), values, part.target, cv=folds, scoring=SCORING[task]).mean()
        )

    whole = reached(chosen)
    return pd.Series({out: whole - reached([name for name in chosen if name != out]) for out in chosen})
