"""What a model expects of its raw columns: told from the training table, asked of every row it scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.registry.describing import describe
from ml_utils.registry.input_columns import InputColumn, columns_from_json, seen_in_training, short
from ml_utils.registry.input_values import coerce, typed
from ml_utils.wording import listing, times
from ml_utils.words import normal_form


@dataclass(frozen=True)
class InputWarning:
    """A value that training never saw: it is scored, and said."""

    column: str
    check: Literal["range", "category", "missing", "type"]
    rows: int
    message: str


@dataclass(frozen=True)
class InputSchema:
    """The raw columns a model takes, in order."""

    columns: tuple[InputColumn, ...]

    @classmethod
    def from_frame(cls, X: pd.DataFrame) -> InputSchema:
        """Describe the columns of a training table.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw feature columns; the more rows, the truer the ranges and categories.
        """
        return cls(tuple(describe(str(name), X[name]) for name in X.columns))

    @classmethod
    def from_json(cls, content: Sequence[Mapping[str, object]]) -> InputSchema:
        """Rebuild a schema from `to_json`."""
        return cls(columns_from_json(content))

    def to_json(self) -> list[dict[str, object]]:
        """Return plain values for a JSON file."""
        return [asdict(column) for column in self.columns]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a column: kind, missing allowed, range or categories."""
        rows = [
            {
                "column": column.name,
                "kind": column.kind,
                "may be missing": "yes" if column.nullable else "no",
                "seen in training": seen_in_training(column),
            }
            for column in self.columns
        ]
        return pd.DataFrame(rows)

    def example(self) -> dict[str, object]:
        """Return a typical row: medians and most frequent values."""
        return {column.name: column.typical for column in self.columns}

    def prepare(self, X: pd.DataFrame | Sequence[Mapping[str, object]]) -> pd.DataFrame:
        """Give rows the columns, order and types of the training table.

        Parameters
        ----------
        X : DataFrame or sequence of mappings
            Raw rows; further columns are left aside. Infinities count as missing, as they do in training.

        Returns
        -------
        DataFrame of shape (n_rows, n_columns)

        Raises
        ------
        DataError
            If a column is missing or holds values of the wrong type; the message names it.

        Examples
        --------
        >>> schema = InputSchema.from_frame(pd.DataFrame({"tenure": [1, 40], "plan": ["a", "b"]}))
        >>> schema.prepare([{"plan": "b", "tenure": 3.0}]).iloc[0].to_dict()
        {'tenure': 3, 'plan': 'b'}
        >>> schema.prepare([{"plan": "b", "tenure": "old"}])
        Traceback (most recent call last):
        ml_utils.errors.DataError: Column 'tenure' takes whole numbers; got 'old' (1 row).
        """
        frame = X if isinstance(X, pd.DataFrame) else self._from_rows(X)
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            raise DataError(
                f"The table lacks {times(len(missing), 'column')} of the model: {listing(missing)}. "
                "Add what is missing; leave a value empty where it is unknown."
            )
        return pd.DataFrame(
            {column.name: coerce(frame[column.name], column) for column in self.columns}, index=frame.index
        )

    def warnings(self, prepared: pd.DataFrame) -> list[InputWarning]:
        """Say where prepared rows hold what training never saw.

        Parameters
        ----------
        prepared : DataFrame
            From `prepare`.
        """
        found: list[InputWarning] = []
        for column in self.columns:
            found += unseen(prepared[column.name], column)
        return found

    def _from_rows(self, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
        known = {column.name: column for column in self.columns}
        names = dict.fromkeys(str(name) for row in rows for name in row)
        values = {
            name: typed([row.get(name) for row in rows], known[name]) for name in names if name in known
        }
        return pd.DataFrame(values, index=pd.RangeIndex(len(rows)))


def unseen(values: pd.Series, column: InputColumn) -> list[InputWarning]:
    found = []
    if column.kind == "time" and values.dt.tz is not None:
        values = values.dt.tz_convert(None)
    missing = values.isna().to_numpy()
    if missing.any() and not column.nullable:
        message = f"{column.name}: missing, which training never had"
        found.append(InputWarning(column.name, "missing", int(missing.sum()), message))
    known = values.to_numpy()[~missing] if missing.any() else values.to_numpy()
    unknown = _unknown(known, column.categories) if column.categories is not None else []
    if unknown:
        message = f"{column.name}: {unknown[0]!r:.60} was not in training"
        found.append(InputWarning(column.name, "category", len(unknown), message))
    outside = _outside(known, column)
    if len(outside):
        message = f"{column.name}: {short(outside[0])} is outside training's {seen_in_training(column)}"
        found.append(InputWarning(column.name, "range", len(outside), message))
    if column.kind == "integer" and values.dtype != "int64" and (known % 1 != 0).any():
        message = f"{column.name}: not a whole number, which training always had"
        found.append(InputWarning(column.name, "type", int((known % 1 != 0).sum()), message))
    return found


def _unknown(values: np.ndarray, categories: tuple[str, ...]) -> list[str]:
    seen = frozenset(categories)
    unknown = [value for value in values.tolist() if value not in seen]
    if not unknown:
        return []
    # another spelling of a known category is no news to the model
    known = {normal_form(value) for value in categories}
    same = [normal_form(value) in known for value in unknown]
    return [value for value, is_known in zip(unknown, same, strict=True) if not is_known]


def _outside(values: np.ndarray, column: InputColumn) -> np.ndarray:
    if column.minimum is None or column.maximum is None:
        return values[:0]
    low, high = _edge(column.minimum), _edge(column.maximum)
    return values[(values < low) | (values > high)]


def _edge(bound: float | str) -> float | np.datetime64:
    if not isinstance(bound, str):
        return bound
    moment = pd.Timestamp(bound)
    return (moment if moment.tzinfo is None else moment.tz_convert(None)).to_datetime64()
