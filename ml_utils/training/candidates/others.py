"""Candidates by distance, margin, independence and neurons: kNN, SVM, naive Bayes, a small network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone

from ml_utils.training.candidates.base import ALL, CLASSES, Candidate, Params, Setting

if TYPE_CHECKING:
    from optuna import Trial

MAX_SVM_ROWS = 4000  # time grows with the square of the rows


class _OnAPart(BaseEstimator):
    """Fits its estimator on a random part of at most `max_rows` rows, stratified by class."""

    def __init__(self, estimator: Any, max_rows: int = MAX_SVM_ROWS, seed: int = 42) -> None:
        self.estimator = estimator
        self.max_rows = max_rows
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit on the part."""
        target = np.asarray(y)
        rows = np.arange(len(target))
        if len(rows) > self.max_rows:
            rows = self._part(target)
        self.estimator_ = clone(self.estimator).fit(X.iloc[rows], target[rows])
        return self

    def _part(self, target: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        from sklearn.model_selection import train_test_split

        classes = target if isinstance(self, ClassifierMixin) else None
        rows, _ = train_test_split(
            np.arange(len(target)), train_size=self.max_rows, random_state=self.seed, stratify=classes
        )
        return np.sort(rows)

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Predict with what was fitted on the part."""
        return np.asarray(self.estimator_.predict(X))


class ClassifierOnAPart(ClassifierMixin, _OnAPart):
    """A classifier that is fitted on a part of the rows."""

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit on the part."""
        super().fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (n_rows, n_classes)."""
        return np.asarray(self.estimator_.predict_proba(X), dtype=float)


class RegressorOnAPart(RegressorMixin, _OnAPart):
    """A regressor that is fitted on a part of the rows."""


def _scaled(estimator: BaseEstimator) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _bayes(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.naive_bayes import GaussianNB

    return _scaled(GaussianNB(var_smoothing=params["var_smoothing"]))


def _neighbours(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    kind = KNeighborsRegressor if setting.task == "regression" else KNeighborsClassifier
    return _scaled(kind(n_neighbors=int(params["n_neighbors"]), weights="distance", n_jobs=setting.n_jobs))


def _svm(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC, SVR

    if setting.task == "regression":
        return RegressorOnAPart(_scaled(SVR(**params)), seed=setting.seed)
    machine = SVC(**params, class_weight=setting.class_weight, random_state=setting.seed)
    folds = StratifiedKFold(3, shuffle=True, random_state=setting.seed)
    # margins are no probabilities: a sigmoid is learnt on margins of rows that took no part
    return ClassifierOnAPart(
        CalibratedClassifierCV(_scaled(machine), method="sigmoid", cv=folds, ensemble=False),
        seed=setting.seed,
    )


def _network(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPRegressor if setting.task == "regression" else MLPClassifier
    return _scaled(
        kind(
            hidden_layer_sizes=(int(params["neurons"]),),
            alpha=params["alpha"],
            learning_rate_init=params["learning_rate"],
            early_stopping=True,
            max_iter=80,
            random_state=setting.seed,
        )
    )


def _bayes_space(trial: Trial) -> Params:
    return {"var_smoothing": trial.suggest_float("var_smoothing", 1e-9, 1.0, log=True)}


def _neighbours_space(trial: Trial) -> Params:
    return {"n_neighbors": trial.suggest_int("n_neighbors", 5, 200, log=True)}


def _svm_space(trial: Trial) -> Params:
    return {
        "C": trial.suggest_float("C", 0.05, 50.0, log=True),
        "gamma": trial.suggest_float("gamma", 1e-4, 0.3, log=True),
    }


def _network_space(trial: Trial) -> Params:
    return {
        "neurons": trial.suggest_int("neurons", 8, 128, log=True),
        "alpha": trial.suggest_float("alpha", 1e-4, 1.0, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 2e-2, log=True),
    }


OTHERS = (
    Candidate(
        *("naive_bayes", "naive Bayes", CLASSES, _bayes, _bayes_space),
        *({"var_smoothing": 0.05}, {"var_smoothing": (1e-6, 0.01, 0.3)}, 6),
        weighs=False,
    ),
    Candidate(
        *("nearest_neighbours", "nearest neighbours", ALL, _neighbours, _neighbours_space),
        *({"n_neighbors": 60}, {"n_neighbors": (15, 60, 150)}, 6),
        weighs=False,
    ),
    Candidate(
        *("svm", "support vector machine", ALL, _svm, _svm_space),
        *({"C": 1.0, "gamma": 0.01}, {"C": (0.3, 3.0), "gamma": (0.003, 0.03)}),
    ),
    Candidate(
        *("neural_network", "neural network", ALL, _network, _network_space),
        {"neurons": 32, "alpha": 0.05, "learning_rate": 3e-3},
        {"neurons": (16, 64), "alpha": (0.01, 0.3)},
        weighs=False,
    ),
)
