"""Measure what an explanation of the default model takes, and how exactly it adds up, beside shap.

    python benchmarks/bench_explanation.py

The default model (spline logistic, LightGBM and XGBoost, blended in log-odds) on the built-in retailer's
churn, its last 10,000 rows, one core. Beside it shap as one would use it: TreeExplainer for each booster, and
shap.Explainer around the whole pipeline's log-odds, which is model-agnostic (on few rows; its time for all is
extrapolated). Each error is the largest distance between base plus contributions and the log-odds predicted.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", OPENBLAS_NUM_THREADS="1")

import numpy as np
import pandas as pd
from common import record, report_table
from sklearn.pipeline import Pipeline

N, FEW, SEEDS = 10_000, 20, (1, 2, 3, 4, 5)
NAMES, WEIGHTS = ("spline_logistic", "lightgbm", "xgboost"), (0.5, 0.3, 0.2)


def fit_default(seed: int) -> tuple[object, pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Fit the default model as the trainer's first trial builds it; return it with training and test rows."""
    from ml_utils.data import features_and_target
    from ml_utils.features import FeatureEngineer
    from ml_utils.model import Model
    from ml_utils.problem import load_problem
    from ml_utils.synthetic import read_view
    from ml_utils.training.candidates import CANDIDATES, Setting
    from ml_utils.training.ensembles import LogOddsBlend

    frame, _ = read_view("churn", 10_000, seed)
    frame = frame.sort_values("snapshot_date", kind="stable")
    half = len(frame) // 2
    X, y = features_and_target(frame.iloc[:half], load_problem("churn"))
    X_test, y_test = features_and_target(frame.iloc[-N:], load_problem("churn"))
    members = [
        (name, CANDIDATES[name].build(dict(CANDIDATES[name].prior), Setting("binary"))) for name in NAMES
    ]
    steps = [("features", FeatureEngineer()), ("model", LogOddsBlend(members, list(WEIGHTS)))]
    pipeline = Pipeline(steps).fit(X, np.asarray(y))
    model = Model(pipeline, "binary", tuple(X.columns), "default", 0.2)
    return model, X, X_test, np.asarray(y_test, dtype=float)


def seconds(call: Callable[[], object]) -> tuple[float, object]:
    """Return the processor seconds that a call takes, and what it returns."""
    started = time.process_time()
    found = call()
    return time.process_time() - started, found


