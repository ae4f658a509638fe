"""The language of formulas: text is parsed to a tree, fitted to a table, evaluated for columns or one row."""

from __future__ import annotations

from ml_utils.features.creation.formula.evaluating import compile_row, evaluate
from ml_utils.features.creation.formula.parsing import parse_formula
from ml_utils.features.creation.formula.resolving import resolve
from ml_utils.features.creation.formula.tree import columns_of

__all__ = ["columns_of", "compile_row", "evaluate", "parse_formula", "resolve"]
