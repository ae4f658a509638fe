"""Request and response bodies of the prediction service, made from the model's input schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    create_model,
)

from ml_utils.registry.input_columns import InputColumn
from ml_utils.registry.inputs import InputSchema
from ml_utils.wording import listing

MAX_ROWS = 5_000
MAX_TEXT = 1_000
_LARGEST = 2**53  # beyond it float64 no longer tells whole numbers apart


class Prediction(BaseModel):
    """One row's score."""

    score: float = Field(description="P(positive), or the predicted value of a regression")
    act: bool | None = Field(description="whether the score reaches the threshold; null for a regression")


class Unusual(BaseModel):
    """A value that training never saw. It was scored all the same."""

    column: str
    check: str = Field(description="range, category, missing or type")
    rows: int = Field(description="rows concerned")
    message: str


class PredictResponse(Prediction):
    """Answer to /predict."""

    version: int | None = Field(description="version of the model that scored")
    warnings: list[Unusual]


class BatchResponse(BaseModel):
    """Answer to /predict/batch; predictions in the order of the rows."""

    version: int | None
    predictions: list[Prediction]
    warnings: list[Unusual]


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Refusal(BaseModel):
    """Body of every 4xx answer."""

    detail: list[Fault]


def request_models(schema: InputSchema) -> tuple[type[BaseModel], type[BaseModel]]:
    """Make the bodies of /predict and /predict/batch.

    Parameters
    ----------
    schema : InputSchema

    Returns
    -------
    tuple of type
        Bodies `{"row": {...}}` and `{"rows": [{...}, ...]}`; unknown fields are refused.
    """
    example: Any = schema.example()
    fields: dict[str, Any] = {
        # numbered names, as a column may be called anything; the alias is what callers see
        f"c{i}": (_annotation(column), Field(alias=column.name, description=_describe(column)))
        for i, column in enumerate(schema.columns)
    }
    config = ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})
    row = create_model("Row", __config__=config, **fields)
    row.__doc__ = "Raw columns of the training table; null where a value is unknown and may be."
    strict = ConfigDict(extra="forbid")
    one: Any = (row, Field(description="one row"))
    many: Any = (list[row], Field(min_length=1, max_length=MAX_ROWS))  # type: ignore[valid-type]
    return (
        create_model("PredictRequest", __config__=strict, row=one),
        create_model("BatchRequest", __config__=strict, rows=many),
    )


def accepts(schema: InputSchema, row: Mapping[str, object]) -> bool:
    """Tell whether /predict takes a row."""
    one, _ = _cached_models(schema)
    try:
        one.model_validate({"row": row})
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=4)
def _cached_models(schema: InputSchema) -> tuple[type[BaseModel], type[BaseModel]]:
    return request_models(schema)


def _annotation(column: InputColumn) -> Any:
    kinds: dict[str, Any] = {
        "number": Annotated[float, Field(strict=True, allow_inf_nan=False)],
        "integer": Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=-_LARGEST, le=_LARGEST)],
        "boolean": StrictBool,
        "text": Annotated[StrictStr, Field(max_length=MAX_TEXT)],
        "time": Annotated[datetime, BeforeValidator(_iso)],
    }
    kind = kinds[column.kind]
    return kind | None if column.nullable else kind


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _iso(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a date as ISO text, like 2025-06-30")
    return value


def _describe(column: InputColumn) -> str:
    if column.categories is not None:
        seen = f"in training: {listing(list(column.categories), 10)}"
    elif column.minimum is not None:
        seen = f"in training: {column.minimum} to {column.maximum}"
    else:
        seen = column.kind
    return f"{seen}; {'null where unknown' if column.nullable else 'never missing'}"
