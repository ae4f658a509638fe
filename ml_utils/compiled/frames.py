"""Tables as the columns that a compiled scorer takes; needs pandas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml_utils.compiled.cells import Coded
from ml_utils.features.values import coded


def columns_of(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, np.ndarray | Coded]:
    """Return columns of a table in the quickest form: text told apart once, all else as arrays.

    Parameters
    ----------
    frame : DataFrame
    names : sequence of str
        Those that the model takes; one that is not there is left out, for the scorer to name.

    Examples
    --------
    >>> columns_of(pd.DataFrame({"plan": ["a", None]}), ["plan"])["plan"].codes.tolist()
    [0, -1]
    """
    return {name: _column(frame[name]) for name in names if name in frame.columns}


def _column(values: pd.Series) -> np.ndarray | Coded:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiubM":
        return values.to_numpy()
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert(None).to_numpy()
    if isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        told = coded(values)
        return Coded(np.asarray(told.codes, dtype=np.intp), told.distinct)
    return values.astype(object).where(values.notna(), None).to_numpy(dtype=object)
