"""Files are written whole or not at all: aside first, then renamed."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary neighbour of `path`, then rename it into place.

    Parameters
    ----------
    path : Path
        The final name; its folder is made when missing.
    write : callable
        Receives the temporary path, which keeps the suffix of `path`.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    return write_whole(path, lambda aside: _write_utf8(aside, text))


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write `frame` to `path` as Parquet without its index, whole or not at all."""
    return write_whole(path, lambda aside: frame.to_parquet(aside, index=False))


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` only when `path` holds something else; make then sees no change where there is none."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: object) -> str:
    """Serialise to JSON that is the same byte for byte whenever the values are the same.

    Keys keep their order, floats keep ten significant digits (beyond that, two builds of one BLAS
    disagree), NaN and infinities become null.

    Examples
    --------
    >>> print(to_json({"auc": np.float64(0.1 + 0.2), "n": np.int64(3), "gap": float("nan")}), end="")
    {
      "auc": 0.3,
      "n": 3,
      "gap": null
    }
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return _plain(value.to_dict(orient="records"))
    if isinstance(value, pd.Series):
        return _plain(value.to_dict())
    if isinstance(value, np.ndarray | list | tuple | set | pd.Index):
        return [_plain(item) for item in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return str(value)


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