def ours(model: object, X: pd.DataFrame, X_test: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Time our explanation, and after calibration by a sigmoid."""
    from ml_utils.explanation import explain
    from ml_utils.explanation.families import xgboost_table
    from ml_utils.explanation.rounding import margin
    from ml_utils.model import Model
    from ml_utils.training.calibration import Calibrated, Calibrator

    took, found = seconds(lambda: explain(model, X_test, X, N))
    calibrated = Calibrated(model.pipeline["model"], Calibrator("sigmoid", 1.1, -0.05))
    calibrated.estimator_, calibrated.classes_ = model.pipeline["model"], np.array([0, 1])
    steps = [("features", model.pipeline["features"]), ("model", calibrated)]
    other = Model(Pipeline(steps), "binary", model.columns, "calibrated", 0.2)
    error = explain(other, X_test, X, N).additivity_error
    Z = model.pipeline["features"].transform(X_test[list(model.columns)])
    xgboost = dict(model.pipeline["model"].members_)["xgboost"]
    raw = np.abs(xgboost_table(xgboost, Z).sum(axis=1) - margin(xgboost, Z)).max()
    return [
        (f"explain, {N:,} rows summed to columns", f"{took:.1f} s", "at most 10 s"),
        ("its largest error", f"{found.additivity_error:.0e}", "below 1e-6"),
        ("its largest error after calibration by a sigmoid", f"{error:.0e}", "below 1e-6"),
        ("XGBoost alone, before its rounding is spread", f"{raw:.0e}", ""),
    ]


def shaps(model: object, X: pd.DataFrame, X_test: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Time shap on each booster, and around the whole pipeline."""
    import shap

    from ml_utils.explanation.rounding import log_odds, margin

    rows, engineer = [], model.pipeline["features"]
    Z = engineer.transform(X_test[list(model.columns)])
    for name, member in model.pipeline["model"].members_:
        if name == "spline_logistic":
            continue
        explainer = shap.TreeExplainer(member)
        took, values = seconds(lambda explainer=explainer: explainer.shap_values(Z))
        base = float(np.ravel(explainer.expected_value)[0])
        error = np.abs(base + values.sum(axis=1) - margin(member, Z)).max()
        rows.append((f"shap.TreeExplainer, {name} alone", f"{took:.1f} s, error {error:.0e}", ""))
    usual = engineer.transform(X[list(model.columns)].sample(100, random_state=0))

    def whole(values: np.ndarray) -> np.ndarray:
        table = pd.DataFrame(values, columns=Z.columns)
        return log_odds(model.pipeline["model"].predict_proba(table)[:, 1])

    explainer = shap.Explainer(whole, usual.to_numpy())
    explainer(Z.to_numpy()[:2])  # compiles
    took, found = seconds(lambda: explainer(Z.to_numpy()[:FEW]))
    error = np.abs(found.base_values + found.values.sum(axis=1) - whole(Z.to_numpy()[:FEW])).max()  # noqa: PD011
    text = f"{took:.1f} s for {FEW} rows, about {took * N / FEW / 60:.0f} min for all; error {error:.0e}"
    return [*rows, ("shap.Explainer around the whole blend", text, "")]


def whole_page(
    model: object, X: pd.DataFrame, X_test: pd.DataFrame, y: np.ndarray
) -> list[tuple[str, str, str]]:
    """Time the other methods, as page 03 calls them."""
    from ml_utils.explanation.accumulated import accumulated_effects
    from ml_utils.explanation.agreement import compare_methods
    from ml_utils.explanation.counterfactuals import counterfactuals
    from ml_utils.explanation.explain import explain
    from ml_utils.explanation.interactions import interactions
    from ml_utils.explanation.partial_dependence import decision_surface, partial_dependence
    from ml_utils.explanation.permutation import permutation_importance
    from ml_utils.explanation.surrogate import local_surrogates

    found = explain(model, X_test, X, 500)
    lime = local_surrogates(model, X_test, X)
    calls: dict[str, Callable[[], object]] = {
        "permutation importance, all columns, 3,000 rows × 3": lambda: permutation_importance(
            model, X_test, y
        ),
        "partial dependence of a column, 300 rows": lambda: partial_dependence(
            model, X_test, "tenure_months"
        ),
        "accumulated effects of a column, 1,000 rows": lambda: accumulated_effects(model, X_test, "contract"),
        "surface of two columns": lambda: decision_surface(model, X_test, "tenure_months", "usage_change"),
        "interactions of all columns, 60 rows": lambda: interactions(model, X_test, X),
        "LIME, 12 rows": lambda: local_surrogates(model, X_test, X),
        "agreement of the methods": lambda: compare_methods(model, X_test, found, lime),
        "counterfactuals of a row": lambda: counterfactuals(model, X_test.iloc[[0]], X),
    }
    return [(name, f"{seconds(call)[0]:.1f} s", "") for name, call in calls.items()]


def drivers() -> tuple[str, str, str]:
    """Count how often the first five columns are true drivers with the right sign."""
    from ml_utils.explanation import explain
    from ml_utils.explanation.known_effects import check_drivers, known_effects
    from ml_utils.problem import load_problem

    effects, right = known_effects(load_problem("churn")), 0
    for seed in SEEDS:
        model, X, X_test, _ = fit_default(seed)
        check = check_drivers(explain(model, X_test, X, 2000, seed), effects)
        right += check.n_true == check.n_right == 5
    return (
        "seeds where the first five columns are true drivers, signs right",
        f"{right} of {len(SEEDS)}",
        "all",
    )


def main() -> None:
    """Measure and record."""
    warnings.simplefilter("ignore")
    model, X, X_test, y = fit_default(42)
    rows = [*ours(model, X, X_test), drivers(), *shaps(model, X, X_test), *whole_page(model, X, X_test, y)]
    record("Explanation", report_table(rows))


if __name__ == "__main__":
    main()
