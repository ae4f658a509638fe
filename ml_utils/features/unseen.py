"""What rows hold that the training rows never did, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ml_utils.features.blocks import Block, CategoryBlock, DateBlock, Source
from ml_utils.features.creation.base import numbers
from ml_utils.features.creation.reading_dates import dates
from ml_utils.features.numbers import NumberBlock
from ml_utils.features.values import Coded


class Finding(NamedTuple):
    """Something that a column holds and the training rows did not."""

    column: str
    finding: str
    rows: int
    example: str = ""


FINDINGS = {
    "not in the table": "the column is taken as missing in every row",
    "new column": "it is left aside",
    "missing throughout": "what stands for a missing value is used in every row",
    "newly missing": "what stands for a missing value is used",
    "infinite": "taken as missing",
    "no number": "taken as missing",
    "no date": "taken as missing",
    "out of the training range": "held within the fences, where there are any",
    "unseen category": "encoded as a rare or unknown one",
}


def find_unseen(
    table: pd.DataFrame, blocks: Sequence[Block], missing: Mapping[str, float], raw: Sequence[str]
) -> pd.DataFrame:
    """List what is new in a table.

    Parameters
    ----------
    table : DataFrame
    blocks : sequence of Block
        Fitted.
    missing : mapping of str to float
        Share of training rows in which each column was missing.
    raw : sequence of str
        The columns of the training table.

    Returns
    -------
    DataFrame
        column, finding, rows, share (of the rows), example, what is done.
    """
    source = Source(table)
    found: list[Finding] = []
    for name in raw:
        if name not in table.columns:
            found.append(Finding(name, "not in the table", len(table)))
    for block in blocks:
        for i, name in enumerate(block.columns):
            if name in raw and name in table.columns:
                found += _missing(source, name, missing[name])
                found += _of_block(block, i, source)
    known = set(raw)
    found += [Finding(name, "new column", len(table)) for name in table.columns if name not in known]
    report = pd.DataFrame(found, columns=list(Finding._fields))
    report.insert(3, "share", report["rows"] / len(table))
    report["what is done"] = report["finding"].map(FINDINGS).astype("str")
    return report


def _missing(source: Source, name: str, share_before: float) -> list[Finding]:
    absent = int(source[name].isna().sum())
    if absent == len(source) and share_before < 1:
        return [Finding(name, "missing throughout", absent)]
    return [Finding(name, "newly missing", absent)] if absent and share_before == 0 else []


def _of_block(block: Block, i: int, source: Source) -> list[Finding]:
    name = block.columns[i]
    if isinstance(block, NumberBlock):
        return _numbers(source[name], float(block.smallest[i]), float(block.largest[i]))
    if isinstance(block, CategoryBlock):
        column = source.coded(name)
        return _categories(name, column, block.known[name].find(column))
    if isinstance(block, DateBlock):
        column = source[name]
        bad = np.isnat(dates(column, block.features.readings_[name])) & column.notna().to_numpy()
        return _some(name, "no date", bad, column)
    return []


def _numbers(column: pd.Series, smallest: float, largest: float) -> list[Finding]:
    name, values = str(column.name), numbers(column)
    with np.errstate(invalid="ignore"):
        outside = (values < smallest) | (values > largest)
    lost = np.isnan(values) & column.notna().to_numpy()
    endless = lost & _infinite(column)
    return [
        *_some(name, "infinite", endless, column),
        *_some(name, "no number", lost & ~endless, column),
        *_some(name, "out of the training range", outside, column),
    ]


def _infinite(column: pd.Series) -> np.ndarray:
    read = column if pd.api.types.is_numeric_dtype(column) else pd.to_numeric(column, errors="coerce")
    return np.isinf(read.to_numpy(dtype=float, na_value=np.nan))


def _categories(name: str, column: Coded, places: np.ndarray) -> list[Finding]:
    unseen = (
        (places[:-1] < 0)[column.codes] & (column.codes >= 0) if len(column.distinct) else np.zeros(0, bool)
    )
    if not unseen.any():
        return []
    first: Any = column.distinct[int(column.codes[int(np.argmax(unseen))])]
    return [Finding(name, "unseen category", int(unseen.sum()), str(first))]


def _some(name: str, finding: str, rows: np.ndarray, column: pd.Series) -> list[Finding]:
    if not rows.any():
        return []
    return [Finding(name, finding, int(rows.sum()), str(column.iloc[int(np.argmax(rows))]))]
