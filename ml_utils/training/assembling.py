"""From a candidate of the leaderboard to a fitted model: features, members, weights, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.training.calibration import Calibrated, Calibrator
from ml_utils.training.candidates import Candidate, Setting
from ml_utils.training.ensembles import LogOddsBlend, MeanBlend
from ml_utils.training.imbalance import PriorShift, candidate_shift, prior_shift, resample
from ml_utils.training.leaderboard import CandidateResult
from ml_utils.training.search.tables import learn_features


@dataclass(frozen=True)
class Assembly:
    """What models of one search are made of.

    Parameters
    ----------
    engineer : FeatureEngineer
        Unfitted.
    candidates : mapping of str to Candidate
    results : mapping of str to CandidateResult
        Single models by name, with their parameters.
    setting : Setting
    sampler : str
        One of `imbalance.IMBALANCES`.
    """

    engineer: FeatureEngineer
    candidates: Mapping[str, Candidate]
    results: Mapping[str, CandidateResult]
    setting: Setting
    sampler: str = "none"

    def fit(
        self,
        result: CandidateResult,
        X: pd.DataFrame,
        y: npt.NDArray[Any],
        calibrator: Calibrator | None = None,
        threshold: float | None = None,
        groups: npt.NDArray[Any] | None = None,
    ) -> Model:
        """Fit a candidate or an ensemble, on features that are learnt and rows that are resampled here.

        Parameters
        ----------
        result : CandidateResult
        X : DataFrame of shape (n_rows, n_columns)
            Raw columns.
        y : ndarray of shape (n_rows,)
        calibrator : Calibrator, optional
        threshold : float, optional
            Kept with the model.
        groups : ndarray of shape (n_rows,), optional
            Whole groups stand on one side where target encodings are cross-fitted.
        """
        engineer, plain = learn_features(self.engineer, X, y, groups)
        Z, target = resample(self.sampler, plain, y, self.setting.seed)
        sampled = PriorShift() if Z is plain else prior_shift(y, target)
        estimator = self._estimator(result, sampled, target)
        if calibrator is not None and calibrator.method != "none":
            estimator = Calibrated(estimator, calibrator)
        estimator.fit(Z, target)
        pipeline = Pipeline([("features", engineer), ("model", estimator)])
        return Model(pipeline, self.setting.task, tuple(X.columns), result.name, threshold)

    def _estimator(self, result: CandidateResult, sampled: PriorShift, y: npt.NDArray[Any]) -> Any:
        if not result.weights:
            return self._single(result.name, sampled, y)
        members = [(name, self._single(name, sampled, y)) for name in result.weights]
        kind = MeanBlend if self.setting.task == "regression" else LogOddsBlend
        return kind(members, list(result.weights.values()), result.intercept)

    def _single(self, name: str, sampled: PriorShift, y: npt.NDArray[Any]) -> Any:
        candidate = self.candidates[name]
        estimator = candidate.build(dict(self.results[name].params), self.setting)
        shift = candidate_shift(candidate, self.setting, sampled, y)
        if shift == PriorShift():
            return estimator
        # probabilities for the rows as they are, whatever was resampled or weighted
        moved = tuple((-np.log(shift.ratios)).tolist()) if shift.ratios else -float(np.log(shift.factor))
        return Calibrated(estimator, Calibrator("sigmoid", 1.0, moved))
