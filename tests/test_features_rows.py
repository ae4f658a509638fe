"""Whatever the options: one row is treated as in a batch, nothing is learnt later, everything is reported."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from ml_utils import FeatureEngineer

TOWNS = [f"t{i}" for i in range(30)]


def training_rows() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 160
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.gamma(2, 10, n),
            "whole": rng.integers(0, 5, n),
            "yes": rng.random(n) < 0.4,
            "few": rng.choice(["a", "B-b", "c"], n),
            "town": rng.choice(TOWNS, n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "lat": rng.uniform(48, 53, n),
            "lon": rng.uniform(8, 13, n),
            "say": [f"the {word} was {n - i} days late" for i, word in enumerate(rng.choice(TOWNS, n))],
        }
    )
    frame.loc[::9, "x"] = np.nan
    frame.loc[::8, "few"] = None
    frame.loc[::7, "day"] = pd.NaT
    return frame, (frame["z"] + rng.normal(0, 5, n) > 20).to_numpy(int)


X, Y = training_rows()

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "imputation": st.sampled_from(["median", "mean", "most_frequent", "constant", "knn", "iterative"]),
        "indicators": st.booleans(),
        "outliers": st.sampled_from([None, 3.0, 1.5, "iqr", "winsor"]),
        "encoding": st.sampled_from(["auto", "onehot", "target", "ordinal", "frequency", "hashing"]),
        "scaling": st.sampled_from(["none", "standard", "robust", "minmax", "maxabs", "quantile", "power"]),
        "date_cycles": st.just(["month", "day_of_week"]),
        "since": st.just("2024-06-01"),
        "formulas": st.just({"share": "x / (z + whole)"}),
        "ratios": st.just([["z", "whole"]]),
        "differences": st.just([["z", "x"]]),
        "places": st.just(
            {"home": {"latitude": "lat", "longitude": "lon", "points": {"centre": [50.0, 10.0]}}}
        ),
        "n_areas": st.just(3),
        "group_statistics": st.just({"few": ["z"]}),
        "bins": st.just(["z"]),
        "splines": st.just(["z"]),
        "interactions": st.sampled_from([2, ["z", "whole"]]),
        "selection": st.sampled_from(["variance", ["variance", "correlation"], "f_test"]),
        "reduction": st.sampled_from(["pca", "lda"]),
        "n_topics": st.just(3),
    },
)


def odd_rows() -> pd.DataFrame:
    """Rows as they never were in training, and some that were."""
    odd = X.head(60).copy()
    odd["x"] = odd["x"].where(odd.index % 4 > 0, np.inf)
    odd["z"] = np.where(odd.index % 5 == 0, -1e9, odd["z"])
    odd["few"] = odd["few"].where(odd.index % 3 > 0, "new kind").where(odd.index % 7 > 0, " b B ")
    odd["town"] = odd["town"].where(odd.index % 6 > 0)
    odd["day"] = odd["day"].where(odd.index % 5 > 0, pd.Timestamp("2031-02-03"))
    odd["say"] = odd["say"].where(odd.index % 4 > 0, "something else entirely")
    return odd


@settings(max_examples=12, deadline=None, derandomize=True)
@given(options=OPTIONS, row=st.integers(0, 59))
def test_a_row_is_treated_as_in_a_batch(options: dict[str, Any], row: int) -> None:
    check_rows(options, row)


@pytest.mark.full
@settings(max_examples=200, deadline=None)
@given(options=OPTIONS, row=st.integers(0, 59))
def test_a_row_is_treated_as_in_a_batch_whatever_the_options(options: dict[str, Any], row: int) -> None:
    check_rows(options, row)


def check_rows(options: dict[str, Any], row: int) -> None:
    engineer = FeatureEngineer(**options)
    trained = engineer.fit_transform(X, Y)
    before = pickle.dumps(engineer)
    odd = odd_rows()
    batch = engineer.transform(odd)
    assert np.isfinite(batch.to_numpy()).all()
    assert np.isfinite(trained.to_numpy()).all()
    assert list(batch.columns) == list(trained.columns) == list(engineer.get_feature_names_out())
    assert list(engineer.dictionary_["feature"]) == list(batch.columns)
    one, some = engineer.transform(odd.iloc[[row]]), engineer.transform(odd.iloc[row : row + 5])
    # distances to neighbours are summed up by BLAS, whose last bit depends on how many rows there are
    exact = options.get("imputation") not in ("knn", "iterative")
    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-9, "atol": 1e-9}
    pd.testing.assert_frame_equal(one, batch.iloc[[row]], **tolerance)
    pd.testing.assert_frame_equal(some, batch.iloc[row : row + 5], **tolerance)
    pd.testing.assert_frame_equal(engineer.transform(odd[list(odd.columns)[::-1]].assign(more=1)), batch)
    pd.testing.assert_frame_equal(pickle.loads(before).transform(odd), batch)
    assert pickle.dumps(engineer) == before  # nothing was learnt
    again = clone(engineer)
    pd.testing.assert_frame_equal(again.fit_transform(X, Y), trained)


def test_changed_types_are_read_as_what_they_were() -> None:
    engineer = FeatureEngineer(categorical=["whole"]).fit(X, Y)
    usual = engineer.transform(X)
    changed = X.assign(
        x=X["x"].astype("Float64"),
        z=X["z"].map(repr).astype("str"),
        whole=X["whole"].astype(float),
        yes=X["yes"].astype(int),
        few=X["few"].astype("category"),
        town=X["town"].astype(object),
        day=X["day"].astype("str"),
    )
    pd.testing.assert_frame_equal(engineer.transform(changed), usual)
    for rows in (changed.head(1), changed.iloc[[9]], changed.head(20)):
        pd.testing.assert_frame_equal(engineer.transform(rows), usual.loc[rows.index])


def test_columns_without_any_value() -> None:
    empty_before = FeatureEngineer().fit(X.assign(nothing=None, none=np.nan), Y)
    assert empty_before.roles_["left_out"] == ["nothing", "none"]
    engineer = FeatureEngineer().fit(X, Y)
    for nothing in (np.nan, None, pd.NaT):
        later = X.assign(x=nothing, few=nothing, town=nothing, day=nothing, say=nothing)
        Z = engineer.transform(later)
        assert np.isfinite(Z.to_numpy()).all()
        assert (Z["x"] == Z["x"].iloc[0]).all()
        assert (Z["x_missing"] == 1).all()
        assert (Z["few=(missing)"] == 1).all()
        pd.testing.assert_frame_equal(engineer.transform(later.head(1)), Z.head(1))


def test_what_is_new_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    engineer = FeatureEngineer().fit(X, Y)
    assert engineer.unseen(X).empty
    odd = X.head(10).assign(more=1).drop(columns="yes")
    odd["x"] = [np.inf, 99.0, *odd["x"][2:]]
    odd["z"] = ["12", "n/a", *odd["z"].map(repr)[2:]]
    odd["few"] = [None, "b b", "d", "d", *odd["few"][4:]]
    odd["town"] = None
    odd["day"] = ["some day", *odd["day"].astype("str")[1:]]
    odd["whole"] = [None, *odd["whole"][1:]]
    report = engineer.unseen(odd)
    found = {(row.column, row.finding): (row.rows, row.example) for row in report.itertuples()}
    assert found == {
        ("yes", "not in the table"): (10, ""),
        ("x", "infinite"): (1, "inf"),
        ("x", "out of the training range"): (1, "99.0"),
        ("z", "no number"): (1, "n/a"),
        ("whole", "newly missing"): (1, ""),
        ("few", "unseen category"): (2, "d"),
        ("town", "missing throughout"): (10, ""),
        ("day", "no date"): (1, "some day"),
        ("more", "new column"): (10, ""),
    }
    assert report["share"].tolist() == [rows / 10 for rows, _ in found.values()]
    with caplog.at_level(logging.INFO):
        engineer.transform(odd.assign(yes=True))
    assert "left aside: more" in caplog.text


def test_only_training_rows_are_learnt_from() -> None:
    options: dict[str, Any] = {
        "scaling": "standard",
        "imputation": "mean",
        "group_statistics": {"few": ["z"]},
    }
    first = FeatureEngineer(**options).fit(X.head(100), Y[:100])
    whole = FeatureEngineer(**options).fit(X, Y)
    later = X.tail(60)
    assert not np.allclose(first.transform(later)["z"], whole.transform(later)["z"])
    alone = first.transform(later)
    first.transform(X.assign(z=1e6))
    pd.testing.assert_frame_equal(first.transform(later), alone)


def test_one_row_of_a_type_of_its_own_is_as_in_a_large_table() -> None:
    frame = pd.DataFrame({"code": pd.array([1, 2, None, 3] * 20, dtype="Int64"), "small": np.float32(0.1)})
    frame["mixed"] = [1.5, "2.5", None, True] * 20
    frame["kind"] = pd.Categorical([1.0, 2.0, 3.0, None] * 20)
    engineer = FeatureEngineer(numeric=["mixed"], categorical=["small"]).fit(frame)
    batch = engineer.transform(frame)
    for i in range(4):
        pd.testing.assert_frame_equal(engineer.transform(frame.iloc[[i]]), batch.iloc[[i]])
    assert batch["mixed"].head(4).tolist() == [1.5, 2.5, 1.5, 1.0]
