"""Scoring one part of a table: by the compiled model where there is one, else by the pipeline."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from ml_utils.compiled.files import ARRAYS, COMPILED, TREES
from ml_utils.errors import DataError
from ml_utils.registry.input_columns import InputColumn
from ml_utils.wording import count

if TYPE_CHECKING:
    from ml_utils.compiled.package import PackagedModel
    from ml_utils.compiled.scorer import CompiledScorer
    from ml_utils.registry.registry import RegisteredModel
    from ml_utils.serving.scoring import Scorer


class Rows(Protocol):
    """Scores the rows of a plain Arrow table."""

    def score(self, table: pa.Table) -> tuple[np.ndarray, dict[str, int]]:
        """Return the scores, and by column how many rows hold what training never saw."""


@dataclass(frozen=True)
class Recipe:
    """What a worker needs to score: bytes that can be sent to another process.

    Parameters
    ----------
    columns : tuple of InputColumn
        The model's raw columns.
    threshold : float or None
    sha256 : str
        Of the model, so that parts of another one are not mixed in.
    files : dict of str to bytes or None
        The compiled model.
    scorer : Scorer or None
        The pipeline, where the model is not compiled.
    ready : CompiledScorer or None
        The compiled model, loaded; it stays in this process.
    """

    columns: tuple[InputColumn, ...]
    threshold: float | None
    sha256: str
    files: dict[str, bytes] | None = field(default=None, repr=False)
    scorer: Scorer | None = field(default=None, repr=False)
    ready: CompiledScorer | None = field(default=None, repr=False)

    @classmethod
    def of(cls, model: Scorer | PackagedModel | RegisteredModel) -> Recipe:
        """Return the recipe of a model: its compiled form where it has one."""
        from ml_utils.compiled.package import PackagedModel
        from ml_utils.compiled.scorer import CompiledScorer

        files = model.scorer.files if isinstance(model, PackagedModel) else getattr(model, "files", {})
        if COMPILED in files:
            kept = {name: files[name] for name in (COMPILED, TREES, ARRAYS) if name in files}
            ready = model.scorer if isinstance(model, PackagedModel) else CompiledScorer.from_files(kept)
            return cls(ready.columns, ready.threshold, model.sha256, kept, ready=ready)
        return cls._of_pipeline(model)

    @classmethod
    def _of_pipeline(cls, model: Scorer | PackagedModel | RegisteredModel) -> Recipe:
        from ml_utils.serving.scoring import Scorer  # with pandas, which takes memory

        if not isinstance(model, Scorer):
            assert not isinstance(model, PackagedModel)
            model = Scorer(model.model, model.schema, model.manifest, model.sha256, model.version)
        return cls(model.schema.columns, model.model.threshold, model.sha256, scorer=model)

    def rows(self) -> Rows:
        """Load the model."""
        from ml_utils.compiled.scorer import CompiledScorer

        if self.files is not None:
            return _Compiled(self.ready or CompiledScorer.from_files(self.files))
        assert self.scorer is not None
        return _Pipeline(self.scorer)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "ready": None}  # what it holds cannot be pickled


class _Compiled:
    def __init__(self, scorer: CompiledScorer) -> None:
        self._scorer = scorer

    def score(self, table: pa.Table) -> tuple[np.ndarray, dict[str, int]]:
        from ml_utils.batch.columns import as_columns, unusual

        columns = as_columns(table, self._scorer.columns)
        return self._scorer.score_columns(columns), unusual(columns, self._scorer.columns)


class _Pipeline:
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, table: pa.Table) -> tuple[np.ndarray, dict[str, int]]:
        for i, kind in enumerate(table.schema.types):
            if pa.types.is_dictionary(kind):
                table = table.set_column(i, table.column_names[i], table.column(i).cast(kind.value_type))
        scored = self._scorer.check(table.to_pandas(ignore_metadata=True))
        counts: Counter[str] = Counter()
        for warning in scored.warnings:
            counts[warning.column] += warning.rows
        return scored.scores, dict(counts)


@dataclass(frozen=True)
class Scored:
    """A part that was scored.

    Parameters
    ----------
    table : pyarrow.Table
        Keys (or the row's number), score and, for a decision, act.
    acted : int
    total : float
        Sum of the scores.
    unusual : dict of str to int
    """

    table: pa.Table
    acted: int
    total: float
    unusual: dict[str, int]


def score_part(
    rows: Rows, threshold: float | None, part: pa.Table, start: int, keys: tuple[str, ...]
) -> Scored:
    """Score the rows of a part.

    Parameters
    ----------
    rows : Rows
    threshold : float or None
    part : pyarrow.Table
    start : int
        Rows before it.
    keys : tuple of str
        Columns to carry over.

    Raises
    ------
    DataError
        If a value is of the wrong type; the message names the part's rows, and the first that is wrong.
    """
    try:
        scores, unusual = rows.score(part)
    except DataError as error:
        first = start + _first_wrong(rows, part) + 1
        span = f"In rows {count(start + 1)} to {count(start + len(part))}"
        raise DataError(f"{span}: {error} The first is row {count(first)}.") from error
    carried = {key: part.column(key) for key in keys}
    if not carried:
        carried = {"row": pa.array(np.arange(start + 1, start + 1 + len(part)))}
    act = {} if threshold is None else {"act": pa.array(scores >= threshold)}
    acted = 0 if threshold is None else int((scores >= threshold).sum())
    table = pa.table({**carried, "score": pa.array(scores, pa.float64()), **act})
    return Scored(table, acted, float(scores.sum()), unusual)


def _first_wrong(rows: Rows, part: pa.Table) -> int:
    """Find the first row that is refused, by halving."""
    start, size = 0, len(part)
    while size > 1:
        half = size // 2
        try:
            rows.score(part.slice(start, half))
            start, size = start + half, size - half
        except DataError:
            size = half
    return start


def packaged(folder: str | Path) -> Scorer | PackagedModel:
    """Load a packaged model: the compiled form where there is one, else the pipeline.

    Parameters
    ----------
    folder : str or Path
        A folder that `ModelDeployment.package` wrote.

    Raises
    ------
    MissingInputError
        If there is no package.
    IntegrityError
        If a file was changed.
    """
    from ml_utils.compiled.package import PackagedModel
    from ml_utils.serving.scoring import Scorer

    if (Path(folder) / COMPILED).exists():
        return PackagedModel.read(folder)
    return Scorer.from_package(folder)  # finds out, too, if the compiled form was taken away
