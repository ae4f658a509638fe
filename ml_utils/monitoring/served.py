"""Scores that were served, held against what the registered model gives for the same rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.monitoring.samples import Sample
from ml_utils.serving.parity import LARGE, ROUNDING, TOLERANCE
from ml_utils.wording import count, figure, percent


def judge_served(sample: Sample, score: npt.ArrayLike) -> tuple[Sample, pd.DataFrame]:
    """Put served scores in the place of the model's, and count where they are not the same.

    A score that the model itself gives, within what packaging allows (1e-6), is taken as the model's to the
    last digit: where many rows share a score, rounding alone would otherwise set it off from the reference,
    and look like drift.

    Parameters
    ----------
    sample : Sample
        With the model's own scores.
    score : array-like of shape (n_rows,)

    Returns
    -------
    sample : Sample
        With the served scores.
    served : DataFrame
        One row a period: rows, differing (rows), largest (difference).

    Raises
    ------
    DataError
        If there is not one finite number a row.
    """
    served = pd.to_numeric(pd.Series(score), errors="coerce").to_numpy(float)
    if served.shape != sample.score.shape or not np.isfinite(served).all():
        raise DataError(
            f"Served scores are one finite number a row; got {int(np.isfinite(served).sum())} for "
            f"{len(sample.score)} rows."
        )
    gap = np.abs(served - sample.score) / np.maximum(1.0, LARGE * np.abs(sample.score))
    gap = np.where(gap > ROUNDING, gap, 0.0)
    other = gap > TOLERANCE
    table = pd.DataFrame({"period": sample.period, "differing": other, "largest": gap})
    found = table.groupby("period", sort=False).agg(
        rows=("differing", "size"), differing=("differing", "sum"), largest=("largest", "max")
    )
    return replace(sample, score=np.where(other, served, sample.score)), found.reset_index()


def served_sentence(served: pd.DataFrame) -> str:
    """Say whether what was served is what the model says.

    Examples
    --------
    >>> served_sentence(pd.DataFrame({"period": ["a"], "rows": [40], "differing": [4], "largest": [0.2]}))
    '4 of 40 served scores (10.0 %) are not what the registered model gives for the logged inputs; they ...'
    """
    rows, differing = int(served["rows"].sum()), int(served["differing"].sum())
    model = "the registered model gives for the logged inputs"
    if not differing:
        return f"All {count(rows)} served scores are what {model}, to within a millionth."
    share = f"{count(differing)} of {count(rows)} served scores ({percent(differing / rows)})"
    return f"{share} are not what {model}; they differ by up to {figure(float(served['largest'].max()), 6)}."
