"""How much each column alone says about the target; one that says too much is a suspected leak."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.data.schema import is_positive
from ml_utils.features.cleaning import CategoryCleaner
from ml_utils.problem import Problem

# A single column that ranks the classes this well has most likely seen the answer.
SUSPICIOUS_AUC = 0.95
SUSPICIOUS_CORRELATION = 0.95
MAX_CATEGORIES_SHARE = 0.5  # text with more distinct values a row than this names rows


def screen_columns(
    frame: pd.DataFrame, problem: Problem, max_rows: int = 50_000, seed: int = 42
) -> pd.DataFrame:
    """Measure what each column alone says about the target.

    Ignored columns are measured too, so that a known leak can be shown beside the honest columns.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    problem : Problem
    max_rows : int
        More rows than these are sampled.
    seed : int
        For the sample and the cross-fitting.

    Returns
    -------
    DataFrame
        column, kind, strength, used (whether a model may see it), suspicious; strongest first. Strength is
        the AUC of the column alone (0.5 to 1, categories by cross-fitted target mean) for a binary target,
        the absolute rank correlation (0 to 1) for a regression.
    """
    keys = {problem.target, problem.id, problem.time, problem.group}
    rows = frame.sample(max_rows, random_state=seed).sort_index() if len(frame) > max_rows else frame
    binary = problem.task == "binary"
    target = rows[problem.target]
    y = is_positive(target, problem).to_numpy(int) if binary else target.to_numpy(float)
    found = []
    for column in rows.columns:
        values = rows[column]
        if column in keys or values.isna().all():
            continue
        numeric = pd.api.types.is_numeric_dtype(values) and column not in problem.columns.categorical
        if not numeric and values.nunique() > max(20, MAX_CATEGORIES_SHARE * len(values)):
            continue
        x = _numbers(values) if numeric else _by_target(values, y, seed)
        strength = _auc(x, y) if binary else _rank_correlation(x, y)
        found.append((column, "number" if numeric else "category", strength, column not in problem.reserved))
    table = pd.DataFrame(found, columns=["column", "kind", "strength", "used"])
    limit = SUSPICIOUS_AUC if binary else SUSPICIOUS_CORRELATION
    table["suspicious"] = table["strength"] >= limit
    order = table.sort_values(["strength", "column"], ascending=[False, True], kind="stable")
    return order.reset_index(drop=True)


def _numbers(values: pd.Series) -> np.ndarray:
    x = values.to_numpy(dtype=float, na_value=np.nan)
    finite = np.isfinite(x)
    return np.where(finite, x, np.median(x[finite]) if finite.any() else 0.0)


def _by_target(values: pd.Series, y: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    clean = CategoryCleaner().fit(values.to_frame()).transform(values.to_frame())
    return TargetEncoder(cv=KFold(5, shuffle=True, random_state=seed)).fit_transform(clean, y)[:, 0]


def _auc(x: np.ndarray, y: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    auc = float(roc_auc_score(y, x))
    return max(auc, 1 - auc)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    from scipy import stats

    if np.ptp(x) == 0:
        return 0.0
    return abs(float(stats.spearmanr(x, y).statistic))
