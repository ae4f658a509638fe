"""The manifest of a package, and its files held against it before anything of them is used.

Nothing here needs more than Python itself: the service verifies what it loads by the same code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_utils.errors import IntegrityError

MODEL, MANIFEST = "model.json", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a package consists of and what it was made from.

    Parameters
    ----------
    model : str
        Name of the registered model.
    candidate : str
        Name of the candidate, like "lightgbm".
    snapshot_sha256 : str
        Hash of the data it was trained on.
    code : str
        Version of this package.
    python : str
    packages : dict
        Distribution to version, of what the pipeline needs.
    files : dict
        File name to SHA-256.
    compiled : bool
        Whether the package holds the compiled form, which scores without the pipeline.
    not_compiled : str
        Why it does not.
    """

    model: str
    candidate: str
    snapshot_sha256: str
    code: str
    python: str
    packages: dict[str, str]
    files: dict[str, str]
    compiled: bool = False
    not_compiled: str = ""


def verify(files: Mapping[str, bytes], sha256: str, where: str) -> Manifest:
    """Compare every file with the hash that was recorded for it.

    Parameters
    ----------
    files : mapping
        File name to content, as read.
    sha256 : str
        The manifest's hash, from a place apart from the files.
    where : str
        Where the files came from, for the message.

    Raises
    ------
    IntegrityError
        If a file is missing or does not match.
    """
    return Manifest(**verify_files(files, sha256, where, "register the model again"))


def verify_files(files: Mapping[str, bytes], sha256: str, where: str, again: str) -> dict[str, Any]:
    """Compare every file with its manifest, and the manifest with its hash; return the manifest.

    Parameters
    ----------
    files, sha256, where
        As for `verify`.
    again : str
        How to mend it, for the message.

    Raises
    ------
    IntegrityError
        If a file is missing or does not match.
    """
    if MANIFEST not in files:
        raise IntegrityError(f"{where} has no {MANIFEST}; {again}.")
    _compare(MANIFEST, files[MANIFEST], sha256, where, again)
    manifest: dict[str, Any] = json.loads(files[MANIFEST])
    for file, expected in manifest["files"].items():
        if file not in files:
            raise IntegrityError(f"{where} lacks {file}, which its manifest names; {again}.")
        _compare(file, files[file], expected, where, again)
    return manifest


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a package once, so that what was verified is what is loaded."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _compare(file: str, content: bytes, expected: str, where: str, again: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise IntegrityError(
            f"{where}: {file} was changed after it was stored (SHA-256 {found[:16]}…, recorded "
            f"{expected[:16]}…). It was not loaded; restore the file, or {again}."
        )
