"""The language of formulas: text is parsed to a tree, fitted to a table, evaluated for columns or one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
    from ml_utils.features.creation.formula.evaluating import compile_row, evaluate
    from ml_utils.features.creation.formula.parsing import parse_formula
    from ml_utils.features.creation.formula.resolving import resolve
    from ml_utils.features.creation.formula.tree import columns_of

__all__ = ["columns_of", "compile_row", "evaluate", "parse_formula", "resolve"]

__getattr__ = importer(
    __name__,
    {
        "columns_of": "tree",
        "compile_row": "evaluating",
        "evaluate": "evaluating",
        "parse_formula": "parsing",
        "resolve": "resolving",
    },
)
