"""The most confident errors: rows that the model was surest about and wrong, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.failures.banding import BandedColumn, band_columns
from ml_utils.evaluation.failures.row_scores import Array, prediction_bands
from ml_utils.evaluation.metrics import check_scores, log_losses
from ml_utils.wording import count, figure, listing, percent
from ml_utils.words import word

Mask = npt.NDArray[np.bool_]
ALPHA = 0.05


@dataclass(frozen=True)
class ConfidentErrors:
    """Rows with the largest losses.

    Parameters
    ----------
    rows : DataFrame
        Outcome, score, loss and raw columns, the largest loss first; the index is the row's position.
    common : DataFrame
        A row a level of a column: column, value, share of the errors, expected share (among rows with about
        the same scores), z and p_value (Holm over all levels); the most over-represented first.
    n_errors : int
        Rows that `common` calls errors.
    task : str
    """

    rows: pd.DataFrame
    common: pd.DataFrame
    n_errors: int
    task: str
    n_rows: int = field(default=0)

    def to_frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows as a page shows them, with all columns of the table or with some."""
        kept = self.rows if columns is None else self.rows[["outcome", "score", "loss", *columns]]
        shown = {
            name: kept[name].map(word, na_action="ignore").astype(object).fillna("")
            for name in kept.select_dtypes("number").columns
        }
        shown |= {name: kept[name].map(figure) for name in ("score", "loss")}
        return kept.astype(dict.fromkeys(shown, object)).assign(**shown)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, na_rep=""))

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        return {
            "rows": self.rows.reset_index(names="row"),
            "common": self.common,
            "errors": self.n_errors,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """Say what the errors have in common that rows with like scores have not."""
        shown = self.common[(self.common["p_value"] < ALPHA) & (self.common["z"] > 0)].head(3)
        about = f"The {count(self.n_errors)} rows with the largest losses, of {count(self.n_rows)},"
        if shown.empty:
            return f"{about} have nothing in common that other rows with like scores have not."
        parts = [
            f"{row.value} ({percent(row.share, 0)} of them, {percent(row.expected, 0)} among rows with like "
            f"scores)"
            for row in shown.itertuples()
        ]
        return f"{about} are more often than others {listing(parts)}."


def confident_errors(
    X: pd.DataFrame,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    task: str = "binary",
    n: int = 10,
    share: float = 0.02,
    keep_ids: bool = False,
) -> ConfidentErrors:
    """Show the rows with the largest losses, and what sets them apart from rows with like scores.

    Rows with confident scores look alike for the reason that makes the model confident. The errors are
    therefore compared with rows that got about the same score (within twentieths), not with all others.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns.
    y, score : array of shape (n_rows,)
    task : {"binary", "regression"}
    n : int
        Rows to show.
    share : float
        Share of the rows, at least 30, that are called errors when asking what they have in common.
    keep_ids : bool
        Whether columns that name rows are shown; they are not by default.

    Returns
    -------
    ConfidentErrors

    Raises
    ------
    DataError
        If targets and scores do not fit together or to the table.
    ParameterError
        If `n` or `share` is out of range.

    Examples
    --------
    >>> X = pd.DataFrame({"plan": ["a", "b", "a", "b"]})
    >>> confident_errors(X, [1, 0, 0, 1], [0.9, 0.2, 0.8, 0.02], n=2).rows["loss"].round(2).tolist()
    [3.91, 1.61]
    """
    if n < 1 or not 0 < share < 1:
        raise ParameterError(f"n is {n} and share {share}; show 1 row or more, and a share between 0 and 1.")
    target, scores = check_scores(y, score, task)
    if len(X) != len(target):
        raise DataError(f"X has {len(X)} rows and y {len(target)}; they must be the same rows.")
    losses = log_losses(target, scores) if task == "binary" else (target - scores) ** 2
    order = np.argsort(-losses, kind="stable")
    columns, left_out = band_columns(X, minimum_rows=max(30, len(X) // 100))
    named = [name for name, why in left_out.items() if "names rows" in why and not keep_ids]
    worst = order[:n]
    shown = X.iloc[worst].drop(columns=named).reset_index(drop=True)
    shown.insert(0, "outcome", target[worst])
    shown.insert(1, "score", scores[worst])
    shown.insert(2, "loss", losses[worst])
    shown.index = pd.Index(worst)
    errors = np.zeros(len(target), dtype=bool)
    errors[order[: min(max(int(share * len(target)), 30), len(target) // 2)]] = True
    return ConfidentErrors(shown, _in_common(columns, errors, scores), int(errors.sum()), task, len(target))


def _in_common(columns: Sequence[BandedColumn], errors: Mask, score: Array) -> pd.DataFrame:
    """Compare the errors with rows of the same twentieth of the score, level by level."""
    from statsmodels.stats.multitest import multipletests

    names = ["column", "value", "share", "expected", "z", "p_value"]
    rows = [row for column in columns for row in _levels(column, errors, prediction_bands(score))]
    table = pd.DataFrame(rows, columns=names)
    if not table.empty:
        table["p_value"] = multipletests(table["p_value"], method="holm")[1]
    return table.sort_values("z", ascending=False, ignore_index=True)


def _levels(column: BandedColumn, errors: Mask, band: npt.NDArray[np.int64]) -> list[tuple[object, ...]]:
    from scipy.special import ndtr

    n_levels, n_bands = len(column.labels), int(band.max()) + 1
    cells = column.codes * n_bands + band
    size = n_levels * n_bands
    inside = np.bincount(cells, minlength=size).reshape(n_levels, n_bands).astype(float)
    wrong = np.bincount(cells[errors], minlength=size).reshape(n_levels, n_bands).sum(axis=1)
    rows, drawn = inside.sum(axis=0), np.bincount(band[errors], minlength=n_bands).astype(float)
    part = inside / rows
    expected = (part * drawn).sum(axis=1)
    # Mantel and Haenszel 1959: a hypergeometric draw in every band
    variance = (part * (1 - part) * drawn * (rows - drawn) / np.maximum(rows - 1, 1)).sum(axis=1)
    found = []
    for i in range(n_levels):
        if variance[i] <= 0:
            continue
        excess = wrong[i] - expected[i]
        z = float(np.sign(excess) * max(abs(excess) - 0.5, 0) / np.sqrt(variance[i]))
        total = max(float(errors.sum()), 1.0)
        shares = (wrong[i] / total, expected[i] / total)
        found.append((column.name, column.phrase(i, i), *map(float, shares), z, float(2 * ndtr(-abs(z)))))
    return found
