"""One raw column of a training table: its kind, its range or categories, whether it may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from ml_utils.wording import count, listing

Kind = Literal["number", "integer", "boolean", "text", "time"]
MAX_CATEGORIES = 200  # beyond that a text column is free text, and an unseen value says nothing


@dataclass(frozen=True)
class InputColumn:
    """One raw column of the training table.

    Parameters
    ----------
    name : str
    kind : {"number", "integer", "boolean", "text", "time"}
    nullable : bool
        Whether training had missing values in it.
    minimum, maximum : float or str or None
        Range in training; ISO text for a time.
    categories : tuple of str or None
        Values in training, where they are few.
    typical : float or str or bool or None
        Median or most frequent value, for examples; no row of a real person.
    """

    name: str
    kind: Kind
    nullable: bool
    minimum: float | str | None = None
    maximum: float | str | None = None
    categories: tuple[str, ...] | None = None
    typical: float | str | bool | None = None


def short(value: object) -> str:
    """Write a value briefly."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[us]").item())
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def seen_in_training(column: InputColumn) -> str:
    """Say what a column held in training."""
    if column.categories is not None:
        return listing(list(column.categories))
    if column.minimum is not None:
        return f"{short(column.minimum)} to {short(column.maximum)}"
    return "true, false" if column.kind == "boolean" else f"more than {count(MAX_CATEGORIES)} values"


def columns_from_json(content: Sequence[Mapping[str, object]]) -> tuple[InputColumn, ...]:
    """Rebuild columns from what `InputSchema.to_json` wrote."""
    columns = []
    for item in content:
        categories = cast("list[str] | None", item.get("categories"))
        values = {**item, "categories": None if categories is None else tuple(categories)}
        columns.append(InputColumn(**values))  # type: ignore[arg-type]
    return tuple(columns)
