"""A model as files: the pickled pipeline, what it expects, and a manifest with the hash of each.

What vouches for a package is the SHA-256 of its manifest, kept apart from it (in the registry, or on the
command line that starts a service). Nothing is unpickled before every hash was compared. That protects from
files that were changed after registration; it does not make a pickle safe whose author you don't trust.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import pickle
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ml_utils import __version__
from ml_utils.errors import IntegrityError, RegistryError
from ml_utils.files import sha256_bytes, to_json
from ml_utils.model import Model
from ml_utils.registry.inputs import InputSchema

PIPELINE, MODEL, MANIFEST = "pipeline.pkl", "model.json", "manifest.json"
_ALWAYS = ("numpy", "pandas", "scipy", "sklearn")


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
    """

    model: str
    candidate: str
    snapshot_sha256: str
    code: str
    python: str
    packages: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Unpacked:
    """A verified package, loaded."""

    model: Model
    schema: InputSchema
    manifest: Manifest
    sha256: str


def pack(model: Model, example: pd.DataFrame, name: str, snapshot_sha256: str) -> dict[str, bytes]:
    """Turn a model into the files of a package.

    Parameters
    ----------
    model : Model
    example : DataFrame
        Training rows; types, ranges and categories are drawn from its columns.
    name : str
        Name of the registered model.
    snapshot_sha256 : str
        Hash of the data it was trained on.

    Returns
    -------
    dict
        File name to content.

    Raises
    ------
    RegistryError
        If the example lacks a column of the model, or the pipeline cannot be pickled.
    """
    lacking = [column for column in model.columns if column not in example.columns]
    if lacking:
        raise RegistryError(
            f"`example` lacks the model's columns {', '.join(lacking)}; pass training rows with all of them."
        )
    schema = InputSchema.from_frame(example[list(model.columns)])
    pipeline, packages = pickled(model.pipeline, f"The pipeline of {model.name}")
    about = {
        "task": model.task,
        "candidate": model.name,
        "threshold": model.threshold,
        "columns": list(model.columns),
        "inputs": schema.to_json(),
    }
    # json.dumps keeps every digit of a threshold, where to_json would round it
    files = {PIPELINE: pipeline, MODEL: (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode()}
    manifest = Manifest(
        model=name,
        candidate=model.name,
        snapshot_sha256=snapshot_sha256,
        code=__version__,
        python=platform.python_version(),
        packages=packages,
        files={file: sha256_bytes(content) for file, content in files.items()},
    )
    return {**files, MANIFEST: to_json(asdict(manifest)).encode()}


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


def unpack(files: Mapping[str, bytes], sha256: str, where: str) -> Unpacked:
    """Verify a package, then load it.

    Raises
    ------
    IntegrityError
        If a file is missing or was changed; nothing has been unpickled then.
    RegistryError
        If the pipeline needs a module that is not installed here.
    """
    manifest = verify(files, sha256, where)
    about: dict[str, Any] = json.loads(files[MODEL])
    pipeline = unpickled(files[PIPELINE], manifest.packages, where)
    model = Model(
        pipeline, about["task"], tuple(about["columns"]), about["candidate"], threshold=about["threshold"]
    )
    return Unpacked(model, InputSchema.from_json(about["inputs"]), manifest, sha256)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a package once, so that what was verified is what is loaded."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


class _Recorder(pickle.Unpickler):
    """Unpickles and notes which modules that takes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module.partition(".")[0])
        return super().find_class(module, name)


def pickled(thing: object, what: str) -> tuple[bytes, dict[str, str]]:
    """Pickle something fitted; return the bytes, and the distributions and versions that loading it takes.

    Raises
    ------
    RegistryError
        If it cannot be pickled, or needs what only this script or notebook defines.
    """
    try:
        content = pickle.dumps(thing, protocol=5)
        recorder = _Recorder(content)
        recorder.load()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"{what} cannot be written to a file: {error}. Define its classes and functions in a module, "
            "not in a notebook or inside a function."
        ) from error
    if "__main__" in recorder.modules:
        raise RegistryError(
            f"{what} uses a class or function of the notebook or script itself, which cannot be imported "
            "elsewhere. Move it into a module."
        )
    return content, _versions(recorder.modules)


def unpickled(content: bytes, packages: Mapping[str, str], where: str) -> Any:
    """Load what `pickled` wrote; call it only once the file was verified.

    Raises
    ------
    RegistryError
        If it needs a module that is not installed here.
    """
    try:
        return pickle.loads(content)
    except (ImportError, AttributeError) as error:
        needed = ", ".join(f"{name} {version}" for name, version in packages.items())
        raise RegistryError(f"{where} cannot be loaded here: {error}. It needs {needed}.") from error


def _versions(modules: set[str]) -> dict[str, str]:
    homes = importlib.metadata.packages_distributions()
    wanted = sorted({*modules, *_ALWAYS})
    names = sorted({homes[module][0] for module in wanted if module in homes and module != "ml_utils"})
    return {name: importlib.metadata.version(name) for name in names}


def _compare(file: str, content: bytes, expected: str, where: str, again: str) -> None:
    found = sha256_bytes(content)
    if found != expected:
        raise IntegrityError(
            f"{where}: {file} was changed after it was stored (SHA-256 {found[:16]}…, recorded "
            f"{expected[:16]}…). It was not loaded; restore the file, or {again}."
        )
