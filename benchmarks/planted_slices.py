"""Tables with a model whose errors are random, and the same with a slice of two columns where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

FAULTS = {"binary": ("mixed", "too low", "too high"), "regression": ("mixed", "too low")}


@dataclass(frozen=True)
class Table:
    """Columns, outcomes, a model's scores, and the rows where they are wrong."""

    X: pd.DataFrame
    y: np.ndarray
    score: np.ndarray
    wrong: np.ndarray


def columns(n: int, rng: np.random.Generator, n_columns: int = 12) -> pd.DataFrame:
    """Numbers and categories in turn, independent; the second number has missing values."""
    made = {}
    for j in range(n_columns):
        if j % 2:
            made[f"group{j}"] = rng.choice(list("abcdefgh")[: 3 + j % 5], n)
        else:
            made[f"number{j}"] = rng.normal(50, 10, n).round(2)
    made["number2"] = rng.gamma(2, 20, n).round(2)
    table = pd.DataFrame(made)
    table.loc[rng.random(n) < 0.05, "number4"] = np.nan
    # the planted slice is the highest fifth of number2 where the region is north: 3 % of the rows
    table["region"] = rng.choice(["north", "south", "east", "west"], n, p=[0.15, 0.3, 0.3, 0.25])
    return table


def make(
    seed: int,
    task: str = "binary",
    fault: str = "none",
    effect: float = 1.0,
    n: int = 10_000,
    n_columns: int = 12,
    rate: float = 0.27,
    noise: str = "normal",
) -> Table:
    """Draw a table.

    Parameters
    ----------
    seed : int
    task : {"binary", "regression"}
    fault : {"none", "mixed", "too low", "too high"}
        In the slice scores are those of other rows, or off by `effect` (log-odds, or sd of the errors).
    effect : float
    n, n_columns : int
    rate : float
        Share of positives at the centre of the scores.
    noise : {"normal", "t3", "skewed"}
        Errors of a regression; skewed ones also grow with the prediction.
    """
    rng = np.random.default_rng(seed)
    X = columns(n, rng, n_columns)
    signal = (X["number0"].to_numpy() - 50) / 10 + 0.7 * (X["group1"] == "a").to_numpy()
    wrong = (
        (X["number2"] >= X["number2"].quantile(0.8, interpolation="higher")) & (X["region"] == "north")
    ).to_numpy()
    if task == "binary":
        link = np.log(rate / (1 - rate)) + 1.2 * signal + 0.5 * rng.normal(size=n)
        y = (rng.random(n) < expit(link)).astype(int)
    else:
        link = 2 * signal
        y = link + _errors(noise, link, rng)
    shift = effect if task == "binary" else effect * float((y - link).std())
    wrongly = {
        "none": link,
        "too low": link - shift,
        "too high": link + shift,
        "mixed": rng.permutation(link),
    }
    link = np.where(wrong, wrongly[fault], link)
    return Table(X, y, expit(link) if task == "binary" else link, wrong)


def _errors(noise: str, link: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if noise == "t3":
        return rng.standard_t(3, len(link))
    if noise == "skewed":
        return (rng.exponential(1, len(link)) - 1) * np.exp(0.3 * link)
    return rng.normal(size=len(link))


def agreement(found: np.ndarray, wrong: np.ndarray) -> float:
    """Rows that two slices share over the rows that are in either (Jaccard)."""
    return float((found & wrong).sum() / max((found | wrong).sum(), 1))
