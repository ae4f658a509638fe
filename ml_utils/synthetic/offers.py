"""What an offer does: outcomes drawn under an assignment, and the true effect to hold an analysis against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_utils.errors import DataError, ProblemError, list_known
from ml_utils.synthetic.truth import TRUTH


@dataclass(frozen=True)
class _Offer:
    """How one problem's truth table is read."""

    group: str
    value: str
    effects: Mapping[str, float]


OFFERS: Final[Mapping[str, _Offer]] = {
    "churn": _Offer("segment", "true_probability", TRUTH.offer.hazard),
    "conversion": _Offer("device_type", "true_probability", TRUTH.offer.odds),
    "spend": _Offer("segment", "true_value", TRUTH.offer.spend_uplift),
}


def _offer(problem: str, truth: pd.DataFrame) -> _Offer:
    if problem not in OFFERS:
        raise ProblemError(f"There is no offer for the problem {problem!r}. {list_known(problem, OFFERS)}")
    offer = OFFERS[problem]
    absent = [name for name in (offer.group, offer.value) if name not in truth.columns]
    if absent:
        raise DataError(
            f"The truth of {problem!r} has no column {absent}; it has {list(truth.columns)}. "
            f"Pass rows of Retailer.truth({problem!r})."
        )
    unknown = sorted(set(truth[offer.group].unique()) - set(offer.effects))
    if unknown:
        raise DataError(
            f"{offer.group} holds {unknown}; the offer is known for {sorted(offer.effects)}. "
            f"Pass rows of Retailer.truth({problem!r}) as they are."
        )
    return offer


def _under_offer(problem: str, truth: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Expected outcome of each row without and with the offer."""
    offer = _offer(problem, truth)
    without = truth[offer.value].to_numpy(dtype=float)
    effect = truth[offer.group].map(dict(offer.effects)).to_numpy(dtype=float)
    if problem == "churn":
        hazard = -np.log1p(-np.minimum(without, 1 - 2.0**-53))  # finite where p is 1 in floating point
        return without, -np.expm1(-hazard * effect)
    if problem == "conversion":
        return without, without * effect / (1 - without + without * effect)
    return without, without * (1 + effect)


def _uniforms(keys: pd.DataFrame, seed: int, n: int) -> NDArray[np.float64]:
    """One uniform a row and draw that depends on the row's key and the seed alone.

    So a row keeps its luck in either arm, in any order and in any subset. The keys' hash is finished as in
    SplitMix64 (Steele, Lea and Flood 2014).
    """
    hashed = pd.util.hash_pandas_object(keys, index=False).to_numpy(dtype=np.uint64)
    salts = np.random.SeedSequence(seed).generate_state(n, np.uint64)
    mixed = hashed[None, :] ^ salts[:, None]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _draw_spend(expected: np.ndarray, segment: pd.Series, uniforms: np.ndarray) -> np.ndarray:
    """Poisson purchases of gamma amounts, both by inversion, with the expectation that is asked for."""
    from scipy.special import gammaincinv
    from scipy.stats import poisson

    shape = TRUTH.spend.amount_shape
    amount = segment.map(dict(TRUTH.spend.amount)).to_numpy(dtype=float)
    count = poisson.ppf(uniforms[0], expected / amount)
    total = gammaincinv(np.maximum(count, 1) * shape, uniforms[1]) * amount / shape
    return np.where(count > 0, total, 0.0)


def offer_outcomes(
    problem: str, truth: pd.DataFrame, treated: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Draw the outcomes under an assignment.

    The same row gets the same uniforms in whichever arm it is, so that two assignments differ by the
    offer alone.

    Parameters
    ----------
    problem : str
        "churn", "conversion" or "spend".
    truth : DataFrame, shape (n, any)
        Rows of ``Retailer.truth(problem)``, keys unique.
    treated : ndarray of bool, shape (n,)
        Who gets the offer.
    seed : int

    Returns
    -------
    ndarray of float, shape (n,)
        0 or 1 for churn and conversion; currency for spend.

    Raises
    ------
    ProblemError
        If there is no offer for the problem.
    DataError
        If `truth` is not a truth table, or `treated` has another length.
    """
    without, with_offer = _under_offer(problem, truth)
    treated = np.asarray(treated, dtype=bool)
    if treated.shape != (len(truth),):
        raise DataError(
            f"treated has shape {treated.shape}, truth has {len(truth)} rows. Pass one flag a row of truth."
        )
    expected = np.where(treated, with_offer, without)
    offer = OFFERS[problem]
    keys = truth.drop(columns=[offer.group, offer.value])
    uniforms = _uniforms(keys, seed, 2)
    if problem == "spend":
        return _draw_spend(expected, truth[offer.group], uniforms)
    return (uniforms[0] < expected).astype(np.float64)


def offer_effect(problem: str, truth: pd.DataFrame) -> pd.DataFrame:
    """Give the true average effect of the offer, overall and by group.

    Parameters
    ----------
    problem : str
        "churn", "conversion" or "spend".
    truth : DataFrame, shape (n, any)
        Rows of ``Retailer.truth(problem)``.

    Returns
    -------
    DataFrame
        Columns group ("all", then each segment or device), n, control, treated (expected outcomes) and
        effect (treated - control).

    Raises
    ------
    ProblemError
        If there is no offer for the problem.
    DataError
        If `truth` is not a truth table.

    Examples
    --------
    >>> truth = pd.DataFrame({"segment": ["premium", "student"], "true_value": [100.0, 50.0]})
    >>> offer_effect("spend", truth)[["group", "effect"]].round(2).values.tolist()
    [['all', 7.5], ['premium', 15.0], ['student', 0.0]]
    """
    without, with_offer = _under_offer(problem, truth)
    rows = pd.DataFrame(
        {"group": truth[OFFERS[problem].group].to_numpy(), "control": without, "treated": with_offer}
    )
    groups = rows.groupby("group", sort=True)
    table = groups[["control", "treated"]].mean().assign(n=groups.size()).reset_index()
    overall = rows[["control", "treated"]].mean().to_frame().T.assign(group="all", n=len(rows))
    out = pd.concat([overall, table], ignore_index=True)
    out["effect"] = out["treated"] - out["control"]
    return out[["group", "n", "control", "treated", "effect"]]
