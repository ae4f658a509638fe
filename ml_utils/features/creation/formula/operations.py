"""What a formula can do: each operation for whole columns and, the same to the bit, for one row.

A truth value is 1 or 0, and NaN where it is not known; `and`, `or` follow Kleene's logic: what is false
whatever the unknown part turns out to be is false.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ml_utils.features.creation.formula.dates import DATE_PARTS, part_of_many, part_of_one

NAN = math.nan
SMALL_POWER = 16  # whole exponents up to this are multiplied out


@dataclass(frozen=True)
class Operation:
    """One operation.

    `takes` are the kinds of its arguments (number, date, same as the result, any), the last of them repeated
    up to `most` arguments; `gives` is number, or same. `many` works on float64 arrays (or floats), `one` on
    floats. `usage` is shown in messages.
    """

    usage: str
    takes: tuple[str, ...]
    many: Callable[..., Any]
    one: Callable[..., float]
    most: int
    gives: str = "number"

    @property
    def fewest(self) -> int:
        """The number of arguments that it needs."""
        return len(self.takes)


def _whole(values: Any) -> Any:
    return np.where(np.isfinite(values), values, NAN)


def _kept(value: float) -> float:
    return value if math.isfinite(value) else NAN


def _where_known(values: Any, *inputs: Any) -> Any:
    unknown = np.isnan(inputs[0])
    for other in inputs[1:]:
        unknown = unknown | np.isnan(other)
    return np.where(unknown, NAN, values)


def _compare(many: Callable[..., Any], one: Callable[[float, float], bool]) -> dict[str, Callable[..., Any]]:
    def compare_one(a: float, b: float) -> float:
        return NAN if a != a or b != b else float(one(a, b))

    return {"many": lambda a, b: _where_known(many(a, b), a, b), "one": compare_one}


def _divide_one(a: float, b: float) -> float:
    return _kept(a / b) if b else NAN


def _floor_divide_one(a: float, b: float) -> float:
    return _kept(a // b) if b else NAN


def _remainder_one(a: float, b: float) -> float:
    return _kept(a % b) if b else NAN


def _power_one(a: float, b: float) -> float:
    if a != a or b != b:
        return NAN
    if b.is_integer() and 0 <= b <= SMALL_POWER:
        result = 1.0
        for _ in range(int(b)):
            result *= a
        return _kept(result)
    try:
        return _kept(math.pow(a, b))
    except (ValueError, OverflowError):
        return NAN


_power_each = np.frompyfunc(_power_one, 2, 1)


def _power_many(a: Any, b: Any) -> Any:
    if np.ndim(b) == 0 and float(b).is_integer() and 0 <= b <= SMALL_POWER:
        result = np.ones_like(a, dtype=float)
        for _ in range(int(b)):
            result = result * a
        return _where_known(_whole(result), a)
    # numpy's own power differs in the last bit between processors and between one value and many
    return np.asarray(_power_each(np.asarray(a, dtype=float), b), dtype=float)


def _and_many(*parts: Any) -> Any:
    return _kleene(parts, np.minimum.reduce(np.broadcast_arrays(*[_truth(part, 1.0) for part in parts])), 0.0)


def _or_many(*parts: Any) -> Any:
    return _kleene(parts, np.maximum.reduce(np.broadcast_arrays(*[_truth(part, 0.0) for part in parts])), 1.0)


def _truth(values: Any, unknown: float) -> Any:
    return np.where(np.isnan(values), unknown, values != 0)


def _kleene(parts: tuple[Any, ...], known: Any, decided: float) -> Any:
    unknown = np.logical_or.reduce(np.broadcast_arrays(*[np.isnan(part) for part in parts]))
    return np.where(unknown & (known != decided), NAN, known)


def _and_one(*parts: float) -> float:
    if any(part == 0 for part in parts):
        return 0.0
    return NAN if any(part != part for part in parts) else 1.0


def _or_one(*parts: float) -> float:
    if any(part == part and part != 0 for part in parts):
        return 1.0
    return NAN if any(part != part for part in parts) else 0.0


def _where_many(condition: Any, yes: Any, no: Any) -> Any:
    return _where_known(np.where(condition != 0, yes, no), condition)


def _where_one(condition: float, yes: float, no: float) -> float:
    if condition != condition:
        return NAN
    return yes if condition else no


def _coalesce_many(first: Any, *others: Any) -> Any:
    for other in others:
        first = np.where(np.isnan(first), other, first)
    return first


def _coalesce_one(*values: float) -> float:
    return next((value for value in values if value == value), NAN)


def _fold(two: np.ufunc) -> Callable[..., Any]:
    def fold(first: Any, *others: Any) -> Any:
        for other in others:
            first = two(first, other)
        return first

    return fold


def _least(*values: float) -> float:
    return NAN if any(value != value for value in values) else min(values)


def _greatest(*values: float) -> float:
    return NAN if any(value != value for value in values) else max(values)


def _clip_many(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _clip_one(x: float, low: float, high: float) -> float:
    return _least(_greatest(x, low), high)


def _ufunc(function: np.ufunc) -> dict[str, Callable[..., Any]]:
    """Let numpy's own function work on one row, too: the processor's and the C library's differ by a bit."""
    return {"many": lambda x: _whole(function(x)), "one": lambda x: _kept(float(function(x)))}


