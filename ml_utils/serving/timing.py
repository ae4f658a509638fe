"""How long one row takes in process: the compiled form beside the pipeline that it was made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.compiled.files import COMPILED
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.errors import ParameterError
from ml_utils.serving.scoring import Scorer
from ml_utils.wording import count

if TYPE_CHECKING:
    from ml_utils.registry.registered import RegisteredModel

Row = Mapping[str, object]
_COMPILED_CALLS, _PIPELINE_CALLS = 2_000, 20


@dataclass(frozen=True)
class RowTiming:
    """Median times of one row, all features included.

    Parameters
    ----------
    compiled : float or None
        Microseconds; None where the model is not compiled.
    pipeline : float
        Microseconds.
    """

    compiled: float | None
    pipeline: float

    def results(self) -> dict[str, float | None]:
        """Return the times, and how many times as fast the compiled form is."""
        return {**asdict(self), "times_as_fast": self.compiled and self.pipeline / self.compiled}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a form."""
        rows = {"compiled": self.compiled, "pipeline on a table of one row": self.pipeline}
        shown = ["not compiled" if value is None else f"{value:,.0f}" for value in rows.values()]
        return pd.DataFrame({"form": list(rows), "microseconds a row": shown})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say how long a row takes."""
        if self.compiled is None:
            return f"One row takes {count(self.pipeline)} microseconds in process; the model is not compiled."
        longer = count(self.pipeline / self.compiled)
        return (
            f"One row takes {count(self.compiled)} microseconds in process, all features included; the "
            f"pipeline takes {count(self.pipeline)} of them, or {longer} times as long."
        )


def time_one_row(registered: RegisteredModel, rows: Sequence[Row]) -> RowTiming:
    """Time single rows, one call each.

    Parameters
    ----------
    registered : RegisteredModel
    rows : sequence of mappings
        Raw rows, scored in turn.

    Returns
    -------
    RowTiming

    Raises
    ------
    ParameterError
        If there are no rows.
    """
    if not rows:
        raise ParameterError("There are no rows to time; pass at least one.")
    pipeline = Scorer(registered.model, registered.schema, registered.manifest, registered.sha256)
    compiled = CompiledScorer.from_files(registered.files) if COMPILED in registered.files else None
    return RowTiming(
        _median(compiled.score_one, rows, _COMPILED_CALLS) if compiled else None,
        _median(pipeline.score_one, rows, _PIPELINE_CALLS),
    )


def _median(score: Callable[[Row], float], rows: Sequence[Row], calls: int) -> float:
    taken = []
    for number in range(calls + 1):
        row = rows[number % len(rows)]
        started = time.perf_counter()
        score(row)
        taken.append(time.perf_counter() - started)
    return 1e6 * median(taken[1:])  # the first call sets things up
