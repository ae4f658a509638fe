"""What a model has to beat: a constant, and the best single yes-or-no question about one column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.model import Model

CONSTANT, ONE_RULE = "constant", "one rule"
_SMALLEST_LEAF = 0.01  # of the training rows


def baseline_models(
    X: pd.DataFrame, y: npt.ArrayLike, task: str, threshold: float | None = None, seed: int = 42
) -> dict[str, Model]:
    """Fit the two baselines on the training rows.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns.
    y : array of shape (n_rows,)
    task : {"binary", "regression"}
    threshold : float, optional
        The threshold of the model that they are put beside.
    seed : int

    Returns
    -------
    dict of str to Model
        "constant" (the training rows' rate or mean) and "one rule" (a tree with one split, each side with 1 %
        of the rows or more).
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    from ml_utils.features.engineer import FeatureEngineer

    target = np.asarray(y)
    binary = task == "binary"
    constant = DummyClassifier(strategy="prior") if binary else DummyRegressor()
    tree = DecisionTreeClassifier if binary else DecisionTreeRegressor
    rule = tree(max_depth=1, min_samples_leaf=_SMALLEST_LEAF, random_state=seed)
    found = {}
    for name, estimator in ((CONSTANT, constant), (ONE_RULE, rule)):
        steps = [("features", FeatureEngineer(seed=seed)), ("model", estimator)]
        pipeline = Pipeline(steps if name == ONE_RULE else steps[1:]).fit(X, target)
        kind = "binary" if binary else "regression"
        found[name] = Model(pipeline, kind, tuple(X.columns), name, threshold)  # type: ignore[arg-type]
    return found


def rule_text(rule: Model) -> str:
    """Say in words what the one rule asks: `usage_change <= -0.25`."""
    engineer, tree = rule.pipeline.named_steps["features"], rule.pipeline.named_steps["model"].tree_
    if tree.node_count == 1:
        return "no column tells rows apart"
    dictionary = engineer.dictionary_.iloc[int(tree.feature[0])]
    if dictionary["kind"] in ("category", "missing"):
        return str(dictionary["meaning"])
    return f"{dictionary['feature']} above {float(tree.threshold[0]):.4g}"