def _number(usage: str, n: int, **how: Callable[..., Any]) -> Operation:
    return Operation(usage, ("number",) * n, how["many"], how["one"], n)


def _not_one(a: float) -> float:
    return NAN if a != a else float(a == 0)


def _absent(values: Any) -> Any:
    """Tell where numbers are NaN, or texts None."""
    if np.asarray(values).dtype != object:
        return np.isnan(values)
    return np.equal(values, cast(Any, None)).astype(bool)


def _isna_many(values: Any) -> Any:
    return _absent(values) * 1.0


def _isna_one(value: float | str | None) -> float:
    return float(value is None or value != value)


def _same_text_many(a: Any, b: Any) -> Any:
    return np.where(_absent(_texts(a)) | _absent(_texts(b)), NAN, np.equal(_texts(a), _texts(b)))


def _texts(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=object)


def _same_text_one(a: str | None, b: str | None) -> float:
    return NAN if a is None or b is None else float(a == b)


_BINARY = ("number", "number")
OPERATIONS: dict[str, Operation] = {
    "+": _number("a + b", 2, many=lambda a, b: _whole(a + b), one=lambda a, b: _kept(a + b)),
    "-": _number("a - b", 2, many=lambda a, b: _whole(a - b), one=lambda a, b: _kept(a - b)),
    "*": _number("a * b", 2, many=lambda a, b: _whole(a * b), one=lambda a, b: _kept(a * b)),
    "/": _number("a / b", 2, many=lambda a, b: _whole(np.divide(a, b)), one=_divide_one),
    "//": _number("a // b", 2, many=lambda a, b: _whole(np.floor_divide(a, b)), one=_floor_divide_one),
    "%": _number("a % b", 2, many=lambda a, b: _whole(np.remainder(a, b)), one=_remainder_one),
    "**": _number("a ** b", 2, many=_power_many, one=_power_one),
    "negative": _number("-a", 1, many=np.negative, one=lambda a: -a),
    "<": _number("a < b", 2, **_compare(np.less, lambda a, b: a < b)),
    "<=": _number("a <= b", 2, **_compare(np.less_equal, lambda a, b: a <= b)),
    ">": _number("a > b", 2, **_compare(np.greater, lambda a, b: a > b)),
    ">=": _number("a >= b", 2, **_compare(np.greater_equal, lambda a, b: a >= b)),
    "==": _number("a == b", 2, **_compare(np.equal, lambda a, b: a == b)),
    "!=": _number("a != b", 2, **_compare(np.not_equal, lambda a, b: a != b)),
    "and": Operation("a and b", _BINARY, _and_many, _and_one, 1000),
    "or": Operation("a or b", _BINARY, _or_many, _or_one, 1000),
    "same text": Operation("a == b", ("text", "text"), _same_text_many, _same_text_one, 2),
    "not": _number("not a", 1, many=lambda a: _where_known(np.equal(a, 0.0), a), one=_not_one),
}
FUNCTIONS: dict[str, Operation] = {
    "where": Operation(
        "where(condition, a, b)", ("number", "same", "same"), _where_many, _where_one, 3, "same"
    ),
    "min": Operation("min(a, b, ...)", ("same", "same"), _fold(np.minimum), _least, 50, "same"),
    "max": Operation("max(a, b, ...)", ("same", "same"), _fold(np.maximum), _greatest, 50, "same"),
    "coalesce": Operation("coalesce(a, b, ...)", ("same", "same"), _coalesce_many, _coalesce_one, 50, "same"),
    "clip": _number("clip(a, low, high)", 3, many=_clip_many, one=_clip_one),
    "abs": _number("abs(a)", 1, many=np.abs, one=abs),
    "sign": _number("sign(a)", 1, many=np.sign, one=lambda a: NAN if a != a else float(a > 0) - float(a < 0)),
    "floor": _number("floor(a)", 1, **_ufunc(np.floor)),
    "ceil": _number("ceil(a)", 1, **_ufunc(np.ceil)),
    "round": _number("round(a)", 1, **_ufunc(np.rint)),
    "sqrt": _number("sqrt(a)", 1, **_ufunc(np.sqrt)),
    "exp": _number("exp(a)", 1, **_ufunc(np.exp)),
    "log": _number("log(a)", 1, **_ufunc(np.log)),
    "log10": _number("log10(a)", 1, **_ufunc(np.log10)),
    "log1p": _number("log1p(a)", 1, **_ufunc(np.log1p)),
    "isna": Operation("isna(a)", ("any",), _isna_many, _isna_one, 1),
    "days_between": Operation(
        "days_between(from, to)", ("date", "date"), lambda a, b: b - a, lambda a, b: b - a, 2
    ),
    **{
        part: Operation(
            f"{part}(date)",
            ("date",),
            lambda a, part=part: part_of_many(part, a),
            lambda a, part=part: part_of_one(part, a),
            1,
        )
        for part in DATE_PARTS
    },
}
OPERATIONS.update(FUNCTIONS)
