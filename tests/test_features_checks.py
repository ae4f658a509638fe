"""scikit-learn's own checks of estimators, on FeatureEngineer and the cleaners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ml_utils import FeatureEngineer
from ml_utils.errors import DataError, ParameterError
from ml_utils.features.cleaning import CategoryCleaner, NumericCleaner

# Its output is text, and these checks take differences of outputs.
OF_NUMBERS = (
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_pipeline_consistency",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
)


def expected_failures(estimator: Any) -> dict[str, str]:
    if isinstance(estimator, CategoryCleaner):
        return dict.fromkeys(OF_NUMBERS, "the output is text; the check subtracts outputs")
    return {}


@parametrize_with_checks(
    [
        FeatureEngineer(),
        FeatureEngineer(imputation="iterative", outliers="winsor", scaling="quantile", encoding="frequency"),
        NumericCleaner(),
        CategoryCleaner(),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_arrays_and_lists_are_told_by_place() -> None:
    rows = [[1.0, "a"], [2.0, "b"], [None, "a"]]
    engineer = FeatureEngineer().fit(rows)
    assert list(engineer.get_feature_names_out()) == ["x0", "x0_missing", "x1=a", "x1=b"]
    assert not hasattr(engineer, "feature_names_in_")
    expected = [[1, 0, 1, 0], [2, 0, 0, 1], [1.5, 1, 1, 0]]
    assert engineer.transform(rows).tolist() == expected
    assert engineer.transform(np.array(rows, dtype=object)).tolist() == expected
    frame = pd.DataFrame(rows, columns=["number", "letter"])
    assert engineer.transform(frame).to_numpy().tolist() == expected
    with pytest.raises(DataError, match="X has 1 features, but FeatureEngineer is expecting 2"):
        engineer.transform(frame[["number"]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), "Expected 2D array, got 1D array instead"),
        (sparse.csr_array(np.eye(3)), "[Ss]parse"),
        (np.ones((3, 2)) * 1j, "Complex data not supported"),
        (pd.DataFrame({"a": [1j, 2]}), "Complex data not supported"),
        (np.ones((0, 2)), "0 sample"),
        (np.ones((2, 0)), "0 feature"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "stand twice in the table: a"),
        (pd.DataFrame({"a": [None, None]}), "No column is left"),
        (pd.DataFrame({"a": [np.inf, np.nan]}), "No column is left"),
        (pd.DataFrame({"a": []}), "0 rows"),
        ("text", "table of rows and columns"),
    ],
)
def test_what_is_no_table(X: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        FeatureEngineer().fit(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [([1, 0], "y has shape .2,.; the table has 3 rows"), ([1, None, 0], "y is missing in 1 rows")],
)
def test_a_target_that_does_not_fit(y: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FeatureEngineer().fit(pd.DataFrame({"a": [1, 2, 3]}), y)


def test_columns_without_text_for_names() -> None:
    Z = FeatureEngineer().fit_transform(pd.DataFrame({0: [1.0, 2.0], 1: ["a", "b"]}))
    assert list(Z.columns) == ["0", "1=a", "1=b"]


def test_output_containers(customers: pd.DataFrame) -> None:
    X = customers[["tenure", "plan"]]
    engineer = FeatureEngineer().fit(X)
    assert isinstance(engineer.transform(X), pd.DataFrame)
    assert isinstance(FeatureEngineer().fit_transform(X.to_numpy()), np.ndarray)
    with_names = FeatureEngineer().set_output(transform="pandas").fit_transform(X.to_numpy(dtype=object))
    assert list(with_names.columns) == ["x0", "x1=basic", "x1=gold", "x1=plus"]
    chain = make_pipeline(FeatureEngineer(), StandardScaler()).set_output(transform="pandas").fit(X)
    assert list(chain.transform(X).columns) == list(engineer.get_feature_names_out())
    with pytest.raises(ParameterError, match="is not equal to feature_names_in_"):
        engineer.get_feature_names_out(["plan", "tenure"])
