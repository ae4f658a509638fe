"""The registry's tables as people read them, on a page and on the command line."""

from __future__ import annotations

import pandas as pd

_MOMENTS = ("created", "when")
_NAMES = {"from_version": "from", "to_version": "to"} | {name: f"{name} (UTC)" for name in _MOMENTS}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return versions or the log with moments to the minute, and nothing where nothing is known.

    Parameters
    ----------
    table : DataFrame
        Columns of `Registry.versions` or `Registry.history`.

    Returns
    -------
    DataFrame
        Of text.

    Examples
    --------
    >>> log = pd.DataFrame({"when": ["2026-05-01T09:30:12+00:00"], "from_version": [None], "to_version": [1]})
    >>> readable(log).to_dict("records")
    [{'when (UTC)': '2026-05-01 09:30', 'from': '', 'to': '1'}]
    """
    text = {
        _NAMES.get(str(name), str(name)): _moments(values) if name in _MOMENTS else _words(values)
        for name, values in table.items()
    }
    return pd.DataFrame(text, index=table.index)


def as_lines(table: pd.DataFrame) -> str:
    """Return a table of text as aligned lines, words to the left."""
    columns = [
        values.str.ljust(max(len(str(name)), int(values.str.len().max()))) for name, values in table.items()
    ]
    text = pd.concat(columns, axis=1).to_string(index=False, justify="left")
    return "\n".join(line.rstrip() for line in text.splitlines())


def _moments(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, utc=True).dt.strftime("%Y-%m-%d %H:%M").fillna("")


def _words(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.notna(), "").astype(str)
