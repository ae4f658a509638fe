"""Request and response bodies of the prediction service, made from the model's input schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    create_model,
    model_validator,
)

from ml_utils.serving.reading import (
    CUSTOMER_PATTERN,
    LARGEST,
    MAX_ID,
    MAX_ROWS,
    MAX_TEXT,
    TIME_PATTERN,
    is_time,
)
from ml_utils.wording import listing

if TYPE_CHECKING:
    from ml_utils.registry.input_columns import InputColumn

__all__ = ["MAX_ROWS", "MAX_TEXT", "accepts", "request_models"]

MAX_FEEDBACK = 1_000


class Columns(Protocol):
    """Anything that has the raw columns of a model."""

    @property
    def columns(self) -> Sequence[InputColumn]:
        """Raw columns, in order."""


class Prediction(BaseModel):
    """One row's score."""

    score: float = Field(description="P(positive), or the predicted value of a regression")
    act: bool | None = Field(description="whether the score reaches the threshold; null for a regression")
    version: int | None = Field(description="version of the model that scored")
    variant: str = Field(description="champion or challenger")


class Unusual(BaseModel):
    """A value that training never saw. It was scored all the same."""

    column: str
    check: str = Field(description="range, category, missing or type")
    rows: int = Field(description="rows concerned")
    message: str


class PredictResponse(Prediction):
    """Answer to /predict."""

    request_id: str = Field(description="what to give back with the true outcome, in /feedback")
    warnings: list[Unusual]


class BatchResponse(BaseModel):
    """Answer to /predict/batch; predictions in the order of the rows."""

    request_id: str = Field(description="with a row's number, counted from 0, what /feedback takes")
    predictions: list[Prediction]
    warnings: list[Unusual]


class Contribution(BaseModel):
    """What a column added to a row's score."""

    column: str
    contribution: float


class ExplainResponse(BaseModel):
    """Answer to /explain: base and contributions sum to the score, as log-odds where it is a probability."""

    score: float
    base: float = Field(description="score without knowledge of the row, on the scale of the contributions")
    scale: str = Field(description="log-odds, or the target's own unit for a regression")
    contributions: list[Contribution] = Field(description="largest first")
    version: int | None
    variant: str


class FeedbackResponse(BaseModel):
    """Answer to /feedback."""

    stored: int = Field(description="outcomes that were stored")


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Refusal(BaseModel):
    """Body of every 4xx and 5xx answer."""

    detail: list[Fault]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _iso(value: str) -> str:
    if not is_time(value):
        raise ValueError("must be a date as ISO text, like 2025-06-30 or 2025-06-30T12:00:00Z")
    return value


# the limits stand before the validator, or they would be missing in the documented schema
_WHOLE = Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST), BeforeValidator(_whole)]
_CUSTOMER_TEXT = Annotated[StrictStr, Field(min_length=1, max_length=MAX_ID, pattern=CUSTOMER_PATTERN)]
Customer = _CUSTOMER_TEXT | _WHOLE
_CUSTOMER: Any = (
    Customer | None,
    Field(default=None, description="who the row is about: the same customer gets the same variant"),
)
_STRICT = ConfigDict(extra="forbid")
_TIME = Annotated[StrictStr, Field(json_schema_extra={"pattern": TIME_PATTERN}), AfterValidator(_iso)]


def _one_of(*names: str) -> ConfigDict:
    """Document that exactly one of the fields is given; `_only_one` holds the caller to it."""
    return ConfigDict(extra="forbid", json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


def _only_one(given: BaseModel, *names: str) -> None:
    if len(given.model_fields_set & set(names)) != 1:
        raise ValueError(f"give one of {' and '.join(names)}, and not both")


class Outcome(BaseModel):
    """What came true: by the id of the prediction, or by customer."""

    model_config = _one_of("request_id", "customer")

    # left out, not null: a default that is no string is never taken from a caller
    request_id: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        default=cast("str", None), description="of the answer"
    )
    row: Annotated[int, Field(strict=True, ge=0, lt=MAX_ROWS), BeforeValidator(_whole)] = Field(
        default=0, description="number of the row in a batch, counted from 0"
    )
    customer: Customer = Field(default=cast("str", None), description="whose latest prediction it was")
    outcome: Annotated[float, Field(strict=True, allow_inf_nan=False)] | StrictBool = Field(
        description="1 or true for the positive class, 0 or false for the other; the value of a regression"
    )
    time: _TIME | None = Field(default=None, description="when it came true; by default now")

    @model_validator(mode="after")
    def _named_once(self) -> Outcome:
        _only_one(self, "request_id", "customer")
        return self


