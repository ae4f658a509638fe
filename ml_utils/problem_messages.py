"""What is wrong with a problem file, in words that say how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ml_utils.credentials import REFUSED, mask
from ml_utils.errors import list_known


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say, a line each, what pydantic found wrong with a file that `model` describes.

    Values are shown with credentials masked, and not at all where a credential is what was wrong.
    """
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "file"
        section = _section(model, item["loc"][:-1])
        if item["type"] == "extra_forbidden" and section is not None:
            known = [name for name in section.model_fields if name not in ("name", "folder")]
            lines.append(f"  {place}: unknown key. {list_known(str(item['loc'][-1]), known)}")
        elif item["type"] == "missing":
            lines.append(f"  {place}: required, but not there.")
        else:
            shown = not isinstance(item["input"], dict) and REFUSED not in item["msg"]
            got = f"; got {mask(repr(item['input'])):.80}" if shown else ""
            lines.append(f"  {place}: {item['msg'].removeprefix('Value error, ')}{got}.")
    return "\n".join(lines)


def _section(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel] | None:
    """Follow a place such as events.orders.source.csv to the model that stands there."""
    found: Any = model
    for part in place:
        found = _inside(found, str(part))
    while get_origin(found) is Annotated:
        found = get_args(found)[0]
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _inside(kind: Any, part: str) -> Any:
    """Return the type of a part: a model's field, a mapping's value, a union's member by its kind."""
    if get_origin(kind) is Annotated:
        return _inside(get_args(kind)[0], part)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if get_origin(kind) in (Union, UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        tagged = [member for member in members if part in _kinds(member)]
        return tagged[0] if tagged else _inside(members[0], part)
    field = getattr(kind, "model_fields", {}).get(part)
    return field.annotation if field is not None else None


def _kinds(member: Any) -> tuple[Any, ...]:
    field = getattr(member, "model_fields", {}).get("kind")
    return get_args(field.annotation) if field is not None else ()
