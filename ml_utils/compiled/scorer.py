"""The compiled scorer: rows in, scores out, with numpy and onnxruntime only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_utils.compiled.estimators import node_of
from ml_utils.compiled.features import Features, as_columns
from ml_utils.compiled.files import ARRAYS, COMPILED, FORMAT, TREES
from ml_utils.compiled.trees import Forest
from ml_utils.compiled.unusual import Finding, Watch
from ml_utils.errors import IntegrityError
from ml_utils.registry.input_columns import InputColumn, columns_from_json

if TYPE_CHECKING:
    from ml_utils.compiled.explaining import Explainer

FEW = 8  # rows up to which one after the other is quicker than all at once


class CompiledScorer:
    """Scores raw rows with what `compiling.compile_model` wrote; equal to the pipeline within 1e-6.

    Made by `from_files`. Several threads may share one.

    Attributes
    ----------
    task : {"binary", "regression"}
    threshold : float or None
    name : str
        Candidate, like "lightgbm".
    columns : tuple of InputColumn
        Raw columns, in order.
    """

    def __init__(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.task: str = spec["task"]
        self.threshold: float | None = spec["threshold"]
        self.name: str = spec["name"]
        self.columns: tuple[InputColumn, ...] = columns_from_json(spec["inputs"])
        self.features = Features(spec["features"], self.columns)
        self.model = node_of(spec["model"])
        self.forest = Forest(files[TREES], files.get(ARRAYS)) if TREES in files else None
        self.spec = spec
        self.files = files
        self._watch = Watch(self.columns)
        self._explainer: Explainer | None = None
        self._explains: bool | None = None

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> CompiledScorer:
        """Rebuild a scorer from the files of a package.

        Parameters
        ----------
        files : mapping of str to bytes
            Verified content: compiled.json, trees-0.onnx where there are trees, and, to explain, the
            boosters' own files. Nothing is unpickled.

        Raises
        ------
        IntegrityError
            If there is no compiled form among them, or it is of a format that is not known here.
        """
        if COMPILED not in files:
            raise IntegrityError(f"The package has no {COMPILED}: its model is not compiled.")
        try:
            spec = json.loads(files[COMPILED])
            written = spec["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{COMPILED} is damaged ({error!r}); register the model again.") from error
        if written != FORMAT:
            raise IntegrityError(
                f"{COMPILED} is of format {written}; format {FORMAT} is read here. Register the model again, "
                "or serve it with the version that wrote it."
            )
        return cls(spec, files)

    def score_one(self, row: Mapping[str, object]) -> float:
        """Return the score of one row.

        Parameters
        ----------
        row : mapping of str to float, int, bool, str or None
            Every raw column; None where a value is unknown, times as ISO text.

        Raises
        ------
        DataError
            If a column is missing or holds a value of the wrong type.
        """
        values = self.features.one(row)
        return self.model.one(values, self.forest.one(values) if self.forest is not None else ())

    def score_rows(self, rows: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Return the scores of rows, (n_rows,) float64.

        Raises
        ------
        DataError
            As for `score_one`.
        """
        if len(rows) <= FEW:
            return np.array([self.score_one(row) for row in rows], dtype=float)
        return self.score_columns(as_columns(rows, [column.name for column in self.columns]))

    def score_columns(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Return the scores of rows that stand in columns, (n_rows,) float64.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (n_rows,), or cells.Coded
            Numbers as float64 or integers, truth values as bool, times as datetime64, text as objects;
            missing is NaN, NaT or None. `Coded` (places, −1 where missing, and the distinct values) is the
            quickest form of text.

        Raises
        ------
        DataError
            If a column is missing or holds a value of the wrong type.
        """
        rows = self.features.many(columns)
        return self.model.many(rows, self.forest.many(rows) if self.forest is not None else ())

    def unusual(self, row: Mapping[str, object]) -> list[Finding]:
        """Return what training never saw: (column; range, category, missing or type; message) each."""
        return self._watch.findings(row)

    @property
    def explains(self) -> bool:
        """Whether `explain_rows` works here: the boosters' libraries may be needed."""
        if self._explains is None:
            from ml_utils.compiled.explaining import why_not

            self._explains = why_not(self.spec, self.files) is None
        return self._explains

    def explain_rows(self, rows: Sequence[Mapping[str, object]]) -> tuple[float, list[dict[str, float]]]:
        """Return what each raw column adds to each row's log-odds (or predicted value).

        Returns
        -------
        base : float
            Log-odds of a row without any contribution.
        contributions : list of dict of str to float
            Raw column to contribution; with the base they add up to the score's log-odds.

        Raises
        ------
        ServiceError
            If this model cannot be explained here; the message says why.
        """
        from ml_utils.compiled.explaining import Explainer

        if self._explainer is None:
            self._explainer = Explainer(self.spec, self.files)
        names = [column.name for column in self.columns]
        table = self.features.many(as_columns(rows, names))
        return self._explainer.by_source(table, self.features.sources, names)
