"""Which columns have to do with the target: tested, corrected for their number, ranked by size of effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.exploration.comparing import Comparison, compare
from ml_utils.exploration.effects import THRESHOLDS, Scale, magnitude, on_scale, shape_size
from ml_utils.exploration.variables import Prepared
from ml_utils.wording import count, listing, times

ALPHA = 0.05
REDUNDANT = 0.7  # two columns that are associated this strongly say much the same


@dataclass(frozen=True)
class Associations:
    """Every column against the target.

    Parameters
    ----------
    table : DataFrame
        column, kind, test, why, rows, statistic, p_value, q_value, effect (its name), value, low, high
        (95 %), size (|effect| on one scale), size_low, size_high, magnitude, ks, ks_p_value, ks_q_value,
        shape_size, significant, verdict; strongest first.
    scale : {"d", "r"}
        Scale of `size`: standardised difference for a binary target, correlation else.
    alpha : float
        The level that the false-discovery rate is kept at.
    correction : {"bh", "by"}
    family : int
        Number of tests that were corrected together.
    rows : int
        Rows looked at.
    """

    table: pd.DataFrame
    scale: Scale
    alpha: float
    correction: Literal["bh", "by"]
    family: int
    rows: int

    def to_frame(self) -> pd.DataFrame:
        """Return the columns' tests and effects, strongest first."""
        return self.table

    @property
    def real(self) -> list[str]:
        """Columns whose relation to the target is significant and not negligible, strongest first."""
        shown = self.table["verdict"].isin(["large", "medium", "small", "shape differs"])
        return self.table.loc[shown, "column"].tolist()

    def strength(self) -> pd.Series:
        """Size of each column's effect, of level or of shape, whichever is larger."""
        table = self.table.set_index("column")
        shape = table["shape_size"].where(table["ks_q_value"] < self.alpha)
        return pd.concat([table["size"], shape], axis=1).max(axis=1).fillna(0.0).rename("strength")

    def sentence(self) -> str:
        """Say in one sentence what has to do with the target."""
        verdicts = self.table["verdict"]
        negligible = int((verdicts == "significant but negligible").sum())
        top = self.table[self.table["column"].isin(self.real)].head(3)
        named = [f"{row.column} ({row.verdict})" for row in top.itertuples()]
        some = f"{times(len(self.real), 'column')} of {count(len(self.table))}"
        found = f"{some} {'has' if len(self.real) == 1 else 'have'} a real relation to the target"
        strongest = f", above all {listing(named)}" if named else ""
        besides = (
            f"; {times(negligible, 'more is', 'more are')} significant but negligible" if negligible else ""
        )
        return f"{found}{strongest}{besides}."

    def _repr_html_(self) -> str:
        shown = ["column", "test", "effect", "value", "low", "high", "q_value", "verdict"]
        table = self.table[shown].head(15).rename(columns={"q_value": "q", "low": "from", "high": "to"})
        return table.to_html(index=False, float_format="{:.3g}".format, border=0)


def associate(
    prepared: Prepared,
    seed: int = 42,
    alpha: float = ALPHA,
    correction: Literal["bh", "by"] = "bh",
) -> Associations:
    """Test every column against the target.

    Parameters
    ----------
    prepared : Prepared
    seed : int
        For Monte Carlo p-values.
    alpha : float
        Level of the false-discovery rate over all tests, those of shape included.
    correction : {"bh", "by"}
        Benjamini & Hochberg (1995), or Benjamini & Yekutieli (2001), which holds under any dependence.

    Returns
    -------
    Associations

    Raises
    ------
    ParameterError
        If `alpha` or `correction` is not allowed.
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha is {alpha}; it must lie between 0 and 1, as 0.05 does.")
    rng = np.random.default_rng(seed)
    scale: Scale = "d" if prepared.binary else "r"
    found = [
        _row(name, variable.kind, compare(variable, prepared.target, rng, shape=prepared.binary), scale)
        for name, variable in prepared.variables.items()
    ]
    table = pd.DataFrame(found)
    q = q_values(np.concatenate([table["p_value"], table["ks_p_value"]]), correction)
    table["q_value"], table["ks_q_value"] = q[: len(table)], q[len(table) :]
    table["significant"] = table["q_value"] < alpha
    table["magnitude"] = [magnitude(size, scale) for size in table["size"]]
    table["verdict"] = [_verdict(row, scale, alpha) for _, row in table.iterrows()]
    order = table.sort_values(["size", "column"], ascending=[False, True], kind="stable")
    return Associations(
        order.reset_index(drop=True), scale, alpha, correction, int(np.isfinite(q).sum()), prepared.rows
    )


def q_values(p_values: Sequence[float] | np.ndarray, method: Literal["bh", "by"] = "bh") -> np.ndarray:
    """Turn p-values into q-values: the false-discovery rate at which each would just be significant.

    Missing p-values stay missing and don't count.

    Examples
    --------
    >>> q_values([0.01, 0.04, float("nan"), 0.03]).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    from scipy.stats import false_discovery_control

    if method not in ("bh", "by"):
        raise ParameterError(f"correction is {method!r}; it must be 'bh' or 'by'.")
    p = np.asarray(p_values, dtype=float)
    known = np.isfinite(p)
    q = np.full(len(p), np.nan)
    if known.any():
        q[known] = false_discovery_control(np.clip(p[known], 0, 1), method=method)
    return q


def columns_that_matter(found: Associations, strength: pd.DataFrame, limit: int = 6) -> list[str]:
    """Choose few columns that say most about the target and don't repeat one another.

    Strongest first, each is taken unless it is negligible, not shown, or associated with one that was already
    taken by `REDUNDANT` or more.

    Parameters
    ----------
    found : Associations
    strength : DataFrame of shape (n_columns, n_columns)
        Association between columns, 0 to 1; columns that it lacks count as related to none.
    limit : int

    Returns
    -------
    list of str
        Empty where no column has a relation to the target that is shown.
    """
    order = found.strength().loc[found.real].sort_values(ascending=False, kind="stable")
    taken: list[str] = []
    for name in order.index:
        known = [other for other in taken if other in strength.index and name in strength.index]
        if all(strength.loc[name, other] < REDUNDANT for other in known):
            taken.append(str(name))
        if len(taken) == limit:
            break
    return taken


def _row(name: str, kind: str, found: Comparison, scale: Scale) -> dict[str, object]:
    size, low, high = on_scale(found.effect, scale, found.share)
    shape = shape_size(found.ks, *found.sizes) if math.isfinite(found.ks) else math.nan
    return {
        "column": name,
        "kind": kind,
        "test": found.test,
        "why": found.why,
        "rows": found.rows,
        "statistic": found.statistic,
        "p_value": found.p_value,
        "effect": found.effect.name,
        "value": found.effect.value,
        "low": found.effect.low,
        "high": found.effect.high,
        "size": size,
        "size_low": low,
        "size_high": high,
        "ks": found.ks,
        "ks_p_value": found.ks_p_value,
        "shape_size": shape,
    }


def _verdict(row: pd.Series, scale: Scale, alpha: float) -> str:
    smallest = THRESHOLDS[scale][0]
    if row["significant"] and row["size"] >= smallest:
        return str(row["magnitude"])
    if row["ks_q_value"] < alpha and row["shape_size"] >= smallest:
        return "shape differs"
    if row["significant"]:
        return "significant but negligible"
    return "not shown" if math.isfinite(row["p_value"]) else "not tested"
