"""The synthetic retailer does what its TRUTH says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.metrics import precision_recall_curve, r2_score, roc_auc_score

from ml_utils.errors import DataError, ParameterError, ProblemError
from ml_utils.synthetic import (
    TRUTH,
    Retailer,
    churn_probability,
    generate,
    offer_effect,
    offer_outcomes,
    order_probability,
    read_view,
)
from ml_utils.synthetic.defects import normalise
from ml_utils.synthetic.relations import FEATURES, month_index

VIEWS = ("churn", "conversion", "spend")
KEYS = {
    "churn": ["customer_id", "snapshot_date"],
    "spend": ["customer_id", "snapshot_date"],
    "conversion": ["session_id"],
}
TARGETS = {"churn": "churned", "spend": "spend_next_90d", "conversion": "ordered"}


@pytest.fixture(scope="module")
def retailer() -> Retailer:
    return generate()


@pytest.fixture(scope="module")
def snapshots(retailer: Retailer) -> pd.DataFrame:
    return retailer.snapshots.assign(month=month_index(retailer.snapshots["snapshot_date"]))


@pytest.fixture(scope="module")
def sessions(retailer: Retailer) -> pd.DataFrame:
    return retailer.sessions.assign(month=month_index(retailer.sessions["started_at"]))


# -- tables ---------------------------------------------------------------------------------------------


def test_views_have_their_columns(retailer: Retailer) -> None:
    churn, spend, conversion = (retailer.view(name) for name in ("churn", "spend", "conversion"))
    assert list(churn.columns) == ["customer_id", "snapshot_date", *FEATURES, "churned"]
    assert churn.shape[1] == 30
    assert list(spend.columns) == ["customer_id", "snapshot_date", *FEATURES, "spend_next_90d"]
    assert conversion.shape[1] == 16
    assert len(retailer.sessions) == 472_871
    assert churn["customer_id"].nunique() == len(retailer.customers) == 10_000


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("defects", [True, False])
def test_dtypes_and_order(retailer: Retailer, name: str, defects: bool) -> None:
    view = retailer.view(name, defects=defects)
    for column in view:
        dtype = view[column].dtype
        assert pd.api.types.is_numeric_dtype(dtype) or dtype == "str" or dtype == "datetime64[us]", column
    keys = ["started_at", "session_id"] if name == "conversion" else ["snapshot_date", "customer_id"]
    assert_frame_equal(view[keys], view[keys].sort_values(keys, kind="stable").reset_index(drop=True))
    assert view[[*KEYS[name], TARGETS[name]]].notna().all(axis=None)


@pytest.mark.parametrize("name", VIEWS)
def test_truth_has_one_row_a_distinct_row(retailer: Retailer, name: str) -> None:
    truth, view = retailer.truth(name), retailer.view(name, defects=False)
    assert not truth.duplicated(KEYS[name]).any()
    assert_frame_equal(truth[KEYS[name]], view[KEYS[name]])
    distinct = retailer.view(name).drop_duplicates().reset_index(drop=True)
    assert_frame_equal(truth[KEYS[name]], distinct[KEYS[name]])


def test_windows(retailer: Retailer, snapshots: pd.DataFrame) -> None:
    assert sorted(snapshots["month"].unique()) == list(range(23))
    complete = snapshots.groupby("month")["spend_next_90d"].apply(lambda s: s.notna().all())
    assert complete.loc[:20].all()
    assert not complete.loc[21:].any()
    assert retailer.view("spend")["snapshot_date"].max() == pd.Timestamp("2025-09-30")


@pytest.mark.parametrize("date", ["2024-01-31", "2024-11-30", "2025-09-30"])
def test_features_come_from_events_up_to_the_snapshot(retailer: Retailer, date: str) -> None:
    rows = retailer.snapshots[retailer.snapshots["snapshot_date"] == date].set_index("customer_id")
    month = pd.Timestamp(date).to_period("M")

    def window(events: pd.DataFrame, time: str, first: int, last: int) -> pd.core.groupby.DataFrameGroupBy:
        inside = events[time].between(
            (month + first).start_time, (month + last).end_time.floor("us"), inclusive="both"
        )
        return events[inside].groupby("customer_id")

    purchases = window(retailer.transactions, "purchased_at", -2, 0)
    before, counts = purchases["amount"].sum(), purchases.size()
    after = window(retailer.transactions, "purchased_at", 1, 3)["amount"].sum()
    contacts = window(retailer.support_contacts, "contacted_at", -2, 0)
    complaints = contacts["reason"].apply(lambda s: (s == "complaint").sum())
    last = (pd.Timestamp(date) - purchases["purchased_at"].max().dt.normalize()).dt.days
    expected = pd.DataFrame(
        {
            "spend_90d": before,
            "transactions_90d": counts,
            "spend_next_90d": after,
            "support_contacts_90d": contacts.size(),
            "complaints_90d": complaints,
        }
    )
    expected = expected.reindex(rows.index).fillna(0.0)
    np.testing.assert_allclose(rows[expected.columns], expected, atol=1e-6)
    recency = last.reindex(rows.index).fillna(90).clip(upper=90)
    np.testing.assert_array_equal(rows["days_since_transaction"], recency)


def test_churned_is_who_left_in_the_next_month(retailer: Retailer, snapshots: pd.DataFrame) -> None:
    left = snapshots["customer_id"].map(retailer.customers.set_index("customer_id")["left_at"])
    np.testing.assert_array_equal(
        snapshots["churned"], left.notna() & (month_index(left) == snapshots["month"] + 1)
    )
    last_seen = retailer.usage.groupby("customer_id")["month"].max()
    left_at = retailer.customers.set_index("customer_id")["left_at"].dropna()
    assert (left_at - last_seen.reindex(left_at.index) == pd.Timedelta("1D")).all()


def test_same_seed_same_frames() -> None:
    first, second = generate(300, 5), generate(300, 5)
    for name in ("customers", "transactions", "usage", "support_contacts", "sessions", "snapshots"):
        assert_frame_equal(getattr(first, name), getattr(second, name))
    assert not first.snapshots["income"].head(50).equals(generate(300, 6).snapshots["income"].head(50))


@pytest.mark.parametrize("name", VIEWS)
def test_read_view_gives_the_rows_of_generate(name: str) -> None:
    view, truth = read_view(name, 300, 5)
    assert_frame_equal(view, generate(300, 5).view(name))
    assert_frame_equal(truth, generate(300, 5).truth(name))


@settings(max_examples=8, deadline=None)
@given(n=st.integers(200, 900), seed=st.integers(0, 2**32))
def test_any_size_has_exactly_its_customers(n: int, seed: int) -> None:
    view, truth = read_view("churn", n, seed)
    assert view["customer_id"].nunique() == n
    assert truth["true_probability"].between(0, 1).all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"n_customers is 199; allowed are whole numbers from 200"):
        generate(199)
    with pytest.raises(ParameterError, match="seed is -1"):
        read_view("churn", 300, -1)
    with pytest.raises(
        ProblemError, match=r"no view 'chrun'. Did you mean 'churn'\? Known: churn, conversion, spend"
    ):
        read_view("chrun", 300, 1)


def test_truth_is_frozen_and_listed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TRUTH.churn.base_hazard = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        TRUTH.churn.contract["two year"] = 1.0  # type: ignore[index]
    listed = TRUTH.to_frame()
    assert list(listed.columns) == ["effect", "value", "unit", "meaning"]
    assert listed["effect"].is_unique
    assert listed.notna().all(axis=None)
    assert listed.set_index("effect").loc["churn.new_customer", "value"] == 3.0


# -- churn ----------------------------------------------------------------------------------------------


def _hazard_design(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns whose coefficients are the logarithms of the hazard ratios."""
    design: dict[str, pd.Series] = {
        "new_customer": rows["tenure_months"] < 6,
        "month-to-month": rows["contract"] == "month-to-month",
        "two year": rows["contract"] == "two year",
        "price_rise": rows["price_rise_90d"],
        "support_contact": rows["support_contacts_90d"].clip(upper=6),
        "usage_fall": (-rows["usage_change"]).clip(lower=0) * 10,
        "gender": rows["gender"] == "male",
        "income": np.log(rows["income"]),
        "spend": np.log1p(rows["spend_90d"]),
    }
    for name in ("online_security", "tech_support", "streaming"):
        design[name] = rows[name] == "yes"
    for name in ("electronic check", "mailed check", "credit card"):
        design[name] = rows["payment_method"] == name
    for name in ("family", "premium", "student"):
        design[name] = rows["segment"] == name
    for column, levels in (("card_type", ["gold", "platinum"]), ("region", ["south", "east", "west"])):
        for level in levels:
            design[level] = rows[column] == level
    return sm.add_constant(pd.DataFrame(design).astype(float))


