"""Fitting a formula to a table: which columns are numbers, dates or text, and what is done with each."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ml_utils.errors import list_known
from ml_utils.features.creation.base import numbers
from ml_utils.features.creation.formula.operations import OPERATIONS
from ml_utils.features.creation.formula.tree import Apply, Column, Node, Number, Source, Text
from ml_utils.features.creation.reading_dates import Reading, dates, learn_reading, one_day
from ml_utils.words import word

LOOKED_AT = 1000  # distinct values that say what a text column holds
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_MEND = {
    "date": "write days_between(a, b) or year(a) to make a number of it",
    "text": 'compare it with a value, as {name} == "{example}"',
    "number": "it holds numbers",
}


def kind_of(column: pd.Series) -> str:
    """Tell what a column holds: number, date, text, or empty.

    Text that can mostly be read as numbers or as dates is taken for those.
    """
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    distinct = pd.Series(column.dropna().unique()[:LOOKED_AT]).astype(object)
    if distinct.empty:
        return "empty"
    if pd.notna(numbers(distinct)).mean() >= 0.5:
        return "number"
    return "date" if pd.notna(dates(distinct, learn_reading(distinct))).mean() >= 0.5 else "text"


def resolve(source: Source, tree: Node, table: pd.DataFrame, earlier: Mapping[str, Node]) -> Node:
    """Return the tree with every column's kind settled, for a formula that gives a number.

    Parameters
    ----------
    source : Source
        For messages.
    tree : Node
    table : DataFrame
        The training rows.
    earlier : mapping
        The other formulas, which are numbers.

    Raises
    ------
    DataError
        If there is no such column, or it holds something else than is needed.
    """
    return _Resolver(source, table, earlier).resolve(tree, "number")


class _Resolver:
    def __init__(self, source: Source, table: pd.DataFrame, earlier: Mapping[str, Node]) -> None:
        self.source, self.table, self.earlier = source, table, earlier
        self.kinds: dict[str, str] = {}

    def resolve(self, node: Node, want: str) -> Node:
        if want == "empty":  # isna of a column that was empty: whatever comes is something
            want = "text" if isinstance(node, Column) else "number"
        if isinstance(node, Number):
            if want == "text":
                return Text(word(node.value), node.at)
            if want == "date":
                raise self.source.unfit(node.at, 'a date is needed here, as a column or as "2025-06-30".')
            return node
        if isinstance(node, Text):
            return self._text(node, want)
        if isinstance(node, Column):
            return self._column(node, want)
        if node.operation in _COMPARISONS:
            return self._comparison(node)
        operation = OPERATIONS[node.operation]
        if want == "text":
            raise self.source.unfit(node.at, "text can only be compared; write the column itself here.")
        if want == "date" and operation.gives != "same":
            raise self.source.unfit(node.at, f"a date is needed here, and {operation.usage} gives a number.")
        takes = (*operation.takes, *operation.takes[-1:] * (len(node.arguments) - len(operation.takes)))
        arguments = [
            self.resolve(
                argument, want if kind == "same" else self._kind(argument) if kind == "any" else kind
            )
            for argument, kind in zip(node.arguments, takes, strict=True)
        ]
        return Apply(node.operation, tuple(arguments), node.at)

    def _kind(self, node: Node) -> str:
        """Tell what a part gives, before it is resolved."""
        if isinstance(node, Column):
            return self._kind_of(node)
        if isinstance(node, Apply) and OPERATIONS[node.operation].gives == "same":
            return next((kind for kind in map(self._kind, node.arguments[-2:]) if kind != "text"), "text")
        return "text" if isinstance(node, Text) else "number"

    def _kind_of(self, node: Column) -> str:
        if node.name in self.earlier:
            return "number"
        if node.name not in self.table.columns:
            known = [*map(str, self.table.columns), *self.earlier]
            raise self.source.unfit(
                node.at, f"there is no column {node.name!r}. {list_known(node.name, known)}"
            )
        if node.name not in self.kinds:
            self.kinds[node.name] = kind_of(self.table[node.name])
        return self.kinds[node.name]

    def _column(self, node: Column, want: str) -> Node:
        have = self._kind_of(node)
        if have not in (want, "empty"):
            example = str(self.table[node.name].dropna().iloc[0]) if node.name in self.table.columns else ""
            mend = _MEND[have].format(name=node.name, example=example)
            raise self.source.unfit(
                node.at, f"{node.name!r} is a {have} column, and a {want} is needed here; {mend}."
            )
        reading = None
        if want == "date":
            reading = learn_reading(self.table[node.name])
        return Column(node.name, node.at, want, reading)

    def _text(self, node: Text, want: str) -> Node:
        if want == "text":
            return node
        if want == "date":
            day = one_day(node.value, Reading())
            if not math.isnan(day):
                return Number(day, node.at)
            raise self.source.unfit(node.at, f"{node.value!r} is no date; write it as 2025-06-30.")
        try:
            return Number(float(node.value), node.at)
        except ValueError:
            raise self.source.unfit(
                node.at,
                f"a number is compared with the text {node.value!r}; a column's name goes into `backticks`.",
            ) from None

    def _comparison(self, node: Apply) -> Node:
        left, right = node.arguments
        kinds = {self._kind(left), self._kind(right)}
        if isinstance(right, Text):  # the column says what the value is; an empty one cannot
            by_value = "text" if math.isnan(one_day(right.value, Reading())) else "date"
            kinds = {by_value if kinds == {"empty", "text"} else self._kind(left)}
        want = "date" if "date" in kinds else "text" if "text" in kinds else "number"
        if want != "text":
            return Apply(node.operation, (self.resolve(left, want), self.resolve(right, want)), node.at)
        if node.operation not in ("==", "!="):
            raise self.source.unfit(node.at, "text can be compared by == and != only.")
        sides = (self.resolve(left, want), self.resolve(right, want))
        same = Apply("same text", sides, node.at)
        return same if node.operation == "==" else Apply("not", (same,), node.at)
