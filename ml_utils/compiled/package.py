"""A packaged model in its compiled form: verified, then loaded, without pandas and without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_utils.compiled.files import COMPILED
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.errors import IntegrityError, MissingInputError
from ml_utils.registry.verification import MODEL, read_folder, verify_files

RELEASE = "release.json"


@dataclass(frozen=True)
class PackagedModel:
    """A verified package.

    Parameters
    ----------
    scorer : CompiledScorer
    version : int or None
        Version in the registry, as release.json says.
    manifest : dict
    sha256 : str
        Hash of the manifest.
    about : dict
        model.json: task, candidate, threshold, columns, inputs.
    """

    scorer: CompiledScorer = field(repr=False)
    version: int | None
    manifest: dict[str, Any] = field(repr=False)
    sha256: str
    about: dict[str, Any] = field(repr=False)

    @classmethod
    def read(cls, package: str | Path | Mapping[str, bytes], sha256: str | None = None) -> PackagedModel:
        """Load a package once all its files match their hashes.

        Parameters
        ----------
        package : str, Path or mapping of str to bytes
            A folder that `ModelDeployment.package` wrote, or the content of its files.
        sha256 : str, optional
            Hash of the manifest, from a place that you trust; by default what release.json says, which finds
            damage but not a deliberate change.

        Raises
        ------
        MissingInputError
            If there is no package.
        IntegrityError
            If a file was changed, or the model is not compiled; the message says why it is not.
        """
        files, where = _content(package)
        release = _release(files, where, sha256)
        expected = sha256 or str(release["manifest_sha256"])
        manifest = verify_files(files, expected, where, "package the model again")
        if COMPILED not in manifest["files"]:
            why = manifest.get("not_compiled") or "it was registered before models were"
            raise IntegrityError(f"{where} holds a model that is not compiled: {why}.")
        known = {name: files[name] for name in manifest["files"]}  # what was verified, and nothing else
        version = release.get("version")
        scorer = CompiledScorer.from_files(known)
        about: dict[str, Any] = json.loads(known[MODEL])
        return cls(scorer, None if version is None else int(version), manifest, expected, about)


def _content(package: str | Path | Mapping[str, bytes]) -> tuple[Mapping[str, bytes], str]:
    if isinstance(package, Mapping):
        return package, "The package"
    folder = Path(package)
    if not folder.is_dir():
        raise MissingInputError(
            f"{folder} holds no packaged model. Notebook 4 writes one: run `make report`, or name the right "
            "folder."
        )
    return read_folder(folder), str(folder)


def _release(files: Mapping[str, bytes], where: str, sha256: str | None) -> dict[str, Any]:
    if RELEASE not in files:
        if sha256 is not None:
            return {}
        raise MissingInputError(
            f"{where} holds no packaged model ({RELEASE} is missing). Notebook 4 writes one: run "
            "`make report`, or name the right folder."
        )
    try:
        release: dict[str, Any] = json.loads(files[RELEASE])
        return {"manifest_sha256": str(release["manifest_sha256"]), "version": int(release["version"])}
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{where}/{RELEASE} is damaged ({error!r}); package the model again.") from error