def _hazard_ratios() -> dict[str, float]:
    """The known values for these columns, before the relation changes."""
    churn = TRUTH.churn
    flat = {**churn.contract, **churn.services, **churn.payment_method, **churn.segment}
    flat |= {
        name: getattr(churn, name) for name in ("new_customer", "price_rise", "support_contact", "usage_fall")
    }
    nulls = ("gender", "income", "spend", "gold", "platinum", "south", "east", "west")
    return flat | dict.fromkeys(nulls, 1.0)


def _assert_recovered(
    rows: pd.DataFrame, target: str, link: sm.families.links.Link, known: dict[str, float]
) -> None:
    design = rows.drop(columns=target)
    fit = sm.GLM(rows[target], design, family=sm.families.Binomial(link=link)).fit()
    for name in design.columns.drop("const"):
        z = (fit.params[name] - np.log(known[name])) / fit.bse[name]
        assert abs(z) < 3.5, f"{name}: {np.exp(fit.params[name]):.3f}, known {known[name]}, z {z:.1f}"


def _known_hazard_ratios_after(month: int) -> dict[str, float]:
    known, drift = _hazard_ratios(), TRUTH.drift
    if month >= drift.relation_month:
        known |= {"month-to-month": drift.month_to_month, "support_contact": drift.support_contact}
        known |= {"tech_support": drift.tech_support, "usage_fall": drift.usage_fall}
    return known


