"""Fitted estimators, written down for `compiled.estimators`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_utils.compiled.ensembles import READERS, Ensemble, xgboost_booster
from ml_utils.compiled.files import BOOSTER
from ml_utils.compiled.from_linear import compile_linear
from ml_utils.errors import CannotCompile

if TYPE_CHECKING:
    import pandas as pd

Spec = dict[str, Any]


@dataclass
class Compilation:
    """What comes together while a model is compiled.

    Parameters
    ----------
    n_features : int
    task : {"binary", "regression"}
    background : DataFrame or None
        Features of training rows, which contributions are told against.
    ensembles : list of Ensemble
    boosters : dict of str to bytes
        Native files, by which contributions of trees are told.
    """

    n_features: int
    task: str
    background: pd.DataFrame | None = None
    ensembles: list[Ensemble] = field(default_factory=list)
    boosters: dict[str, bytes] = field(default_factory=dict)


def compile_estimator(estimator: Any, made: Compilation) -> Spec:
    """Write a fitted estimator down.

    Parameters
    ----------
    estimator : scikit-learn estimator
    made : Compilation
        Ensembles and boosters are added to it.

    Raises
    ------
    CannotCompile
        If it has no compiled form.
    """
    name = type(estimator).__name__
    classes = getattr(estimator, "classes_", None)
    if classes is not None and len(classes) != 2:
        raise CannotCompile(f"{name} of {len(classes)} classes")
    if name in ("LogOddsBlend", "MeanBlend"):
        return {
            "kind": "blend",
            "link": "value" if name == "MeanBlend" else "log-odds",
            "members": [compile_estimator(member, made) for _, member in estimator.members_],
            "weights": [float(weight) for weight in estimator.weights],
            "intercept": float(estimator.intercept),
        }
    if name == "Calibrated":
        return _calibrated(estimator, made)
    if name in ("DummyClassifier", "DummyRegressor"):
        return _dummy(estimator)
    if name in READERS:
        return _trees(estimator, made)
    found = compile_linear(estimator, made.background)
    if found is None:
        last = type(estimator.steps[-1][1]).__name__ if hasattr(estimator, "steps") else name
        raise CannotCompile(f"the estimator {last}")
    return found


def _calibrated(estimator: Any, made: Compilation) -> Spec:
    calibrator = estimator.calibrator
    steps = (
        [np.asarray(part, dtype=float).tolist() for part in calibrator.steps[0]] if calibrator.steps else None
    )
    return {
        "kind": "calibrated",
        "model": compile_estimator(estimator.estimator_, made),
        "method": calibrator.method,
        "slope": float(calibrator.slope),
        "intercept": float(calibrator.intercept),
        "steps": steps,
    }


def _dummy(estimator: Any) -> Spec:
    if hasattr(estimator, "classes_"):
        if estimator.strategy != "prior":
            raise CannotCompile(f"DummyClassifier with strategy={estimator.strategy!r}")
        return {"kind": "constant", "value": float(estimator.class_prior_[1]), "link": "probability"}
    return {"kind": "constant", "value": float(np.ravel(estimator.constant_)[0]), "link": "value"}


def _trees(estimator: Any, made: Compilation) -> Spec:
    ensemble, link, number = READERS[type(estimator).__name__](estimator)
    spec: Spec = {"kind": "trees", "output": len(made.ensembles), "link": link}
    if number != 1.0:
        spec["of" if link == "mean" else "slope"] = number
    made.ensembles.append(ensemble)
    content = _native(estimator)
    if content is not None:
        library, ending, native = content
        spec["booster"] = BOOSTER.format(len(made.boosters), ending)
        spec["library"] = library
        made.boosters[spec["booster"]] = native
    else:
        spec["booster"], spec["library"] = None, None
    return spec


def _native(estimator: Any) -> tuple[str, str, bytes] | None:
    """Return a booster's library, the ending of its file, and its file."""
    if hasattr(estimator, "booster_"):
        return "lightgbm", "txt", estimator.booster_.model_to_string().encode()
    if hasattr(estimator, "get_booster"):
        return "xgboost", "ubj", bytes(xgboost_booster(estimator).save_raw("ubj"))
    return None
