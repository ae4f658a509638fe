"""Creators: golden values, bad input, and one row as among many whatever comes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics.pairwise import haversine_distances
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures, SplineTransformer

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation import (
    Bins,
    DateFeatures,
    Differences,
    Distances,
    Formulas,
    GroupStatistics,
    Interactions,
    Ratios,
    Splines,
    TextFeatures,
)
from ml_utils.features.creation.base import Creator
from ml_utils.features.creation.date_parts import PARTS
from ml_utils.features.creation.places import haversine

PLACES: dict[str, dict[str, Any]] = {
    "home": {
        "latitude": "lat",
        "longitude": "lon",
        "points": {"Berlin": [52.52, 13.405], "Quito": [-0.18, -78.47]},
    },
    "work": {"latitude": "lat2", "longitude": "lon2"},
}
CREATORS: list[Creator] = [
    Formulas({"f": "where(plan == 'gold', a / b, days_between(joined, seen))", "g": "f + isna(note)"}),
    Ratios(columns=["a", "b", "c"]),
    Differences([("a", "b"), ("c", "a")]),
    Distances(PLACES, n_clusters=3),
    GroupStatistics({"plan": ["a", "b"], "c": ["a"]}, ("mean", "std", "median", "count", "deviation", "z")),
    Bins(["a", "b"], n_bins=4),
    Bins(["a"], strategy="kmeans", n_bins=3, edges={"c": [1, 2.5]}),
    DateFeatures(
        ["joined", "seen"],
        parts=[*PARTS, "days_since_start"],
        cycles=["month", "hour"],
        since=["seen", "2024-01-01"],
    ),
    TextFeatures(["note", "plan"], n_components=4),
    Interactions(["a", "b", "c"], degree=3, interaction_only=False),
    Splines(["a", "b"], n_knots=4),
]
NAMES = [f"{type(creator).__name__}{i}" for i, creator in enumerate(CREATORS)]


def rows(n: int = 300, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n) * 10,
            "b": rng.integers(0, 40, n).astype(float),
            "c": rng.integers(0, 5, n),
            "plan": rng.choice(["gold", "Gold ", "basic", "plus"], n),
            "joined": (
                pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
            ).strftime("%Y-%m-%d"),
            "seen": pd.Timestamp("2023-06-01 10:30") + pd.to_timedelta(rng.integers(0, 9999, n), unit="h"),
            "note": [" ".join(rng.choice(["late", "fee", "refund", "thanks", "app"], 4)) for _ in range(n)],
            "lat": rng.uniform(40, 55, n),
            "lon": rng.uniform(-5, 15, n),
            "lat2": rng.uniform(-80, 80, n),
            "lon2": rng.uniform(-180, 180, n),
        },
        index=rng.permutation(n) + 1000,
    )
    for i, name in enumerate(frame.columns):
        if name != "c":
            frame.loc[frame.index[i::23], name] = None
    return frame


@pytest.mark.parametrize("creator", CREATORS, ids=NAMES)
def test_estimator_manners(creator: Creator) -> None:
    X = rows()
    creator = clone(creator)
    made = creator.fit_transform(X)
    assert made.index.equals(X.index)
    assert made.columns.is_unique
    assert made.columns.tolist() == creator.get_feature_names_out().tolist()
    assert made.columns.tolist() == [new.name for new in creator.created_]
    assert all(new.meaning and new.formula and set(new.sources) <= set(X.columns) for new in creator.created_)
    again = pickle.loads(pickle.dumps(creator))
    pd.testing.assert_frame_equal(again.transform(X), made, check_exact=True)
    backwards = X[list(reversed(X.columns))].assign(extra=1)
    pd.testing.assert_frame_equal(creator.transform(backwards), made, check_exact=True)
    pd.testing.assert_frame_equal(clone(creator).fit_transform(X), made, check_exact=True)
    for i in (0, 1, 7, 150, 299):
        pd.testing.assert_frame_equal(creator.transform(X.iloc[[i]]), made.iloc[[i]], check_exact=True)
    assert creator.transform(X.iloc[:0]).shape == (0, made.shape[1])
    source = creator.created_[0].sources[0]
    with pytest.raises(DataError, match=f"needs the column '{source}'"):
        creator.transform(X.drop(columns=source))
    with pytest.raises(DataError, match="takes a DataFrame with named columns; got ndarray"):
        clone(creator).fit(X.to_numpy())
    with pytest.raises(DataError, match="without rows"):
        clone(creator).fit(X.iloc[:0])


_ANY = st.one_of(
    st.none(),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, np.inf, -np.inf, 5e-324]),
    st.integers(-(10**6), 10**6),
    st.sampled_from(
        ["", "gold", "GOLD", "unseen", "3.5", "inf", "2024-02-29", "29.02.2024", "now", "late fee"]
    ),
    st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2250-01-01")),
    st.booleans(),
)
_FITTED: list[Creator] = []


def _rows_of_anything() -> st.SearchStrategy[list[tuple[object, ...]]]:
    return st.lists(st.tuples(*[_ANY] * 11), min_size=1, max_size=5)


def _check_anything(values: list[tuple[object, ...]]) -> None:
    if not _FITTED:
        _FITTED.extend(clone(creator).fit(rows()) for creator in CREATORS)
    odd = pd.DataFrame(values, columns=list(rows(5).columns), dtype=object)
    for creator in _FITTED:
        batch = creator.transform(odd)
        for name in batch.columns:
            if batch[name].dtype == float:
                assert not np.isinf(batch[name].to_numpy()).any()
            else:
                assert batch[name].dtype == "str"
        for i in range(len(odd)):
            one = creator.transform(odd.iloc[[i]])
            pd.testing.assert_frame_equal(one, batch.iloc[[i]], check_exact=True)


def _check_learning(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    X = rows(40, seed).iloc[:n].copy()
    X["a"] = rng.choice([np.inf, -np.inf, np.nan, 1e300, -1e300, 1.7e308, 0.0, 1.5], n)
    X["b"] = rng.choice([np.nan, 0.0, 1.0], n)
    X["plan"] = rng.choice(np.array(["x", None, "Y", "y "], dtype=object), n)
    for creator in CREATORS:
        try:
            made = clone(creator).fit_transform(X)
        except DataError as error:  # too few values for bins, areas or curves: said in words
            words = ("fewer than", "constant", "no value", "is a place on earth", "too far")
            assert any(word in str(error) for word in words), str(error)  # noqa: PT017
            continue
        assert not np.isinf(made.select_dtypes(float).to_numpy()).any()


@settings(max_examples=8, deadline=None)
@given(_rows_of_anything())
def test_whatever_comes_is_taken_and_one_row_is_as_among_others(values: list[tuple[object, ...]]) -> None:
    _check_anything(values)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_random_tables_with_gaps_and_infinities_can_be_learnt_from(seed: int, n: int) -> None:
    _check_learning(seed, n)


@pytest.mark.full
@settings(max_examples=60, deadline=None)
@given(_rows_of_anything(), st.integers(0, 10**6), st.integers(1, 40))
def test_the_same_many_times(values: list[tuple[object, ...]], seed: int, n: int) -> None:
    _check_anything(values)
    _check_learning(seed, n)


# Ratios and differences ------------------------------------------------------------------------------------


def test_ratios_and_differences() -> None:
    X = pd.DataFrame({"a": [6.0, 1.0, np.nan, 1e308], "b": ["4", "0", "1", "1e-9"], "a_per_b": 1})
    ratio = Ratios([("a", "b")]).fit_transform(X)
    np.testing.assert_array_equal(ratio["a_per_b (2)"], [1.5, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(Differences([("a", "b")]).fit_transform(X)["a_minus_b"][:2], [2.0, 1.0])
    assert Ratios(columns=["a", "b", "a_per_b"]).fit(X).pairs_ == [
        ("a", "b"),
        ("a", "a_per_b"),
        ("b", "a_per_b"),
    ]
    assert Ratios().fit_transform(X).shape == (4, 0)


@pytest.mark.parametrize(
    ("creator", "error", "message"),
    [
        (Ratios([("a", "a")]), ParameterError, "pairs of two different columns; got \\('a', 'a'\\)"),
        (Ratios(["ab"]), ParameterError, "pairs of two different columns; got 'ab'"),
        (Differences(columns=["a"]), ParameterError, "two or more different columns"),
        (
            Ratios([("a", "bb")]),
            DataError,
            "needs the column 'bb', which the table does not have. Did you mean",
        ),
        (Ratios([("a", "plan")]), DataError, "needs numbers, but 'plan' \\(str\\) holds values like"),
        (Differences([("a", "seen")]), DataError, "needs numbers, but 'seen'"),
        (Distances({"home": {"latitude": "lat"}}), ParameterError, "needs `latitude` and `longitude`"),
        (Distances({"home": {**PLACES["home"], "radius": 3}}), ParameterError, "holds 'radius'. Known"),
        (
            Distances({"home": {**PLACES["home"], "points": {"x": [200, 1]}}}),
            ParameterError,
            "places.home.points.x is \\[200, 1\\]; it must be \\[latitude, longitude\\]",
        ),
        (
            Distances({"far": {"latitude": "big", "longitude": "lon"}}),
            DataError,
            "is a place on earth",
        ),
        (Distances(PLACES, n_clusters=1), ParameterError, "n_clusters is 1"),
        (Distances(PLACES, n_clusters=9999), DataError, "fewer than the 9999 areas"),
        (GroupStatistics({"plan": ["a"]}, ["average"]), ParameterError, "statistics holds 'average'. Known"),
        (GroupStatistics({"plan": "a"}), ParameterError, "is a list of numeric columns; write \\['a'\\]"),
        (GroupStatistics({"plan": ["note"]}), DataError, "needs numbers, but 'note'"),
        (GroupStatistics({"plan": ["a"]}, shrinkage=-1), ParameterError, "shrinkage is -1"),
        (Bins(["c"], n_bins=9), DataError, "'c' has 5 different values, fewer than the 9 bins"),
        (Bins(["one"]), DataError, "'one' is constant in the training rows; there is nothing to bin"),
        (Bins(["none"]), DataError, "'none' has no value in the training rows"),
        (Bins("a"), ParameterError, "takes a list of columns; got the text 'a'. Write \\['a'\\]"),
        (
            Bins(["a"], strategy="even"),
            ParameterError,
            "strategy is 'even'. Known: kmeans, quantile, uniform",
        ),
        (Bins(["a"], n_bins=1), ParameterError, "n_bins is 1"),
        (Bins(edges={"a": [3, 2]}), ParameterError, "edges.a is \\[3, 2\\]; it must be rising numbers"),
        (DateFeatures(["plan"]), DataError, "needs dates, but 'plan' \\(str\\) holds values like"),
        (DateFeatures(["a"]), DataError, "needs dates, but 'a' \\(float64\\)"),
        (DateFeatures(["seen"], parts=["years"]), ParameterError, "parts holds 'years'. Did you mean 'year'"),
        (DateFeatures(["seen"], cycles=["year"]), ParameterError, "cycles holds 'year'"),
        (DateFeatures(["seen"], since="joine"), ParameterError, "since is 'joine', which is neither a date"),
        (TextFeatures(["note"], n_components=0), ParameterError, "n_components is 0"),
        (Interactions(["a"]), ParameterError, "two or more columns"),
        (Interactions([]), ParameterError, "columns is empty"),
        (Interactions(), DataError, "needs numbers, but 'plan'"),
        (Interactions(["a", "b"], degree=1), ParameterError, "degree is 1"),
        (Interactions([f"a{i}" for i in range(90)]), DataError, "needs the column 'a0'"),
        (Splines(["one"]), DataError, "'one' is constant in the training rows; no curve"),
        (Splines(["a"], n_knots=1), ParameterError, "n_knots is 1"),
    ],
)
def test_bad_input(creator: Creator, error: type[Exception], message: str) -> None:
    X = rows().assign(one=1.0, none=np.nan, big=500.0)
    with pytest.raises(error, match=message):
        creator.fit(X)


# Places ----------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_literature() -> None:
    # Ezeiza to Charles de Gaulle: 11099.54 km at R = 6371 (scikit-learn's docs of haversine_distances)
    found = haversine(np.array([-34.83333]), np.array([-58.5166646]), 49.0083899664, 2.53844117956)
    assert found[0] * 6371.0 / 6371.0088 == pytest.approx(11099.54035582966, abs=1e-6)
    rng = np.random.default_rng(0)
    one, other = rng.uniform(-90, 90, (50, 2)), rng.uniform(-90, 90, (50, 2))
    theirs = haversine_distances(np.radians(one), np.radians(other)).diagonal() * 6371.0088
    np.testing.assert_allclose(haversine(*one.T, *other.T), theirs, rtol=1e-9)
    assert haversine(np.array([0.0]), np.array([0.0]), 0.0, 180.0)[0] == pytest.approx(np.pi * 6371.0088)


def test_distances_between_and_areas() -> None:
    rng = np.random.default_rng(2)
    towns = np.array([[52.5, 13.4]] * 60 + [[40.4, -3.7]] * 30 + [[-36.8, 174.7]] * 10)
    X = pd.DataFrame(towns + rng.normal(0, 0.05, towns.shape), columns=["lat", "lon"])
    X["lat2"], X["lon2"] = X["lat"], X["lon"]
    X.loc[3, "lat"], X.loc[4, "lon"], X.loc[5, "lat"] = 95.0, np.inf, np.nan
    made = Distances(PLACES, n_clusters=3).fit(X).transform(X)
    assert made.columns.tolist() == [
        "home_km_to_Berlin",
        "home_km_to_Quito",
        "home_km_to_work",
        "home_area",
        "work_area",
    ]
    assert made.loc[3:5].drop(columns="work_area").isna().all(axis=None)
    assert made["home_km_to_work"].dropna().abs().max() < 1e-3
    assert made["work_area"].tolist() == ["area 1"] * 60 + ["area 2"] * 30 + ["area 3"] * 10


def test_areas_reach_over_the_date_line() -> None:
    X = pd.DataFrame({"lat": [0.0, 0, 0, 0, 0, 0], "lon": [179.9, -179.9, 179.8, 10, 10.1, 9.9]})
    places = {"spot": {"latitude": "lat", "longitude": "lon"}}
    areas = Distances(places, n_clusters=2).fit_transform(X)["spot_area"]
    assert areas[:3].nunique() == areas[3:].nunique() == 1
    assert areas[0] != areas[3]


# Groups ----------------------------------------------------------------------------------------------------


def test_group_statistics_by_hand() -> None:
    X = pd.DataFrame({"plan": ["a", "A ", "b", None], "x": [1.0, 3.0, 10.0, np.nan]})
    made = GroupStatistics({"plan": ["x"]}, ("mean", "median", "count", "deviation", "std"), shrinkage=0).fit(
        X
    )
    Z = made.transform(pd.DataFrame({"plan": ["a", "b", None, "new"], "x": [4.0, 10.0, 1.0, np.inf]}))
    overall = 14 / 3
    np.testing.assert_allclose(Z["x_mean_by_plan"], [2, 10, overall, overall])
    np.testing.assert_allclose(Z["x_median_by_plan"], [2, 10, 3, 3])
    np.testing.assert_allclose(Z["x_count_by_plan"], [2, 1, 0, 0])
    np.testing.assert_allclose(Z["x_deviation_by_plan"], [2, 0, 1 - overall, np.nan])
    spread = np.std([1, 3, 10], ddof=1)
    np.testing.assert_allclose(Z["x_std_by_plan"], [2**0.5, spread, spread, spread])
    shrunk = GroupStatistics({"plan": ["x"]}, ("mean",), shrinkage=2).fit(X)
    np.testing.assert_allclose(
        shrunk.transform(X)["x_mean_by_plan"][:3], [(4 + 2 * overall) / 4] * 2 + [(10 + 2 * overall) / 3]
    )


def test_a_row_later_does_not_change_its_groups_statistics() -> None:
    X = rows()
    fitted = GroupStatistics({"plan": ["a"]}, ("mean", "z")).fit(X)
    before = fitted.transform(X.iloc[:5])
    fitted.transform(X.assign(a=1e9))
    pd.testing.assert_frame_equal(fitted.transform(X.iloc[:5]), before)


# Bins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["quantile", "uniform", "kmeans"])
def test_bins_are_scikit_learns(strategy: str) -> None:
    X = rows()[["a"]].dropna()
    made = Bins(["a"], n_bins=5, strategy=strategy).fit(X)
    theirs = KBinsDiscretizer(5, encode="ordinal", strategy=strategy, quantile_method="averaged_inverted_cdf")
    places = theirs.fit_transform(X.to_numpy())[:, 0].astype(int)
    assert made.transform(X)["a_bin"].tolist() == [made.labels_["a"][i] for i in places]
    assert made.created_[0].formula == "; ".join(made.labels_["a"])


def test_bins_labels_can_be_told_apart_and_missing_stays_missing() -> None:
    X = pd.DataFrame({"x": [1.00000001, 1.00000002, 1.00000003, 250_000.0, np.nan]})
    made = Bins(["x"], n_bins=4).fit(X)
    assert len(set(made.labels_["x"])) == len(made.labels_["x"])
    assert made.transform(X)["x_bin"].isna().tolist() == [False] * 4 + [True]
    skewed = pd.DataFrame({"x": [0.0] * 90 + list(range(10))})
    assert Bins(["x"], n_bins=5).fit(skewed).transform(skewed)["x_bin"].notna().all()


# Dates -----------------------------------------------------------------------------------------------------


def test_default_dates_are_those_that_pandas_gives() -> None:
    rng = np.random.default_rng(4)
    for unit in ("s", "us", "ns"):
        stamps = pd.Series(
            pd.Timestamp("1955-03-01") + pd.to_timedelta(rng.integers(0, 4 * 10**9, 500), unit="s")
        )
        date = stamps.astype(f"datetime64[{unit}]").where(rng.random(500) < 0.9)
        theirs = {
            "joined_year": date.dt.year,
            "joined_month": date.dt.month,
            "joined_day_of_week": date.dt.day_of_week,
            "joined_days_since_start": (date - date.min()).dt.total_seconds() / 86400,
        }
        made = DateFeatures().fit_transform(pd.DataFrame({"joined": date}))
        pd.testing.assert_frame_equal(made, pd.DataFrame(theirs).astype(float), check_exact=True)


def test_parts_are_those_of_pandas() -> None:
    rng = np.random.default_rng(1)
    stamps = pd.Series(pd.to_datetime(rng.integers(-(2**52), 2**52, 3000), unit="us"))
    made = DateFeatures(parts=list(PARTS)).fit_transform(pd.DataFrame({"d": stamps}))
    theirs = {name: getattr(stamps.dt, name) for name in PARTS if name not in ("week", "is_weekend")}
    theirs["week"] = stamps.dt.isocalendar()["week"]
    theirs["is_weekend"] = stamps.dt.day_of_week >= 5
    for name, values in theirs.items():
        np.testing.assert_array_equal(made[f"d_{name}"], values.astype(float))


def test_dates_as_text_are_read_as_the_training_rows_write_them() -> None:
    later = pd.DataFrame({"d": ["03/04/2024", "2024-04-03", "now", "7", "2024-13-01", None, 20240403]})
    day_first = DateFeatures(parts=["month"]).fit(pd.DataFrame({"d": ["25/12/2023", "03/04/2024"]}))
    month_first = DateFeatures(parts=["month"]).fit(pd.DataFrame({"d": ["12/25/2023", "03/04/2024"]}))
    np.testing.assert_array_equal(day_first.transform(later)["d_month"][:2], [4, 4])
    np.testing.assert_array_equal(month_first.transform(later)["d_month"][:2], [3, 4])
    assert day_first.transform(later)["d_month"][2:].isna().all()


def test_times_with_a_zone_show_the_training_rows_clock() -> None:
    X = pd.DataFrame(
        {"t": pd.to_datetime(["2024-07-01 23:30", "2024-01-01 23:30"]).tz_localize("Europe/Berlin")}
    )
    fitted = DateFeatures(parts=["hour", "day"]).fit(X)
    same = pd.DataFrame(
        {"t": ["2024-07-01T21:30:00Z", "2024-07-01 23:30", pd.Timestamp("2024-07-01 21:30", tz="UTC")]}
    )
    assert fitted.transform(same)["t_hour"].tolist() == [23, 23, 23]


def test_cycles_and_time_since() -> None:
    X = pd.DataFrame({"d": ["2024-01-15", "2024-04-15"], "e": ["2024-01-14", None]})
    made = DateFeatures(
        ["d"], parts=[], cycles=["month", "day_of_week"], since=["e", "2024-01-01"]
    ).fit_transform(X)
    np.testing.assert_allclose(made["d_month_sin"], [0, 1], atol=1e-12)
    np.testing.assert_allclose(made["d_month_cos"], [1, 0], atol=1e-12)
    np.testing.assert_allclose(made["d_day_of_week_cos"], [1, 1])
    np.testing.assert_array_equal(made["d_days_since_e"], [1, np.nan])
    np.testing.assert_array_equal(made["d_days_since_2024-01-01"], [14, 105])


# Text ------------------------------------------------------------------------------------------------------


def test_topics_are_scikit_learns_and_tell_texts_apart() -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    complaints, praise = ["fee", "refund", "late"], ["thanks", "great", "app"]
    texts = [" ".join(rng.choice(complaints if i % 2 else praise, 5)) for i in range(80)]
    X = pd.DataFrame({"note": list(dict.fromkeys(texts))})
    made = TextFeatures(n_components=2).fit(X)
    weights = TfidfVectorizer(strip_accents="unicode", sublinear_tf=True).fit_transform(X["note"])
    theirs = TruncatedSVD(2, random_state=42).fit(weights)
    Z = made.transform(X)
    np.testing.assert_allclose(Z, weights @ theirs.components_.T, atol=1e-12)
    about_praise = X["note"].str.contains("thanks|great|app").to_numpy()
    gap = np.abs(Z[about_praise].mean() - Z[~about_praise].mean()).max()
    assert gap > 0.5
    assert "how much note is about: " in made.created_[0].meaning


def test_little_text() -> None:
    X = pd.DataFrame({"note": ["late fee", None, "", "late"], "blank": ["", " ", None, "!"]})
    made = TextFeatures(n_components=10).fit(X)
    Z = made.transform(X.assign(note=["LATE fee", None, "other words", 5]))
    assert Z.columns.tolist() == ["note_topic_1", "note_topic_2"]
    assert (Z.iloc[1:] == 0).all(axis=None)
    assert Z.iloc[0].abs().max() > 0.5


# Products and curves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("interaction_only", [True, False])
def test_products_are_scikit_learns(interaction_only: bool) -> None:
    X = rows()[["a", "b", "c"]].dropna()
    made = Interactions(list(X.columns), degree=3, interaction_only=interaction_only).fit_transform(X)
    theirs = PolynomialFeatures(3, interaction_only=interaction_only, include_bias=False).fit_transform(X)[
        :, 3:
    ]
    np.testing.assert_allclose(made, theirs, rtol=1e-12)
    assert made.columns[0] == ("a × b" if interaction_only else "a^2")


def test_the_best_product_is_the_planted_one() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(2000, 12)), columns=[f"x{i}" for i in range(12)])
    X["flat"] = 1.0
    logit = X["x0"] * 2 + X["x3"] * X["x7"]
    y = (rng.random(2000) < 1 / (1 + np.exp(-logit))).astype(int)
    made = Interactions(top=1).fit(X, y)
    assert made.get_feature_names_out().tolist() == ["x3 × x7"]
    assert made.columns_ == ["x3", "x7"]
    assert made.to_frame().loc[0, ["sources", "kind"]].tolist() == ["x3 and x7", "interaction"]
    assert 0.1 < made.to_frame()["score"][0] < 1
    assert (
        Interactions(top=1, interaction_only=False).fit(X, X["x5"] ** 2 + X["x1"]).created_[0].name == "x5^2"
    )
    assert Interactions(top=1).fit(X, np.where(y == 1, "left", "stayed")).created_[0].name == "x3 × x7"
    with pytest.raises(ParameterError, match="needs y"):
        Interactions().fit(X)


def test_splines_are_scikit_learns_and_flat_outside() -> None:
    X = rows()[["a"]].dropna()
    made = Splines(["a"], n_knots=5).fit(X)
    knots = np.quantile(X["a"], np.linspace(0, 1, 5)).reshape(-1, 1)
    theirs = SplineTransformer(knots=knots, extrapolation="constant", include_bias=False).fit_transform(
        X.to_numpy()
    )
    np.testing.assert_allclose(made.transform(X), theirs, atol=1e-12)
    beyond = made.transform(pd.DataFrame({"a": [X["a"].max(), 1e9, X["a"].min(), -1e9, np.nan]})).to_numpy()
    np.testing.assert_array_equal(beyond[0], beyond[1])
    np.testing.assert_array_equal(beyond[2], beyond[3])
    assert np.isnan(beyond[4]).all()


def test_splines_of_all_columns_leave_flags_aside() -> None:
    X = pd.DataFrame({"x": np.arange(50.0), "flag": [0.0, 1.0] * 25, "tied": [0.0] * 40 + list(range(1, 11))})
    made = Splines(n_knots=5).fit(X)
    assert set(made.knots_) == {"x", "tied"}
    assert np.isfinite(made.transform(X).to_numpy()).all()
