"""What each column is: told from its values unless given."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.blocks import Source, read_numbers
from ml_utils.features.encoding import ONE_HOT_LIMIT
from ml_utils.features.options import Options
from ml_utils.features.values import FEW
from ml_utils.wording import listing

logger = logging.getLogger(__name__)

IDENTIFIER_SHARE = 0.5  # distinct values per row above which a text column names rows, not kinds of rows
SENTENCE = 4.0  # words in a value, on average, from which such a column is text to be read
LOOKED_AT = 1000  # values that say whether a column is text

ROLES = ("numeric", "category", "target", "ordinal", "frequency", "hashing", "date", "text", "left_out")
_ALWAYS = ("numeric", "category", "target", "date", "left_out")
_ROLE_OF = {"onehot": "category"}  # other encodings are roles of the same name


def tell_roles(source: Source, options: Options, has_target: bool) -> dict[str, list[str]]:
    """Sort the columns of a table by their roles.

    Parameters
    ----------
    source : Source
    options : Options
        `text` None means: tell it from the values.
    has_target : bool
        Without a target, columns that `auto` would encode by it are one-hot.

    Returns
    -------
    dict of str to list of str
        numeric, category (one-hot), target, date and left_out always; ordinal, frequency, hashing and text
        where there are any.

    Raises
    ------
    DataError
        If no column is left.
    ParameterError
        If an encoding needs a target that is not there.
    """
    roles: dict[str, list[str]] = {role: [] for role in ROLES}
    for name in source.table.columns:
        roles[_role(name, source, options, has_target)].append(name)
    if len(roles["left_out"]) == source.table.shape[1]:
        raise DataError("No column is left: all are empty, or name rows. Bring others.")
    if roles["left_out"]:
        logger.info("left out, empty or naming rows: %s", listing(roles["left_out"]))
    return {role: names for role, names in roles.items() if names or role in _ALWAYS}


def _role(name: str, source: Source, options: Options, has_target: bool) -> str:
    column = source[name]
    if name in (options.numeric or ()):
        return "numeric" if _has_number(column) else "left_out"
    if name in (options.categorical or ()) or name in (options.encodings or {}):
        return _category(name, source, options, has_target)
    if pd.api.types.is_numeric_dtype(column):
        return "numeric" if _has_number(column) else "left_out"
    if name in (options.dates or ()) or pd.api.types.is_datetime64_any_dtype(column):
        return "date" if column.notna().any() else "left_out"
    if name in (options.text or ()):
        return "text" if column.notna().any() else "left_out"
    values = source.coded(name)
    present = int((values.codes >= 0).sum())
    if present and _distinct(values.codes, values.distinct) > max(ONE_HOT_LIMIT, IDENTIFIER_SHARE * present):
        return "text" if options.text is None and _is_text(values.distinct) else "left_out"
    return _category(name, source, options, has_target)


def _category(name: str, source: Source, options: Options, has_target: bool) -> str:
    values = source.coded(name)
    n = _distinct(values.codes, values.distinct)
    if n == 0:
        return "left_out"
    wanted = (options.encodings or {}).get(name, options.encoding)
    if wanted == "auto":
        wanted = "target" if n > ONE_HOT_LIMIT and has_target else "onehot"
    if wanted == "target" and not has_target:
        raise ParameterError("encoding='target' needs y. Pass the target, or use encoding='onehot'.")
    return _ROLE_OF.get(wanted, wanted)


def _distinct(codes: np.ndarray, distinct: list[object]) -> int:
    """Count the values that are there; one may be listed twice where rows are few."""
    return len(distinct) if len(codes) > FEW else len({distinct[i] for i in codes if i >= 0})


def _has_number(column: pd.Series) -> bool:
    return bool(np.isfinite(read_numbers(column)).any())


def _is_text(values: list[object]) -> bool:
    words = [len(str(value).split()) for value in values[:LOOKED_AT]]
    return float(np.mean(words)) >= SENTENCE
