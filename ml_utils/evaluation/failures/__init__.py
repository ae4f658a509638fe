"""Where a model fails: slices, most confident errors, calibration by band, months, bias and variance."""

from __future__ import annotations

from ml_utils.evaluation.failures.bias_variance import BiasVariance, bias_variance
from ml_utils.evaluation.failures.calibration_by_slice import BandCalibration, calibration_by_band
from ml_utils.evaluation.failures.confident import ConfidentErrors, confident_errors
from ml_utils.evaluation.failures.finder import find_slices
from ml_utils.evaluation.failures.slices import Slice, Slices
from ml_utils.evaluation.failures.stability import Stability, stability

__all__ = [
    "BandCalibration",
    "BiasVariance",
    "ConfidentErrors",
    "Slice",
    "Slices",
    "Stability",
    "bias_variance",
    "calibration_by_band",
    "confident_errors",
    "find_slices",
    "stability",
]
