"""Every option of FeatureEngineer: its values are those of scikit-learn where it has them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import GroupKFold, KFold

from ml_utils import FeatureEngineer
from ml_utils.errors import DataError, ParameterError
from ml_utils.features.cleaning import CategoryCleaner, NumericCleaner
from ml_utils.features.fences import Ordered
from ml_utils.problem import Place, load_problem


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 400
    x = rng.normal(50, 10, n)
    frame = pd.DataFrame(
        {
            "x": x,
            "twice": 2 * x + rng.normal(size=n),
            "count": rng.poisson(2, n),
            "size": rng.choice(["small", "Medium", "LARGE", "large"], n),
            "town": [f"t{i}" for i in rng.integers(0, 40, n)],
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "note": rng.choice(["the line was slow and", "a good and quick answer"], n),
            "lat": rng.uniform(48, 53, n),
            "lon": rng.uniform(8, 13, n),
        }
    )
    frame["note"] += [f" {word}" for word in rng.permutation(n)]
    frame.loc[::7, "x"] = np.nan
    frame.loc[3::11, "size"] = None
    return frame


@pytest.fixture(scope="module")
def y(table: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(6)
    return (table["twice"].to_numpy() + rng.normal(0, 10, len(table)) > 100).astype(int)


# numbers


def test_quantiles_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 10, 101, 1000):
        values = rng.normal(size=n)
        found = Ordered(values.copy())
        for share in (0.25, 0.5, 0.75):
            assert found.quantile(share) == np.quantile(values, share)
        low, high = np.quantile(values, 0.01, method="higher"), np.quantile(values, 0.99, method="lower")
        assert found.inner((0.01, 0.99)) == (low, high)
        assert found.median() == np.median(values)


@pytest.mark.parametrize("imputation", ["median", "mean", "most_frequent", "constant"])
def test_imputation_is_scikit_learns(table: pd.DataFrame, imputation: str) -> None:
    X = table[["x", "twice", "count"]].assign(whole=table["count"].where(table.index % 5 > 0))
    Z = FeatureEngineer(imputation=imputation).fit_transform(X)
    fill = {"fill_value": 0.0} if imputation == "constant" else {}
    imputer = SimpleImputer(strategy=imputation, add_indicator=True, **fill)
    np.testing.assert_allclose(Z, imputer.fit_transform(NumericCleaner().fit_transform(X)), rtol=1e-14)
    assert list(Z.columns) == [*X.columns, "x_missing", "whole_missing"]
    assert FeatureEngineer(indicators=False).fit_transform(X).shape == X.shape


def test_neighbours_and_the_other_columns_say_what_is_missing(table: pd.DataFrame) -> None:
    X, truth = table[["x", "twice", "count"]], table["twice"] / 2
    lacking = X["x"].isna()
    errors = {}
    for imputation in ("median", "knn", "iterative"):
        x = FeatureEngineer(imputation=imputation, outliers=None).fit_transform(X)["x"]
        errors[imputation] = float((x - truth)[lacking].abs().mean())
        assert (x[~lacking] == X.loc[~lacking, "x"]).all()
    assert max(errors["knn"], errors["iterative"]) < 0.3 * errors["median"]
    scaler = preprocessing.StandardScaler()
    scaled = scaler.fit_transform(X)
    expected = scaler.inverse_transform(KNNImputer(n_neighbors=5).fit_transform(scaled))
    found = FeatureEngineer(imputation="knn", outliers=None, indicators=False).fit_transform(X)
    np.testing.assert_allclose(found, expected)


def test_outliers() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=2000)
    x[:3] = [60, -60, 1e6]
    X = pd.DataFrame({"x": x, "mostly": np.where(np.arange(2000) < 1990, 1.0, 9.0)})
    q1, q3 = np.quantile(x, [0.25, 0.75])
    inner = FeatureEngineer(outliers="iqr").fit_transform(X)
    assert inner["x"].max() == pytest.approx(q3 + 1.5 * (q3 - q1))
    winsor = FeatureEngineer(outliers="winsor").fit_transform(X)
    assert winsor["x"].min() == np.quantile(x, 0.01, method="higher")
    assert winsor["x"].max() == np.quantile(x, 0.99, method="lower")
    wide = FeatureEngineer(outliers=3.0).fit_transform(X)
    np.testing.assert_array_equal(wide, NumericCleaner(3.0).fit_transform(X))
    assert (FeatureEngineer(outliers=1.5).fit_transform(X)["x"].max()) >= np.quantile(
        x, 0.995, method="lower"
    )
    for fenced in (inner, winsor, wide):
        assert set(fenced["mostly"]) == {1.0, 9.0}  # most rows share a value: nothing to hold back
    assert FeatureEngineer(outliers=None).fit_transform(X)["x"].max() == 1e6


@pytest.mark.parametrize(
    ("scaling", "scaler"),
    [
        ("standard", preprocessing.StandardScaler()),
        ("robust", preprocessing.RobustScaler()),
        ("minmax", preprocessing.MinMaxScaler()),
        ("maxabs", preprocessing.MaxAbsScaler()),
        ("quantile", preprocessing.QuantileTransformer(n_quantiles=400, random_state=42)),
        ("power", preprocessing.PowerTransformer()),
    ],
)
def test_scaling_is_scikit_learns(table: pd.DataFrame, scaling: str, scaler: Any) -> None:
    X = table[["twice", "count", "joined"]]
    plain = FeatureEngineer().fit_transform(X)
    engineer = FeatureEngineer(scaling=scaling).fit(X)
    np.testing.assert_allclose(engineer.transform(X), scaler.fit_transform(plain), rtol=1e-12, atol=1e-12)
    later = X.head(7).assign(twice=[1e300, -1e300, 0, np.nan, 1, 2, 3])
    expected = scaler.transform(FeatureEngineer().fit(X).transform(later))
    np.testing.assert_allclose(engineer.transform(later), expected, rtol=1e-12, atol=1e-12)


def test_scaled_numbers_at_the_end_of_what_a_float_holds_stay_finite(table: pd.DataFrame) -> None:
    engineer = FeatureEngineer(scaling="standard", outliers=None).fit(table[["x"]] / 1e6)
    assert np.isfinite(engineer.transform(pd.DataFrame({"x": [1.7e308, -1.7e308]}))).all(axis=None)


# categories


def test_one_hot_is_scikit_learns(table: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    sizes = [f"s{i}" for i in range(8)]
    values = rng.choice(sizes, 3000, p=[0.9, 0.09, *[0.01 / 6] * 6])
    X = pd.DataFrame({"size": values, "all rare": [f"r{i % 1000}" for i in range(3000)]})
    X.loc[::500, "size"] = None
    encoder = preprocessing.OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=0.002, sparse_output=False
    )
    clean = CategoryCleaner().fit(X)
    engineer = FeatureEngineer(encoding="onehot", categorical=list(X.columns)).fit(X)
    np.testing.assert_array_equal(engineer.transform(X), encoder.fit_transform(clean.transform(X)))
    later = pd.DataFrame({"size": ["S0", "new", None, "s7"], "all rare": ["r1", "new", None, ""]})
    np.testing.assert_array_equal(engineer.transform(later), encoder.transform(clean.transform(later)))


@pytest.mark.parametrize("kind", ["binary", "number", "classes"])
def test_target_means_are_scikit_learns(table: pd.DataFrame, y: np.ndarray, kind: str) -> None:
    X = table[["town", "size"]]
    target = {"binary": y, "number": table["twice"].to_numpy(), "classes": table["note"].str[:3].to_numpy()}[
        kind
    ]
    if kind == "classes":
        target = np.where(table["count"] > 3, "many", target)
    encoder = preprocessing.TargetEncoder(cv=KFold(5, shuffle=True, random_state=42))
    clean = CategoryCleaner().fit(X)
    engineer = FeatureEngineer(encoding="target")
    np.testing.assert_allclose(
        engineer.fit_transform(X, target), encoder.fit_transform(clean.transform(X), target), rtol=1e-14
    )
    later = pd.DataFrame({"town": ["t1", "nowhere", None], "size": [None, "Small ", "huge"]})
    np.testing.assert_allclose(
        engineer.transform(later), encoder.transform(clean.transform(later)), rtol=1e-14
    )
    if kind == "classes":
        assert list(engineer.get_feature_names_out())[:3] == ["town~a g", "town~many", "town~the"]


def test_whole_numbers_are_a_regression_target(table: pd.DataFrame) -> None:
    engineer = FeatureEngineer(encoding="target").fit(table[["town"]], table["count"].to_numpy())
    assert list(engineer.get_feature_names_out()) == ["town"]


def test_groups_are_not_torn_apart_by_the_cross_fitting(table: pd.DataFrame, y: np.ndarray) -> None:
    X, groups = table[["town"]], np.arange(len(table)) // 4
    folds = list(GroupKFold(5, shuffle=True, random_state=42).split(X, groups=groups))
    expected = preprocessing.TargetEncoder(cv=folds).fit_transform(X, y)
    found = FeatureEngineer(encoding="target").fit_transform(X, y, groups=groups)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_ordinal(table: pd.DataFrame) -> None:
    X = table[["size"]]
    alphabet = FeatureEngineer(encoding="ordinal").fit(X)
    encoder = preprocessing.OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
    )
    clean = CategoryCleaner().fit_transform(X).replace("(missing)", np.nan)
    np.testing.assert_array_equal(alphabet.transform(X), encoder.fit_transform(clean))
    given = FeatureEngineer(encodings={"size": "ordinal"}, orders={"size": ["small", "medium", "large"]}).fit(
        X
    )
    later = pd.DataFrame({"size": ["LARGE", "small", None, "huge", "medium"]})
    assert given.transform(later)["size"].tolist() == [2, 0, -1, -1, 1]
    assert given.roles_["ordinal"] == ["size"]
    assert (
        given.dictionary_["formula"][0] == "0, 1, … for small < medium < large; −1 where missing or not seen"
    )
    with pytest.raises(ParameterError, match="lacks 'Medium'"):
        FeatureEngineer(encoding="ordinal", orders={"size": ["small", "large"]}).fit(X)


def test_frequency_and_hashing(table: pd.DataFrame) -> None:
    X = table[["size", "town"]]
    engineer = FeatureEngineer(encodings={"size": "frequency", "town": "hashing"}, n_hashes=8).fit(X)
    Z = engineer.transform(X)
    spelled = CategoryCleaner().fit_transform(X)
    shares = spelled["size"].map(spelled["size"].value_counts(normalize=True)).to_numpy(float)
    np.testing.assert_allclose(Z["size"], shares)
    hasher = FeatureHasher(8, input_type="string")
    expected = hasher.transform([[town] for town in X["town"]]).toarray()
    np.testing.assert_array_equal(Z.iloc[:, 1:], expected)
    later = engineer.transform(pd.DataFrame({"size": ["huge", "small"], "town": ["Nowhere", None]}))
    assert later["size"].tolist() == [0, float((spelled["size"] == "small").mean())]
    expected = hasher.transform([["nowhere"], ["(missing)"]]).toarray()
    np.testing.assert_array_equal(later.iloc[:, 1:], expected)
    assert engineer.roles_ == {
        "numeric": [],
        "category": [],
        "target": [],
        "frequency": ["size"],
        "hashing": ["town"],
        "date": [],
        "left_out": [],
    }


# dates, text, created columns


def test_text_is_told_from_its_words_or_given(table: pd.DataFrame) -> None:
    engineer = FeatureEngineer(n_topics=2).fit(table[["note"]])
    assert engineer.roles_["text"] == ["note"]
    assert list(engineer.get_feature_names_out()) == ["note_topic_1", "note_topic_2"]
    assert engineer.transform(pd.DataFrame({"note": [None, "slow line"]})).iloc[0].tolist() == [0, 0]
    with pytest.raises(DataError, match="No column is left"):
        FeatureEngineer(text=[]).fit(table[["note"]])
    given = FeatureEngineer(text=["size"], n_topics=1).fit(table[["size", "count"]])
    assert given.roles_["text"] == ["size"]


def test_dates_as_asked_for(table: pd.DataFrame) -> None:
    X = table[["joined"]].assign(written=table["joined"].astype("str"))
    engineer = FeatureEngineer(
        dates=["written"], date_parts=["month"], date_cycles=["day_of_week"], since="2025-03-01"
    ).fit(X)
    Z = engineer.transform(X)
    assert [name for name in Z if name.startswith("joined")] == [
        "joined_month",
        "joined_day_of_week_sin",
        "joined_day_of_week_cos",
        "joined_days_since_2025-03-01",
    ]
    np.testing.assert_array_equal(Z.iloc[:, :4], Z.iloc[:, 4:])
    later = engineer.transform(pd.DataFrame({"joined": [pd.NaT], "written": ["soon"]}))
    assert later.iloc[0].tolist() == Z.median().tolist()


def test_created_columns_pass_through_all_steps(table: pd.DataFrame, y: np.ndarray) -> None:
    X = table[["x", "twice", "count", "size", "lat", "lon"]]
    engineer = FeatureEngineer(
        formulas={"per_count": "twice / count", "half": "per_count / 2"},
        ratios=[["x", "half"]],
        differences=[["twice", "x"]],
        places={"home": {"latitude": "lat", "longitude": "lon", "points": {"centre": [50.0, 10.0]}}},
        group_statistics={"size": ["x"]},
        statistics=["mean", "deviation"],
        bins={"count": [1, 4]},
        splines=["twice"],
        interactions=["twice", "count"],
        scaling="standard",
    ).fit(X, y)
    Z = engineer.transform(X)
    assert Z.columns.is_unique
    assert np.isfinite(Z.to_numpy()).all()
    shown = engineer.dictionary_.set_index("feature")
    assert list(shown.index) == list(Z.columns)
    assert shown.loc["half", "source"] == "twice + count"
    assert shown.loc["half", "formula"].startswith("per_count / 2, held within 3 interquartile ranges")
    assert shown.loc["half_missing", "meaning"] == "half was missing"
    assert shown.loc["x_per_half", "source"] == "x + twice + count"
    assert shown.loc["twice_minus_x", "kind"] == "difference"
    assert shown.loc["x_deviation_by_size", "source"] == "x + size"
    assert shown.loc["count_bin=below 1", "source"] == "count"
    assert shown.loc["twice × count", ["source", "kind"]].tolist() == ["twice + count", "interaction"]
    assert shown["missing_rate"].between(0, 1).all()
    assert shown.loc["half", "missing_rate"] == pytest.approx((X["count"] == 0).mean())
    raw = set(X.columns)
    assert all(set(source.split(" + ")) <= raw for source in shown["source"])


def test_a_later_column_of_a_created_ones_name_is_left_aside(table: pd.DataFrame) -> None:
    X = table[["x", "twice"]]
    engineer = FeatureEngineer(ratios=[["x", "twice"]]).fit(X)
    pd.testing.assert_frame_equal(engineer.transform(X.assign(x_per_twice=9.0)), engineer.transform(X))


def test_the_best_interactions_are_found(table: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(500, 6)), columns=list("abcdef"))
    target = X["b"] * X["e"] + 0.1 * rng.normal(size=500)
    engineer = FeatureEngineer(interactions=1).fit(X, target)
    assert engineer.get_feature_names_out()[-1] == "b × e"
    with pytest.raises(ParameterError, match="needs y"):
        FeatureEngineer(interactions=1).fit(X)


# selection, reduction, dictionary


def test_selection_in_turn_and_importance_in_the_dictionary(table: pd.DataFrame, y: np.ndarray) -> None:
    X = table[["x", "twice", "count", "lat", "size"]].assign(constant=1.0, copy=table["twice"] * 3)
    chain = ["variance", "correlation", "f_test"]
    engineer = FeatureEngineer(selection=chain, n_features=2).fit(X, y)
    assert engineer.selected_ == list(engineer.get_feature_names_out())
    assert len(engineer.selected_) == 2
    assert len({"twice", "copy"} & set(engineer.selected_)) == 1
    assert engineer.dictionary_["importance"].notna().all()
    assert not engineer.selection_.scores.set_index("feature").loc["constant", "kept"]
    assert set(engineer.selected_) < {origin.feature for origin in engineer.origins_}


@pytest.mark.parametrize("reduction", ["pca", "lda"])
def test_reduction(table: pd.DataFrame, y: np.ndarray, reduction: str) -> None:
    X = table[["x", "twice", "count", "size"]]
    engineer = FeatureEngineer(reduction=reduction, n_components=1).fit(X, y)
    assert list(engineer.get_feature_names_out()) == [f"{reduction}_1"]
    assert set(engineer.dictionary_["source"][0].split(" + ")) == set(X.columns)
    assert engineer.transform(X).shape == (400, 1)


def test_importance_put_into_the_dictionary(table: pd.DataFrame) -> None:
    engineer = FeatureEngineer().fit(table[["x", "count"]])
    assert engineer.dictionary_["importance"].isna().all()
    assert engineer.with_importance({"x": 0.7, "elsewhere": 1.0}) is engineer
    assert engineer.dictionary_.set_index("feature")["importance"]["x"] == 0.7


def test_dictionary_columns(table: pd.DataFrame, y: np.ndarray) -> None:
    engineer = FeatureEngineer(encodings={"size": "ordinal"}).fit(table, y)
    shown = engineer.dictionary_
    assert list(shown.columns) == [
        *("feature", "source", "kind", "meaning", "formula", "type", "missing_rate", "importance")
    ]
    kinds = shown.set_index("feature")["type"]
    assert (kinds["x"], kinds["x_missing"], kinds["size"]) == ("number", "0 or 1", "whole number")
    assert (shown["meaning"].str.len() > 0).all()
    assert (shown["formula"].str.len() > 0).all()


# recipes and problems


def test_the_options_can_be_written_down_and_read_again(table: pd.DataFrame, y: np.ndarray) -> None:
    engineer = FeatureEngineer(
        outliers="iqr",
        formulas={"half": "x / 2"},
        ratios=[("x", "twice")],
        bins=["count"],
        n_bins=3,
        selection=["variance", "correlation"],
        statistics=("mean",),
    )
    recipe = json.loads(json.dumps(engineer.get_params()))
    again = FeatureEngineer(**recipe)
    pd.testing.assert_frame_equal(again.fit_transform(table, y), clone(engineer).fit_transform(table, y))


def test_what_a_problem_file_says(problem_file: Any, customers: pd.DataFrame, project: Any) -> None:
    X = customers.assign(lat=50.0, lon=np.linspace(8, 9, 600), say="so many words in it")
    X.to_csv(project / "table.csv", index=False)
    problem = load_problem(
        problem_file(
            columns={"categorical": ["plan"], "text": ["say"]},
            features={"charge_a_month": "charge / (tenure + 1)"},
            places={"home": {"latitude": "lat", "longitude": "lon", "points": {"Mainz": [50.0, 8.27]}}},
        )
    )
    assert isinstance(problem.places["home"], Place)
    engineer = FeatureEngineer.for_problem(problem, scaling="minmax")
    assert json.loads(json.dumps(engineer.get_params()))["text"] == ["say"]
    Z = engineer.fit_transform(X.drop(columns=["left", "customer"]))
    assert {"charge_a_month", "plan=gold", "say_topic_1"} < set(Z.columns)
    assert any("Mainz" in name for name in Z.columns)
    assert Z.max().max() == pytest.approx(1.0)
    assert FeatureEngineer.for_problem(problem, text=[]).text == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imputation": "knnn"}, "Did you mean 'knn'"),
        ({"outliers": "iqrs"}, "outliers is 'iqrs'. Give 0 or more interquartile ranges"),
        ({"outliers": -1.0}, "outliers is -1.0"),
        ({"encodings": {"size": "one"}}, "encodings.size is 'one'"),
        ({"selection": ["variance", "best"]}, "selection is 'best'. Did you mean"),
        ({"reduction": "umap"}, "reduction is 'umap'. Known"),
        ({"numeric": "x"}, r"numeric is the text 'x'; give a list. Write \['x'\]"),
        ({"n_topics": 0}, "n_topics is 0; it must be 1 or more"),
        ({"reduction": "lda"}, "reduction='lda' needs y"),
        ({"date_parts": ["mont"]}, "month"),
        ({"formulas": {"a": "x / nothing"}}, "nothing"),
        ({"bins": ["nowhere"]}, "nowhere"),
    ],
)
def test_wrong_options(table: pd.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ParameterError, DataError), match=message):
        FeatureEngineer(**options).fit(table)
