"""What the registry hands out: a version's verified files, and a version loaded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ml_utils.model import Model
    from ml_utils.registry.inputs import InputSchema
    from ml_utils.registry.verification import Manifest


class StoredFiles(NamedTuple):
    """A version's files, verified: content by name, the manifest's hash, and the version's number."""

    files: dict[str, bytes]
    sha256: str
    version: int


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model, verified and loaded.

    Parameters
    ----------
    name : str
        Name of the registered model.
    version : int
    model : Model
    schema : InputSchema
        What it expects of its raw columns.
    manifest : Manifest
    sha256 : str
        Hash of the manifest, as the registry records it.
    files : mapping
        The package's files, as verified.
    """

    name: str
    version: int
    model: Model
    schema: InputSchema = field(repr=False)
    manifest: Manifest = field(repr=False)
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)