def _check_hazard_ratios(snapshots: pd.DataFrame, first: int, last: int) -> None:
    # p = 1 - exp(-h) is the complementary log-log model, so its coefficients are log hazard ratios.
    rows = snapshots[snapshots["month"].between(first, last)]
    design = _hazard_design(rows).assign(target=rows["churned"])
    _assert_recovered(design, "target", sm.families.links.CLogLog(), _known_hazard_ratios_after(first))


@pytest.mark.parametrize(("first", "last"), [(11, 16), (20, 22)])
def test_hazard_ratios_are_recovered(snapshots: pd.DataFrame, first: int, last: int) -> None:
    _check_hazard_ratios(snapshots, first, last)


@pytest.mark.full
@pytest.mark.parametrize("seed", [42, 1, 2])
@pytest.mark.parametrize(("first", "last"), [(0, 16), (17, 19), (20, 22)])
def test_hazard_ratios_are_recovered_for_any_seed(seed: int, first: int, last: int) -> None:
    snapshots = generate(10_000, seed).snapshots
    _check_hazard_ratios(snapshots.assign(month=month_index(snapshots["snapshot_date"])), first, last)


@pytest.mark.full
def test_a_model_comes_near_the_truth_until_the_relation_changes() -> None:
    from lightgbm import LGBMClassifier

    view, truth = read_view("churn", 10_000, 42)
    rows = view.merge(truth[[*KEYS["churn"], "true_probability"]], on=KEYS["churn"])
    month, y, p = month_index(rows["snapshot_date"]), rows["churned"], rows["true_probability"]
    x = rows[list(FEATURES)]
    x = x.fillna(x.median(numeric_only=True)).astype(dict.fromkeys(x.select_dtypes("str"), "category"))
    model = LGBMClassifier(n_estimators=200, learning_rate=0.05, num_leaves=15, n_jobs=1, verbose=-1)
    score = model.fit(x[month <= 11], y[month <= 11]).predict_proba(x)[:, 1]
    test, late = (month >= 13) & (month <= 16), month >= 20
    assert roc_auc_score(y[test], score[test]) >= 0.98 * roc_auc_score(y[test], p[test])
    assert roc_auc_score(y[late], score[late]) <= 0.97 * roc_auc_score(y[late], p[late])


def test_true_probabilities_are_functions_of_clean_columns(retailer: Retailer) -> None:
    p, q = churn_probability(retailer.snapshots), order_probability(retailer.sessions)
    np.testing.assert_allclose(p, retailer.truth("churn")["true_probability"], rtol=1e-12)
    np.testing.assert_allclose(q, retailer.truth("conversion")["true_probability"], rtol=1e-12)


