"""Every defect that the retailer plants is found in its exact rows, and what is clean raises nothing."""

from __future__ import annotations

import os
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from ml_utils.data import check_table, split_frame
from ml_utils.problem import load_problem
from ml_utils.quality import DataQuality
from ml_utils.synthetic.retailer import Retailer, generate

VIEWS = ("churn", "conversion", "spend")
PUBLIC = os.environ.get("OCTAVO_PUBLIC_DATA", "")


@lru_cache(maxsize=2)
def retailer(n_customers: int, seed: int) -> Retailer:
    return generate(n_customers, seed)


def planted(clean: pd.DataFrame, spoilt: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return the planted rows by what they are: cells that differ from the clean table, repeated rows."""
    again = spoilt.duplicated().to_numpy()
    before = clean.iloc[np.cumsum(~again) - 1].reset_index(drop=True)
    rows = {("repeated row", "(all)"): again}
    for name in spoilt:
        empty = (spoilt[name].isna() & before[name].notna()).to_numpy()
        other = ((spoilt[name] != before[name]) & spoilt[name].notna()).to_numpy()
        kind = "out of range" if pd.api.types.is_numeric_dtype(spoilt[name]) else "misspelt"
        rows |= {("missing", name): empty, (kind, name): other}
    return {key: marks for key, marks in rows.items() if marks.any()}


def check_planted(n_customers: int, seed: int, view: str) -> None:
    clean = retailer(n_customers, seed).view(view, defects=False)
    spoilt = retailer(n_customers, seed).view(view)
    report = DataQuality(load_problem(view)).check(spoilt)
    found = {key: marks for key, marks in report.marks.items() if key[0] != "far out"}
    wanted = planted(clean, spoilt)
    assert set(found) == set(wanted)
    for key, marks in wanted.items():
        np.testing.assert_array_equal(found[key], marks, err_msg=str(key))


def check_clean(n_customers: int, seed: int, view: str) -> None:
    problem = load_problem(view)
    tables = {spoilt: retailer(n_customers, seed).view(view, defects=spoilt) for spoilt in (True, False)}
    splits = {spoilt: split_frame(check_table(table, problem), problem) for spoilt, table in tables.items()}
    for reference in (True, False):  # rules from spoilt or clean rows, held against clean ones
        quality = DataQuality(problem).fit(splits[reference]["train"])
        checked = quality.check_splits(splits[False])
        assert checked.to_frame().empty, checked.to_frame().to_string()
        assert not checked.repeats["suspicious"].any()
        assert quality.check(tables[False]).broken == ()


@pytest.mark.parametrize("view", VIEWS)
def test_each_planted_kind_is_found_in_its_exact_rows(view: str) -> None:
    check_planted(300, 5, view)


@pytest.mark.parametrize("view", VIEWS)
def test_clean_tables_and_clean_later_periods_raise_nothing(view: str) -> None:
    check_clean(300, 5, view)


@pytest.mark.full
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(100, 108))
def test_the_same_on_more_retailers(seed: int, view: str) -> None:
    check_planted(2000, seed, view)
    check_clean(2000, seed, view)


@pytest.mark.skipif(not PUBLIC, reason="OCTAVO_PUBLIC_DATA is not set")
@pytest.mark.parametrize("name", ["telco", "online_shoppers"])
def test_random_splits_of_real_tables_raise_nothing(name: str) -> None:
    from ml_utils.data.sources import read_source

    problem = load_problem(f"tests/problems/{name}.yaml")
    frame = check_table(read_source(problem).frame, problem)
    for seed in range(2):
        checked = DataQuality(problem, seed).check_splits(split_frame(frame, problem, seed))
        assert checked.to_frame().empty, checked.to_frame().to_string()
        assert not checked.repeats["suspicious"].any()
