"""New columns by rules that a person writes: `balance_per_product: balance / products`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation.base import Creator
from ml_utils.features.creation.created import Created
from ml_utils.features.creation.formula import columns_of, compile_row, evaluate, parse_formula, resolve
from ml_utils.features.creation.formula.tree import Node


class Formulas(Creator):
    """Columns by formulas over the table's columns and over each other, in any order.

    A formula is made of numbers, columns (those with blanks or signs in `backticks`), + - * / // % **,
    comparisons (also `plan in ("gold", "plus")`), and, or, not, and functions: where(condition, a, b), min,
    max, clip, abs, sign, floor, ceil, round, sqrt, exp, log, log10, log1p, isna, coalesce,
    days_between(from, to), year, quarter, month, day, day_of_week, day_of_year, hour and minute of a date.
    What is not defined (a division by zero, the logarithm of -1, anything of a missing value) is missing.
    Text is compared regardless of case, outer blanks and hyphens. Nothing is ever run as Python.

    Parameters
    ----------
    formulas : mapping of str to str
        New column to formula.

    Attributes
    ----------
    trees_ : dict of str to Node
        The parsed formulas, fitted to the table, each after those it uses.

    Examples
    --------
    >>> X = pd.DataFrame({"balance": [90.0, 10.0], "products": [3, 0]})
    >>> rules = {"half": "per_product / 2", "per_product": "balance / products"}
    >>> Formulas(rules).fit_transform(X).to_dict("list")
    {'half': [15.0, nan], 'per_product': [30.0, nan]}
    """

    def __init__(self, formulas: Mapping[str, str]) -> None:
        self.formulas = formulas

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if not isinstance(self.formulas, Mapping):
            raise ParameterError(
                f"formulas are a mapping of new columns to texts; got {type(self.formulas).__name__}."
            )
        parsed = {str(name): parse_formula(str(name), text) for name, text in self.formulas.items()}
        for name, (source, _) in parsed.items():
            if name in table.columns:
                raise source.unfit(
                    0, f"the table has a column {name!r} already. Give the new one another name."
                )
        trees = {name: tree for name, (_, tree) in parsed.items()}
        self.trees_ = {name: resolve(parsed[name][0], trees[name], table, trees) for name in _in_order(trees)}
        self.created_ = [self._describe(name, source.text) for name, (source, _) in parsed.items()]

    def _describe(self, name: str, text: str) -> Created:
        sources = self._raw_columns(name)
        if not sources:
            raise ParameterError(f"Formula {name!r} uses no column; it would be {text} in every row.")
        return Created(name, sources, "formula", f"{name}, by the rule {text}", text)

    def _raw_columns(self, name: str) -> tuple[str, ...]:
        """Return the table's columns behind a formula, also by way of other formulas."""
        found: dict[str, None] = {}
        for column in columns_of(self.trees_[name]):
            found.update(dict.fromkeys(self._raw_columns(column) if column in self.trees_ else (column,)))
        return tuple(found)

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        known: dict[str, np.ndarray] = {}
        with np.errstate(all="ignore"):
            for name, tree in self.trees_.items():
                known[name] = np.broadcast_to(np.asarray(evaluate(tree, table, known), float), len(table))
        return [known[new.name] for new in self.created_]

    def row_function(self) -> Callable[[Mapping[str, Any]], dict[str, float]]:
        """Return a function of one row: the same values as `transform`, in microseconds.

        Returns
        -------
        callable
            Takes a mapping of the raw columns to values, gives each new column's value, NaN where it is not
            defined. It raises DataError where a column is missing.
        """
        names = [new.name for new in self.created_]
        steps = [(name, compile_row(tree, self.trees_)) for name, tree in self.trees_.items()]

        def evaluate_row(row: Mapping[str, Any]) -> dict[str, float]:
            values = dict(row)
            try:
                with np.errstate(all="ignore"):
                    for name, step in steps:
                        values[name] = step(values)
            except KeyError as error:
                raise DataError(f"The row lacks {error}, which the formula {name!r} uses.") from error
            return {name: values[name] for name in names}

        return evaluate_row


def read_formulas(path: str | Path) -> dict[str, str]:
    """Read a file of rules: YAML, a line each, `balance_per_product: balance / products`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to str
        New column to formula, each known to be well formed.

    Raises
    ------
    ParameterError
        If there is no such file, or it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ParameterError(f"There is no file of formulas {path}. Give the path of a YAML file.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Once)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{path} is not valid YAML: {error}. A formula that starts with a quote or a backtick, or holds "
            "': ' or ' #', stands in quotes as a whole."
        ) from error
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path} must hold lines like `share: part / total`; got {type(content).__name__}."
        )
    rules = {
        str(name): str(text) if isinstance(text, int | float) else text for name, text in content.items()
    }
    try:
        for name, text in rules.items():
            parse_formula(name, text)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
    return rules


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice; plain YAML would quietly take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _in_order(trees: Mapping[str, Node]) -> list[str]:
    """Sort the formulas so that each comes after those it uses."""
    uses = {name: [other for other in columns_of(tree) if other in trees] for name, tree in trees.items()}
    try:
        return list(TopologicalSorter(uses).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise ParameterError(f"Formulas use each other in a circle: {circle}. Take one use out.") from error