@pytest.mark.parametrize(("n", "seed", "low", "high"), [(10_000, 42, 0.86, 0.92), (2_000, 1, 0.83, 0.94)])
def test_churn_is_learnable(n: int, seed: int, low: float, high: float) -> None:
    view, truth = read_view("churn", n, seed)
    rows = view.drop_duplicates()
    y, p = rows["churned"].to_numpy(), truth["true_probability"].to_numpy()
    month = month_index(rows["snapshot_date"])
    assert 0.05 < y.mean() < 0.09
    assert low < roc_auc_score(y, p) < high
    test = (month >= 13) & (month <= 16)
    assert low < roc_auc_score(y[test], p[test]) < high
    if n == 10_000:
        assert min(roc_auc_score(y[month == m], p[month == m]) for m in range(17, 23)) > 0.80


def _shift(rows: pd.DataFrame, before: pd.Series, after: pd.Series) -> pd.Series:
    """Standardised difference of the means, categories as dummies."""
    wide = pd.get_dummies(rows, dtype=float)
    return ((wide[after].mean() - wide[before].mean()) / wide[before].std()).abs()


def test_covariates_drift_where_it_was_put(snapshots: pd.DataFrame) -> None:
    features, month = snapshots[list(FEATURES)], snapshots["month"]
    calm = _shift(features, month <= 8, month.between(9, 16))
    assert calm.max() < 0.12, calm.nlargest(3)
    moved = _shift(features, month.between(12, 16), month.between(17, 19))
    assert set(moved.index[moved > 0.2]) <= {"price_rise_90d", "monthly_charges", "logins_30d"}
    assert moved["price_rise_90d"] > 1.5
    logins = snapshots["logins_30d"].groupby(month >= 17).mean()
    assert logins[True] / logins[False] == pytest.approx(TRUTH.drift.logins, abs=0.03)
    at = snapshots[snapshots["month"] == 17]
    assert at.loc[at["tenure_months"] > 3, "price_rise_90d"].mean() == pytest.approx(0.77, abs=0.04)


# -- spend ----------------------------------------------------------------------------------------------


def test_spend_is_what_truth_expects(retailer: Retailer) -> None:
    rows = retailer.view("spend", defects=False)
    y, expected = rows["spend_next_90d"], retailer.truth("spend")["true_value"]
    assert 0.35 < r2_score(y, expected) < 0.70
    tenth = pd.qcut(expected, 10, labels=False)
    by_tenth = pd.DataFrame({"y": y, "expected": expected}).groupby(tenth)
    # Windows of a customer overlap, hence the standard error over customers' means would be wider yet.
    gap = (by_tenth["y"].mean() - by_tenth["expected"].mean()).abs()
    assert (gap < 6 * by_tenth["y"].std() / np.sqrt(by_tenth.size())).all()


# -- conversion -----------------------------------------------------------------------------------------


def _order_design(rows: pd.DataFrame) -> pd.DataFrame:
    conversion = TRUTH.conversion
    design: dict[str, pd.Series] = {
        "page": rows["pages_before_decision"].clip(2, 8) - 2,
        "product_view": rows["product_views_before_decision"],
        "cart": rows["cart_views_before_decision"] > 0,
        "seconds": np.log(rows["seconds_before_decision"] / 60),
        "repeat": rows["is_repeat_session"],
        "mobile": rows["device_type"] == "mobile",
        "evening": rows["hour"].between(18, 22),
        "night": rows["hour"] < 6,
        "weekend": rows["is_weekend"],
        "south": rows["region"] == "south",
    }
    for column, levels in (("utm_source", conversion.source), ("landing_page", conversion.landing_page)):
        for level in list(levels)[1:]:
            design[level] = rows[column] == level
    return sm.add_constant(pd.DataFrame(design).astype(float))


