"""A formula as a tree, and the errors that point into its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation.reading_dates import Reading


@dataclass(frozen=True)
class Number:
    """A number that stands in the formula; also a date, in days since 1970."""

    value: float
    at: int = 0


@dataclass(frozen=True)
class Text:
    """A quoted value to compare with."""

    value: str
    at: int = 0


@dataclass(frozen=True)
class Column:
    """A column; `kind` (number, date or text) says how it is read, once the table is known."""

    name: str
    at: int = 0
    kind: str = ""
    reading: Reading | None = None


@dataclass(frozen=True)
class Apply:
    """An operation or function on arguments; `operation` is a key of `operations.OPERATIONS`."""

    operation: str
    arguments: tuple[Node, ...]
    at: int = 0


Node = Number | Text | Column | Apply


@dataclass(frozen=True)
class Source:
    """A formula's name and text, to complain about it."""

    name: str
    text: str

    def wrong(self, at: int, message: str) -> ParameterError:
        """Make the error for a formula that is wrong in itself."""
        return ParameterError(self._point(at, message))

    def unfit(self, at: int, message: str) -> DataError:
        """Make the error for a formula that does not fit the table."""
        return DataError(self._point(at, message))

    def _point(self, at: int, message: str) -> str:
        at = min(max(at, 0), len(self.text))
        start = max(0, at - 60)
        part = self.text[start : start + 100]
        return f"Formula {self.name!r}, character {at + 1}: {message}\n    {part}\n    {' ' * (at - start)}^"


def walk(node: Node) -> Iterator[Node]:
    """Go through a tree, each node before its arguments."""
    yield node
    if isinstance(node, Apply):
        for argument in node.arguments:
            yield from walk(argument)


def columns_of(node: Node) -> tuple[str, ...]:
    """Return the columns that a formula uses, each once, in their order in the text."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Column)))
