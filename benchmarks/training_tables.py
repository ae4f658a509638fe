"""The tables that models are compared on, each with its folds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from project_copy import ROOT

PUBLIC = Path(os.environ.get("OCTAVO_PUBLIC_DATA", ROOT / "data" / "public"))
SEED = 42


@dataclass(frozen=True)
class BenchTable:
    """Raw columns, target (0 or 1), groups that a fold must not tear apart, folds, true probabilities."""

    name: str
    X: pd.DataFrame
    y: pd.Series
    groups: pd.Series | None
    folds: list[tuple[np.ndarray, np.ndarray]]
    truth: pd.Series | None = None  # where a generator knows it


def read(name: str, n_folds: int = 5) -> BenchTable:
    """Read a table by name: shuffled folds with seed 42, stratified, whole groups on one side.

    Raises
    ------
    FileNotFoundError
        If a public table is not there; data/README.md says where to download it.
    """
    from ml_utils.training.search import make_folds

    X, y, groups, *known = TABLES[name]()
    X, y = X.reset_index(drop=True), y.reset_index(drop=True).astype("int8")
    codes = None if groups is None else pd.factorize(groups)[0]
    folds = make_folds(y.to_numpy(), codes, n_folds, "binary", SEED)
    truth = known[0].reset_index(drop=True) if known else None
    return BenchTable(name, X, y, groups, [(fold.train, fold.valid) for fold in folds], truth)


def _telco() -> tuple[pd.DataFrame, pd.Series, None]:
    table = pd.read_csv(PUBLIC / "telco.csv", na_values=[" "])
    return table.drop(columns=["customerID", "Churn"]), table["Churn"] == "Yes", None


def _online_shoppers() -> tuple[pd.DataFrame, pd.Series, None]:
    table = pd.read_csv(PUBLIC / "online_shoppers.csv")
    return table.drop(columns="Revenue"), table["Revenue"].astype(str).str.upper() == "TRUE", None


def _bank() -> tuple[pd.DataFrame, pd.Series, None]:
    table = pd.read_csv(PUBLIC / "bank_marketing.csv.gz", sep=";")
    return table.drop(columns=["y", "duration"]), table["y"] == "yes", None


def _churn() -> tuple[pd.DataFrame, pd.Series, pd.Series, pd.Series]:
    from ml_utils.synthetic import read_view

    table, truth = read_view("churn", 3_000, SEED)
    table = table.drop_duplicates()
    table = table[table["snapshot_date"].astype(str) < "2025-01"].reset_index(drop=True)
    keys = ["customer_id", "snapshot_date"]
    known = table[keys].merge(truth, "left", keys)["true_probability"]
    return table.drop(columns=[*keys, "churned"]), table["churned"] == 1, table["customer_id"], known


def _conversion() -> tuple[pd.DataFrame, pd.Series, None, pd.Series]:
    from ml_utils.synthetic import read_view

    table, truth = read_view("conversion", 2_000, SEED)
    table = table.drop_duplicates().iloc[:30_000]
    known = table[["session_id"]].merge(truth, "left", "session_id")["true_probability"]
    left_out = ["session_id", "started_at", "visitor_id", "engagement_depth", "ordered"]
    return table.drop(columns=left_out), table["ordered"] == 1, None, known


def _breast_cancer() -> tuple[pd.DataFrame, pd.Series, None]:
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X, y == 0, None


def _digits() -> tuple[pd.DataFrame, pd.Series, None]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True, as_frame=True)
    return X, y == 8, None


TABLES = {
    "telco": _telco,
    "online_shoppers": _online_shoppers,
    "bank_marketing": _bank,
    "churn": _churn,
    "conversion": _conversion,
    "breast_cancer": _breast_cancer,
    "digits": _digits,
}
