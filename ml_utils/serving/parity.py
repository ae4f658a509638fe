"""A package held against the pipeline it was made from: the same rows must get the same scores."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.compiled.edges import edge_rows
from ml_utils.compiled.frames import columns_of
from ml_utils.errors import IntegrityError

if TYPE_CHECKING:
    from ml_utils.compiled.scorer import CompiledScorer
    from ml_utils.serving.scoring import Scorer

logger = logging.getLogger(__name__)

ROUNDING = 1e-12  # below it two orders of one sum in float64; what they are differs between machines
LARGE = 1e-6  # one over the predicted value from which the difference is told relative to it
TOLERANCE = 1e-6  # largest difference between a package's score and the pipeline's
EDGES = "edge rows, compiled"


@dataclass(frozen=True)
class Parity:
    """Scores of a package held against those of the pipeline it was made from.

    Parameters
    ----------
    rows : int
    largest : float
        Largest absolute difference.
    through : str
        The way the rows took to the package.
    """

    rows: int
    largest: float
    through: str


@dataclass(frozen=True)
class Package:
    """A model packaged for serving.

    Parameters
    ----------
    folder : Path
    version : int
    sha256 : str
        Hash of the manifest; hand it to whoever loads the package.
    files : dict of str to int
        File name to bytes.
    parity : tuple of Parity
    compiled : bool
        Whether the service reads the compiled form, and unpickles nothing.
    not_compiled : str
        Why it does not.
    """

    folder: Path
    version: int
    sha256: str
    files: dict[str, int]
    parity: tuple[Parity, ...]
    compiled: bool = False
    not_compiled: str = ""

    @property
    def rows(self) -> int:
        """Rows of the test split that were compared."""
        return self.parity[0].rows  # the table; edge rows may be more

    @property
    def edges(self) -> int:
        """Generated rows that were compared: missing, unseen and extreme values; 0 where not compiled."""
        return sum(item.rows for item in self.parity if item.through == EDGES)

    @property
    def largest(self) -> float:
        """Largest difference that was found."""
        return max(item.largest for item in self.parity)

    def results(self) -> dict[str, object]:
        """Return how it was compared, for what a notebook records."""
        return {
            "compiled": self.compiled,
            "not_compiled": self.not_compiled,
            "parity": [vars(item) for item in self.parity],
            "parity_table": self.parity_frame(),
        }

    def sentence(self) -> str:
        """Say in which form the model is served, or why it is not compiled."""
        if self.compiled:
            return (
                "The model is compiled: the service reads JSON and ONNX, unpickles nothing and needs neither "
                "pandas nor scikit-learn."
            )
        why = self.not_compiled or "it was registered before models were"
        return (
            f"The model is not compiled: {why}. The service then has to be started with --allow-pipeline, "
            "and loads the pickled pipeline in a full install."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a file, with its size."""
        return pd.DataFrame(
            {"file": list(self.files), "kB": [round(n / 1000, 1) for n in self.files.values()]}
        )

    def parity_frame(self) -> pd.DataFrame:
        """Return one row a way that the parity was checked."""
        rows = [
            {
                "rows sent as": item.through,
                "rows": f"{item.rows:,}",
                "largest difference": "none" if item.largest == 0 else _decimal(item.largest),
            }
            for item in self.parity
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def compare_compiled(
    pipeline: Scorer, compiled: CompiledScorer, X: pd.DataFrame, seed: int = 42
) -> tuple[Parity, ...]:
    """Hold a compiled form against its pipeline: on rows by each way in, and on rows at the edges.

    Parameters
    ----------
    pipeline : Scorer
    compiled : CompiledScorer
    X : DataFrame of shape (n_rows, n_columns)
        Raw rows, like the test split.
    seed : int
        For `edge_rows`.

    Returns
    -------
    tuple of Parity
        Whole columns, rows one by one, and edge rows one by one and all at once.

    Raises
    ------
    IntegrityError
        If a score differs by more than 1e-6.
    """
    table = pipeline.schema.prepare(X)
    expected = pipeline.model.predict_score(table)
    columns = columns_of(table, [str(name) for name in table.columns])
    rows = json_rows(table)
    edges, at_edges = _scored(pipeline, edge_rows(pipeline.schema.columns, compiled, seed))
    return (
        compare(compiled.score_columns(columns), expected, "columns, compiled"),
        compare(np.array([compiled.score_one(row) for row in rows]), expected, "rows one by one, compiled"),
        compare(np.array([compiled.score_one(row) for row in edges]), at_edges, EDGES),
        compare(compiled.score_rows(edges), at_edges, "edge rows all at once, compiled"),
    )


def _scored(pipeline: Scorer, rows: list[dict[str, object]]) -> tuple[list[dict[str, object]], np.ndarray]:
    """Score the rows that the pipeline takes; those that it refuses are left out."""
    if not rows:
        return [], np.empty(0)
    try:
        return rows, pipeline.score(rows)
    except (ValueError, OverflowError) as error:  # of ours, numpy's, scikit-learn's, pandas'
        if len(rows) == 1:
            logger.debug("the pipeline refuses %s: %s", rows[0], error)
            return [], np.empty(0)
    half = len(rows) // 2
    parts = [_scored(pipeline, part) for part in (rows[:half], rows[half:])]
    return parts[0][0] + parts[1][0], np.concatenate([parts[0][1], parts[1][1]])


def json_rows(X: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as JSON values: None where missing or infinite, ISO text for times, every digit kept.

    Examples
    --------
    >>> json_rows(pd.DataFrame({"a": [0.1, np.nan], "b": ["x", None]}))
    [{'a': 0.1, 'b': 'x'}, {'a': None, 'b': None}]
    """
    columns = {str(name): _json_values(X[name]) for name in X.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _json_values(values: pd.Series) -> list[object]:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf" and np.isfinite(values).all():
        return list(values.tolist())
    return [_json_value(value) for value in values.tolist()]


def _json_value(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def compare(scores: np.ndarray, expected: np.ndarray, through: str) -> Parity:
    """Hold scores against the pipeline's.

    Raises
    ------
    IntegrityError
        If one differs by more than 1e-6.
    """
    with np.errstate(invalid="ignore"):
        gap = np.where(scores == expected, 0.0, np.abs(scores - expected))
    # values beyond a million keep twelve digits: float64 has no more to give to a sum
    largest = float(np.max(gap / np.maximum(1.0, LARGE * np.abs(expected)), initial=0.0))
    if not largest <= TOLERANCE:
        raise IntegrityError(
            f"The package does not score as the pipeline does: rows sent as {through} differ by up to "
            f"{largest:.2g}, allowed is {TOLERANCE:g}. Don't deploy it; "
            "does a feature depend on the other rows?"
        )
    return Parity(len(scores), largest if largest > ROUNDING else 0.0, through)


def say_difference(largest: float) -> str:
    """Put a difference of scores into words.

    Examples
    --------
    >>> say_difference(0.0), say_difference(2.2e-7), say_difference(3e-11)
    ('no difference', 'largest difference 0.0000002', 'largest difference below 0.00000001')
    """
    return "no difference" if largest == 0 else f"largest difference {_decimal(largest)}"


def _decimal(value: float) -> str:
    """Write the first digit that is not 0, and no power of ten."""
    return "below 0.00000001" if value < 1e-8 else np.format_float_positional(float(f"{value:.0e}"), trim="-")
