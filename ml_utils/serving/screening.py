"""Large bodies that are not plainly right, judged row by row in a thread and only as far as the first faults.

The routes judge a body in one go, in the event loop: 5,000 rows with 24 unknown fields each held up everyone
else for a second. So what is wrong with many rows is found here, and the routes see what is nearly right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ValidationError

from ml_utils.serving.bodies import MAX_FEEDBACK, MAX_ROWS, Columns, Outcome, request_models
from ml_utils.serving.refusals import MAX_FAULTS, faults_of

Faults = list[tuple[str, str]]
_MORE = 100  # fields beyond the known ones that are still named one by one


class Screen:
    """Finds the first faults of a large body.

    Parameters
    ----------
    schema : anything with `columns`
        The model's.
    """

    def __init__(self, schema: Columns) -> None:
        one, _ = request_models(schema)
        self._most = len(schema.columns) + _MORE
        row = one.model_fields["row"].annotation
        assert isinstance(row, type)
        assert issubclass(row, BaseModel)
        self._items: Mapping[str, tuple[type[BaseModel], int]] = {
            "rows": (row, MAX_ROWS),
            "requests": (one, MAX_ROWS),
            "items": (Outcome, MAX_FEEDBACK),
        }

    def faults(self, body: bytes) -> Faults:
        """Return the first faults, fields and messages; none where the routes are to judge."""
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            return []  # that takes the routes no time
        if not isinstance(parsed, dict):
            return []
        for place, found in _objects(parsed):
            if len(found) > self._most:
                return [(place, f"has {len(found):,} fields, far more than it may have")]
        for name, (model, most) in self._items.items():
            given = parsed.get(name)
            if isinstance(given, list):
                if len(given) > most:
                    return [(name, f"List should have at most {most} items, not {len(given)}")]
                if faults := _first(name, given, model):
                    return faults
        return []


def _objects(parsed: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield a body's objects with their places, as deep as the routes look."""
    yield "body", parsed
    for name, value in parsed.items():
        for i, item in enumerate(value) if isinstance(value, list) else [("", value)]:
            if isinstance(item, dict):
                place = f"{name}.{i}".rstrip(".")
                yield place, item
                if isinstance(row := item.get("row"), dict):
                    yield f"{place}.row", row


def _first(name: str, given: Sequence[object], model: type[BaseModel]) -> Faults:
    found: list[dict[str, object]] = []
    for i, item in enumerate(given):
        try:
            model.model_validate(item)
        except ValidationError as error:
            said = error.errors(include_url=False)
            found += [{**one, "loc": ("body", name, i, *one["loc"])} for one in said]
            if len(found) > MAX_FAULTS:
                return [*faults_of(found[:MAX_FAULTS]), ("body", f"and more; row {i} is the last looked at")]
    return faults_of(found)