def test_odds_ratios_are_recovered(sessions: pd.DataFrame) -> None:
    conversion = TRUTH.conversion
    known = {name: getattr(conversion, name) for name in ("page", "product_view", "cart", "repeat")}
    known |= {name: getattr(conversion, name) for name in ("evening", "night", "weekend")}
    known |= {**conversion.device, **conversion.source, **conversion.landing_page, "south": 1.0}
    known["seconds"] = np.exp(conversion.seconds_elasticity)
    open_ = sessions[sessions["pages_before_decision"] >= 2]
    before, after = open_[open_["month"] < 5], open_[open_["month"] >= TRUTH.drift.relation_month]
    link = sm.families.links.Logit()
    _assert_recovered(_order_design(before).assign(target=before["ordered"]), "target", link, known)
    known["mobile"] = TRUTH.drift.mobile
    _assert_recovered(_order_design(after).assign(target=after["ordered"]), "target", link, known)


@pytest.mark.parametrize(("n", "seed", "slack"), [(10_000, 42, 0.003), (2_000, 1, 0.006)])
def test_conversion_facts(n: int, seed: int, slack: float) -> None:
    view, truth = read_view("conversion", n, seed)
    rows = view.drop_duplicates().reset_index(drop=True)
    y = rows["ordered"]
    assert y.mean() == pytest.approx(0.068, abs=slack)
    repeat = y.groupby(rows["is_repeat_session"]).mean()
    assert repeat[1] == pytest.approx(0.078, abs=slack)
    assert repeat[0] == pytest.approx(0.066, abs=slack)
    assert y[rows["engagement_depth"] == 1].sum() == 0
    assert 0.47 < y[rows["engagement_depth"] >= 5].mean() < 0.53
    assert y.groupby(rows["utm_source"].str.strip().str.lower()).mean().idxmax() == "direct"
    p = truth["true_probability"]
    precision, recall, _ = precision_recall_curve(y, p)
    assert np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)) > 0.42
    assert roc_auc_score(y, p) > 0.86


def test_only_the_depth_leaks(sessions: pd.DataFrame) -> None:
    y = sessions["ordered"]
    assert roc_auc_score(y, sessions["engagement_depth"]) > 0.93
    honest = [
        c for c in sessions.select_dtypes("number") if c not in ("ordered", "engagement_depth", "month")
    ]
    assert max(roc_auc_score(y, sessions[name]) for name in honest) < 0.90


def test_sessions_drift_where_it_was_put(sessions: pd.DataFrame) -> None:
    columns = [
        "utm_source",
        "device_type",
        "landing_page",
        "region",
        "hour",
        "is_weekend",
        "is_repeat_session",
    ]
    columns += ["pages_before_decision", "cart_views_before_decision", "seconds_before_decision"]
    month = sessions["month"]
    assert _shift(sessions[columns], month <= 8, month.between(9, 16)).max() < 0.02
    moved = _shift(sessions[columns], month <= 16, month >= 17)
    assert {name.split("_")[0] for name in moved.index[moved > 0.05]} == {"utm", "device"}
    mobile = (sessions["device_type"] == "mobile").groupby(month >= 17).mean()
    assert mobile[False] == pytest.approx(TRUTH.drift.mobile_share, abs=0.01)
    assert mobile[True] == pytest.approx(TRUTH.drift.mobile_share_after, abs=0.01)


def test_a_repeat_visitor_was_seen_before(sessions: pd.DataFrame) -> None:
    np.testing.assert_array_equal(sessions["visitor_id"].duplicated(), sessions["is_repeat_session"] == 1)


# -- defects --------------------------------------------------------------------------------------------


def _near(share: float, rate: float, n: int) -> bool:
    return abs(share - rate) < 4.5 * np.sqrt(rate * (1 - rate) / n) + 1e-12


def test_customer_defects_have_their_rates(retailer: Retailer) -> None:
    rates, clean, raw = TRUTH.defects, retailer.view("churn", defects=False), retailer.view("churn")
    n = len(clean)
    assert len(raw) - n == raw.duplicated().sum() == round(rates.duplicates * n)
    raw = raw.drop_duplicates().reset_index(drop=True)
    for column, rate in rates.customer_missing.items():
        assert _near(raw[column].isna().mean(), rate, n), column
    for level, rate in rates.income_missing.items():
        rows = raw["segment"] == level
        assert _near(raw.loc[rows, "income"].isna().mean(), rate, int(rows.sum())), level
    scaled = ~np.isclose(raw["monthly_charges"], clean["monthly_charges"])
    assert _near(scaled.mean(), rates.charges_outliers, n)
    np.testing.assert_allclose(raw["monthly_charges"][scaled], clean["monthly_charges"][scaled] * 100)
    assert _near(raw["age"].isin([-1, 999]).mean(), rates.age_impossible, n)
    for column, rate in rates.customer_mistyped.items():
        wrong = raw[column] != clean[column]
        assert _near(wrong.mean(), rate, n), column
        assert (normalise(raw[column]) == normalise(clean[column])).all()
    same = (
        set(FEATURES)
        - set(rates.customer_missing)
        - set(rates.customer_mistyped)
        - {"income", "monthly_charges"}
    )
    assert_frame_equal(raw[[*KEYS["churn"], *same, "churned"]], clean[[*KEYS["churn"], *same, "churned"]])


