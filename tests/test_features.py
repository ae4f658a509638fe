"""FeatureEngineer: the same in training and serving, whatever comes."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from ml_utils import FeatureEngineer
from ml_utils.errors import DataError, ParameterError


@pytest.fixture
def table(customers: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    X = customers[["tenure", "plan", "charge", "joined"]].assign(
        town=[f"t{i}" for i in rng.integers(0, 60, len(customers))], empty=np.nan, name=customers["customer"]
    )
    return X, (customers["left"] == "yes").to_numpy(int)


def test_roles_and_dictionary(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = table
    engineer = FeatureEngineer().fit(X, y)
    assert engineer.roles_ == {
        "numeric": ["tenure", "charge"],
        "category": ["plan"],
        "target": ["town"],
        "date": ["joined"],
        "left_out": ["empty", "name"],
    }
    assert engineer.dictionary_["feature"].tolist() == list(engineer.get_feature_names_out())
    sources = engineer.dictionary_.set_index("feature")["source"]
    assert sources["charge_missing"] == "charge"
    assert sources["plan=gold"] == "plan"
    assert sources["joined_day_of_week"] == "joined"


@pytest.mark.parametrize("scaling", ["none", "standard", "robust"])
def test_one_row_equals_the_same_row_in_a_batch(table: tuple[pd.DataFrame, np.ndarray], scaling: str) -> None:
    X, y = table
    engineer = FeatureEngineer(scaling=scaling).fit(X, y)
    batch = engineer.transform(X)
    for i in (0, 17, 599):
        pd.testing.assert_frame_equal(engineer.transform(X.iloc[[i]]), batch.iloc[[i]])


def test_what_was_never_seen_is_taken(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = table
    engineer = FeatureEngineer().fit(X, y)
    odd = X.head(4).copy()
    odd["tenure"] = [np.inf, -np.inf, 1e300, np.nan]
    odd["plan"] = ["platinum", None, " BASIC ", "gold"]
    odd["charge"] = ["12.5", "n/a", "", "7"]
    odd["joined"] = [None, "2030-01-01", "not a date", "2024-01-05"]
    odd["extra"] = 1
    Z = engineer.transform(odd[reversed(list(odd.columns))])
    assert np.isfinite(Z.to_numpy()).all()
    assert Z["plan=basic"].tolist() == [0, 0, 1, 0]
    assert list(Z.columns) == list(engineer.get_feature_names_out())


def test_the_usual_spelling_is_the_frequent_one_and_ties_do_not_depend_on_the_order() -> None:
    from ml_utils.features.cleaning import usual_spelling

    assert usual_spelling(pd.Series(["yes", "Yes ", "yes"])) == {"yes": "yes"}
    for order in (["no", "NO"], ["NO", "no"]):
        assert usual_spelling(pd.Series(order)) == {"no": "NO"}


def test_a_missing_column_is_named(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = table
    engineer = FeatureEngineer().fit(X, y)
    with pytest.raises(DataError, match="lacks plan and charge"):
        engineer.transform(X.drop(columns=["plan", "charge"]))


def test_far_out_values_are_held_within_the_fences() -> None:
    X = pd.DataFrame({"x": [*np.linspace(0, 1, 99), 1000.0]})
    Z = FeatureEngineer().fit_transform(X)
    assert Z["x"].max() < 3
    assert FeatureEngineer(outliers=None).fit_transform(X)["x"].max() == 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "log"}, "scaling is 'log'. Known: maxabs, minmax, none, power"),
        ({"encoding": "one-hot"}, "Did you mean 'onehot'"),
        ({"n_features": 0}, "must be 1 or more"),
        ({"encoding": "target"}, "needs y"),
        ({"selection": "importance", "n_features": 2}, "needs y"),
    ],
)
def test_wrong_options(table: tuple[pd.DataFrame, np.ndarray], options: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FeatureEngineer(**options).fit(table[0])


def test_selection_by_importance_keeps_what_matters(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = table
    engineer = FeatureEngineer(selection="importance", n_features=3).fit(X, y)
    assert engineer.transform(X).shape[1] == 3
    assert "tenure" in engineer.get_feature_names_out()


def test_estimator_manners(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = table
    engineer = FeatureEngineer(scaling="standard", seed=3)
    assert clone(engineer).get_params() == engineer.get_params()
    fitted = engineer.fit(X, y)
    assert fitted is engineer
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.transform(X), fitted.transform(X))


def test_odd_names_are_taken_by_the_boosters() -> None:
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a[0]": rng.normal(size=60), "a": rng.choice(["<b>", "c,d", "c;d", "ü"], 60)})
    X["a_missing"], X["a[0]_missing"] = 1.0, np.where(rng.random(60) < 0.3, np.nan, 2.0)
    X.loc[3, "a[0]"] = np.nan
    y = rng.integers(0, 2, 60)
    engineer = FeatureEngineer().fit(X, y)
    Z = engineer.transform(X)
    assert Z.columns.is_unique
    LGBMClassifier(n_estimators=2, verbosity=-1).fit(Z, y)
    XGBClassifier(n_estimators=2).fit(Z, y)
    assert set(engineer.dictionary_["source"]) == set(X.columns)


def test_target_encoding_does_not_see_its_own_row() -> None:
    """A category of its own for almost every row says nothing about a random target."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"code": [f"c{i}" for i in rng.integers(0, 150, 400)]})
    y = rng.integers(0, 2, 400)
    Z = FeatureEngineer(encoding="target", categorical=["code"]).fit_transform(X, y)
    assert abs(np.corrcoef(Z["code"], y)[0, 1]) < 0.15


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
            st.one_of(st.none(), st.text(max_size=5)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_values_give_a_complete_finite_table(rows: list[tuple[float | None, str | None]]) -> None:
    known = pd.DataFrame({"x": [1.0, 2.0, np.nan, 4.0], "c": ["a", "b", None, "a"]})
    engineer = FeatureEngineer(scaling="standard").fit(known)
    odd = pd.DataFrame({"x": [x for x, _ in rows], "c": pd.Series([c for _, c in rows], dtype="object")})
    Z = engineer.transform(odd)
    assert Z.shape == (len(rows), len(engineer.get_feature_names_out()))
    assert np.isfinite(Z.to_numpy()).all()
