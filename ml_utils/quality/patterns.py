"""The pattern that a text column's values share, as a regular expression that a person can read."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

import pandas as pd

from ml_utils.quality.values import texts

MIN_VALUES = 50
MAX_VALUES = 5_000  # distinct values looked at, evenly spread
SHARE = 0.995  # of the values must fit; the others are what is wrong
MAX_LENGTH = 60

_CLASSES = (("0123456789", r"\d"), ("abcdefghijklmnopqrstuvwxyz", "[a-z]"))


def find_pattern(column: pd.Series) -> str | None:
    r"""Learn the pattern of a text column; None where its values share none.

    Parameters
    ----------
    column : Series of str

    Returns
    -------
    str or None
        A regular expression for the whole value. Lengths are fixed where all values agree on them; a
        letter that all begin with stands for itself.

    Examples
    --------
    >>> find_pattern(pd.Series([f"C{i:06d}" for i in range(100)]))
    'C\\d{6}'
    >>> find_pattern(pd.Series([f"{i}-{i}" for i in range(100)]))
    '\\d+-\\d+'
    """
    distinct = pd.Series(texts(column).dropna().unique())
    if len(distinct) < MIN_VALUES:
        return None
    values = distinct.iloc[:: max(len(distinct) // MAX_VALUES, 1)].tolist()
    if max(map(len, values)) > MAX_LENGTH:
        return None
    shapes = [_shape(value) for value in values]
    kinds = pd.Series([tuple(kind for kind, _ in shape) for shape in shapes])
    usual = kinds.value_counts().index[0]
    fitting = [i for i, kind in enumerate(kinds) if kind == usual]
    if len(fitting) < SHARE * len(values) or len(usual) > 12:
        return None
    pattern = "".join(
        _part(kind, {shapes[i][place][1] for i in fitting}, _words(values, shapes, fitting, place))
        for place, kind in enumerate(usual)
    )
    return pattern if re.search(r"\\d|\[", pattern) and pattern not in ("[a-z]+", "[A-Z]+") else None


def _shape(value: str) -> list[tuple[str, int]]:
    """Return runs of characters of one class: ``("\\d", 4)``; signs and blanks stand for themselves."""
    return [(kind, len(list(run))) for kind, run in groupby(map(_class, value))]


@lru_cache(maxsize=4096)
def _class(sign: str) -> str:
    for signs, name in _CLASSES:
        if sign in signs:
            return name
    if sign.isalpha():
        return "[A-Z]" if "A" <= sign <= "Z" else r"\w"
    return _literal(sign)


def _literal(text: str) -> str:
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _words(
    values: list[str], shapes: list[list[tuple[str, int]]], fitting: list[int], place: int
) -> set[str]:
    found = set()
    for i in fitting:
        start = sum(length for _, length in shapes[i][:place])
        found.add(values[i][start : start + shapes[i][place][1]])
        if len(found) > 1:
            break
    return found


def _part(kind: str, lengths: set[int], words: set[str]) -> str:
    if len(words) == 1 and kind != r"\d":
        return _literal(next(iter(words)))
    if len(lengths) > 1:
        return f"{kind}+"
    length = next(iter(lengths))
    return kind if length == 1 else f"{kind}{{{length}}}"