def test_session_defects_have_their_rates(retailer: Retailer) -> None:
    rates, clean = TRUTH.defects, retailer.view("conversion", defects=False)
    raw = retailer.view("conversion").drop_duplicates().reset_index(drop=True)
    n = len(clean)
    for column, rate in rates.session_missing.items():
        assert _near(raw[column].isna().mean(), rate, n), column
    for level, rate in rates.source_missing.items():
        rows = clean["device_type"] == level
        assert _near(raw.loc[rows, "utm_source"].isna().mean(), rate, int(rows.sum())), level
    assert _near(
        (raw["device_type"] != clean["device_type"]).mean(), rates.session_mistyped["device_type"], n
    )
    ratio = raw["seconds_before_decision"] / clean["seconds_before_decision"]
    assert _near((ratio == rates.seconds_factor).mean(), rates.seconds_outliers, n)
    same = ["session_id", "started_at", "visitor_id", "engagement_depth", "ordered"]
    assert_frame_equal(raw[same], clean[same])


def test_views_of_one_warehouse_share_their_defects(retailer: Retailer) -> None:
    churn, spend = (retailer.view(name).drop_duplicates(KEYS[name]) for name in ("churn", "spend"))
    head = churn.iloc[: len(spend)].reset_index(drop=True)
    assert_frame_equal(head[list(FEATURES)], spend[list(FEATURES)].reset_index(drop=True))


# -- offers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", VIEWS)
def test_simulated_offers_have_the_known_effect(retailer: Retailer, problem: str) -> None:
    truth = retailer.truth(problem).iloc[:60_000]
    everyone = np.ones(len(truth), dtype=bool)
    control = offer_outcomes(problem, truth, ~everyone, seed=3)
    difference = offer_outcomes(problem, truth, everyone, seed=3) - control
    known = offer_effect(problem, truth).set_index("group")
    column = "device_type" if problem == "conversion" else "segment"
    for group, row in known.iterrows():
        chosen = everyone if group == "all" else (truth[column] == group).to_numpy()
        for values, name in ((control, "control"), (difference, "effect")):
            error = values[chosen].std() / np.sqrt(chosen.sum())
            assert abs(values[chosen].mean() - row[name]) <= 4 * error, (group, name)
    assert known.loc["all", "effect"] != 0


def test_an_outcome_does_not_depend_on_the_other_rows(retailer: Retailer) -> None:
    truth = retailer.truth("churn").iloc[:5_000]
    treated = np.arange(len(truth)) % 2 == 0
    whole = offer_outcomes("churn", truth, treated, seed=1)
    some = np.random.default_rng(0).permutation(len(truth))[:700]
    np.testing.assert_array_equal(
        whole[some], offer_outcomes("churn", truth.iloc[some], treated[some], seed=1)
    )
    flipped = offer_outcomes("churn", truth, ~treated, seed=1)
    student = (truth["segment"] == "student").to_numpy()
    np.testing.assert_array_equal(whole[student], flipped[student])
    assert (whole != offer_outcomes("churn", truth, treated, seed=2)).any()


def test_offers_refuse_what_is_not_a_truth_table(retailer: Retailer) -> None:
    truth = retailer.truth("churn").head(3)
    with pytest.raises(ProblemError, match="no offer for the problem 'telco'"):
        offer_effect("telco", truth)
    with pytest.raises(DataError, match=r"has no column \['true_value'\]"):
        offer_effect("spend", truth)
    with pytest.raises(DataError, match="treated has shape"):
        offer_outcomes("churn", truth, np.array([True]), seed=1)
