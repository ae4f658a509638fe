"""A model as files: the pickled pipeline, what it expects, and a manifest with the hash of each.

What vouches for a package is the SHA-256 of its manifest, kept apart from it (in the registry, or on the
command line that starts a service). Nothing is unpickled before every hash was compared. That protects from
files that were changed after registration; it does not make a pickle safe whose author you don't trust.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import pickle
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from ml_utils import __version__
from ml_utils.errors import CannotCompile, RegistryError
from ml_utils.files import sha256_bytes, to_json
from ml_utils.model import Model
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.unpickling import TrustedUnpickler, UntrustedType
from ml_utils.registry.verification import MANIFEST, MODEL, Manifest, read_folder, verify, verify_files

__all__ = [
    "MANIFEST",
    "MODEL",
    "PIPELINE",
    "Manifest",
    "Unpacked",
    "pack",
    "pickled",
    "read_folder",
    "unpack",
    "unpickled",
    "verify",
    "verify_files",
]

logger = logging.getLogger(__name__)

PIPELINE = "pipeline.pkl"
_ALWAYS = ("numpy", "pandas", "scipy", "sklearn")


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
    compiled, not_compiled = _compiled(model, schema, example)
    files |= compiled
    manifest = Manifest(
        model=name,
        candidate=model.name,
        snapshot_sha256=snapshot_sha256,
        code=__version__,
        python=platform.python_version(),
        packages=packages,
        files={file: sha256_bytes(content) for file, content in files.items()},
        compiled=bool(compiled),
        not_compiled=not_compiled,
    )
    return {**files, MANIFEST: to_json(asdict(manifest)).encode()}


def _compiled(model: Model, schema: InputSchema, example: pd.DataFrame) -> tuple[dict[str, bytes], str]:
    """Return the compiled files, or none and the reason."""
    from ml_utils.compiled.compiling import compile_model

    try:
        return compile_model(model, schema, example), ""
    except CannotCompile as error:
        logger.info("%s is not compiled: %s", model.name, error)
        return {}, str(error)


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


def pickled(thing: object, what: str) -> tuple[bytes, dict[str, str]]:
    """Pickle something fitted; return the bytes, and the distributions and versions that loading it takes.

    Raises
    ------
    RegistryError
        If it cannot be pickled, or holds a type that is not loaded again (`unpickling`).
    """
    try:
        content = pickle.dumps(thing, protocol=5)
        recorder = TrustedUnpickler(content)
        recorder.load()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"{what} cannot be written to a file: {error}. Define its classes and functions in a module, "
            "not in a notebook or inside a function."
        ) from error
    except UntrustedType as error:
        raise RegistryError(f"{what} could be written but never be loaded: {error}") from error
    return content, _versions(recorder.modules)


def unpickled(content: bytes, packages: Mapping[str, str], where: str) -> Any:
    """Load what `pickled` wrote; call it only once the file was verified.

    Raises
    ------
    RegistryError
        If it holds a type that is not on the list of `unpickling`, or needs a module that is not installed.
    """
    try:
        return TrustedUnpickler(content).load()
    except UntrustedType as error:
        raise RegistryError(f"{where} was not loaded: {error}") from error
    except (ImportError, AttributeError) as error:
        needed = ", ".join(f"{name} {version}" for name, version in packages.items())
        raise RegistryError(f"{where} cannot be loaded here: {error}. It needs {needed}.") from error


def _versions(modules: set[str]) -> dict[str, str]:
    homes = importlib.metadata.packages_distributions()
    wanted = sorted({*modules, *_ALWAYS})
    names = sorted({homes[module][0] for module in wanted if module in homes and module != "ml_utils"})
    return {name: importlib.metadata.version(name) for name in names}