class FeedbackRequest(BaseModel):
    """Body of /feedback."""

    model_config = _STRICT

    items: list[Outcome] = Field(min_length=1, max_length=MAX_FEEDBACK)


def request_models(schema: Columns) -> tuple[type[BaseModel], type[BaseModel]]:
    """Make the bodies of /predict and /predict/batch.

    Parameters
    ----------
    schema : InputSchema, or anything with `columns`

    Returns
    -------
    tuple of type
        Bodies `{"row": {...}}` and `{"rows": [{...}, ...]}` or `{"requests": [{"row": {...}}, ...]}`; unknown
        fields are refused.
    """
    example: Any = {column.name: column.typical for column in schema.columns}
    fields: dict[str, Any] = {
        # numbered names, as a column may be called anything; the alias is what callers see
        f"c{i}": (_annotation(column), Field(alias=column.name, description=_describe(column)))
        for i, column in enumerate(schema.columns)
    }
    config = ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})
    row = create_model("Row", __config__=config, **fields)
    row.__doc__ = "Raw columns of the training table; null where a value is unknown and may be."
    one: Any = (row, Field(description="one row"))
    one_body = create_model("PredictRequest", __config__=_STRICT, row=one, customer=_CUSTOMER)
    return one_body, _many(row, one_body)


def _many(row: type[BaseModel], one_body: type[BaseModel]) -> type[BaseModel]:
    def check(body: BaseModel) -> BaseModel:
        _only_one(body, "rows", "requests")
        return body

    size: dict[str, Any] = {"default": None, "min_length": 1, "max_length": MAX_ROWS}
    rows: Any = (list[row], Field(**size, description="rows alone"))  # type: ignore[valid-type]
    requests: Any = (
        list[one_body],  # type: ignore[valid-type]
        Field(**size, description="rows with their customers, each as /predict takes it"),
    )
    return create_model(
        "BatchRequest",
        __config__=_one_of("rows", "requests"),
        __validators__={"_named_once": model_validator(mode="after")(check)},  # type: ignore[dict-item]
        rows=rows,
        requests=requests,
    )


def accepts(schema: Columns, row: Mapping[str, object]) -> bool:
    """Tell whether /predict takes a row."""
    one, _ = _cached_models(tuple(schema.columns))
    try:
        one.model_validate({"row": row})
    except ValidationError:
        return False
    return True


class _Only(NamedTuple):
    columns: tuple[InputColumn, ...]


@functools.lru_cache(maxsize=4)
def _cached_models(columns: tuple[InputColumn, ...]) -> tuple[type[BaseModel], type[BaseModel]]:
    return request_models(_Only(columns))


def _annotation(column: InputColumn) -> Any:
    kinds: dict[str, Any] = {
        "number": Annotated[float, Field(strict=True, allow_inf_nan=False)],
        "integer": _WHOLE,
        "boolean": StrictBool,
        "text": Annotated[StrictStr, Field(max_length=MAX_TEXT)],
        "time": _TIME,
    }
    kind = kinds[column.kind]
    return kind | None if column.nullable else kind


def _describe(column: InputColumn) -> str:
    if column.categories is not None:
        seen = f"in training: {listing(list(column.categories), 10)}"
    elif column.minimum is not None:
        seen = f"in training: {column.minimum} to {column.maximum}"
    else:
        seen = column.kind
    return f"{seen}; {'null where unknown' if column.nullable else 'never missing'}"
