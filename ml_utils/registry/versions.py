"""The versions of a registered model as MLflow keeps them: found by number or alias, listed, tagged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd

from ml_utils.errors import RegistryError, list_known
from ml_utils.registry.registered import StoredFiles
from ml_utils.registry.tracking import Tracking
from ml_utils.registry.verification import MANIFEST, verify

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
RETIRED = "retired"  # tag: when and why
MLFLOWS = ("MLmodel", "requirements.txt")  # of a version's files, those that MLflow reads
SHA = "manifest_sha256"  # tag: of the version's manifest

_COLUMNS = ["version", "candidate", "aliases", "state", "created", "run_id", "snapshot_sha256", "metrics"]


def registered(tracking: Tracking) -> Any:
    """Return MLflow's entry of the model, or None."""
    found = tracking.client.search_registered_models(f"name='{tracking.name}'")
    return found[0] if found else None


def aliases(tracking: Tracking) -> dict[str, int]:
    """Return the version that each alias names."""
    model = registered(tracking)
    return {} if model is None else {name: int(version) for name, version in model.aliases.items()}


def find(tracking: Tracking, which: str | int) -> ModelVersion:
    """Return a version by number or alias.

    Raises
    ------
    RegistryError
        If there is none; the message lists the known ones.
    """
    with tracking.guarded():
        named = aliases(tracking)
        version = int(which) if str(which).isdecimal() else named.get(str(which))
        found = _all(tracking)
    for item in found:
        if int(item.version) == version:
            return item
    _unknown(tracking.name, which, named, [str(item.version) for item in found])


def files(tracking: Tracking, which: str | int) -> StoredFiles:
    """Read a version's files and verify them; see `Registry.files`."""
    found = find(tracking, which)
    where = f"{tracking.name} version {found.version}"
    digest = found.tags.get(SHA)
    if digest is None:
        raise RegistryError(f"{where} has no recorded hash: it was not registered here. Register it again.")
    with tracking.guarded():
        source = tracking.client.get_model_version_download_uri(tracking.name, str(found.version))
        content = tracking.download(source, where)
    manifest = verify(content, digest, where)
    known = {*manifest.files, MANIFEST, *MLFLOWS}  # nothing else that was laid beside them
    named = {name: each for name, each in content.items() if name in known}
    return StoredFiles(named, digest, int(found.version))


def listing(tracking: Tracking) -> pd.DataFrame:
    """Return one row a version; see `Registry.versions`."""
    with tracking.guarded():
        named, found = aliases(tracking), _all(tracking)
    by_version: dict[int, list[str]] = {}
    for alias, version in sorted(named.items()):
        by_version.setdefault(version, []).append(alias)
    rows = [_row(item, by_version) for item in sorted(found, key=lambda item: int(item.version))]
    return pd.DataFrame(rows, columns=_COLUMNS)


def retired(tracking: Tracking) -> set[int]:
    """Return the versions that are retired."""
    return {int(item.version) for item in _all(tracking) if RETIRED in item.tags}


def in_use(tracking: Tracking) -> set[int]:
    """Return the versions that are there and not retired."""
    return {int(item.version) for item in _all(tracking) if RETIRED not in item.tags}


def tags(tracking: Tracking) -> dict[str, str]:
    """Return the tags of the model; none where there is no model."""
    model = registered(tracking)
    return {} if model is None else dict(model.tags)


def _all(tracking: Tracking) -> list[ModelVersion]:
    if registered(tracking) is None:
        return []
    return list(tracking.client.search_model_versions(f"name='{tracking.name}'"))


def _unknown(name: str, which: str | int, named: Mapping[str, int], versions: list[str]) -> NoReturn:
    if not versions:
        raise RegistryError(
            f"The registry has no model {name} yet. Run `make report`: notebook 2 registers one, "
            "notebook 3 promotes it."
        )
    if which == CHAMPION:
        raise RegistryError(
            f"{name} has no champion yet. Run `make report`: notebook 3 promotes a version that "
            "passes its gates."
        )
    known = [*named, *sorted(versions, key=int)]
    raise RegistryError(f"{name} has no version or alias {which!r}. {list_known(str(which), known)}")


def _row(item: ModelVersion, by_version: Mapping[int, list[str]]) -> dict[str, object]:
    version = int(item.version)
    return {
        "version": version,
        "candidate": item.tags.get("candidate", ""),
        "aliases": ", ".join(by_version.get(version, [])),
        "state": "retired" if RETIRED in item.tags else "",
        "created": pd.Timestamp(item.creation_timestamp, unit="ms", tz="UTC"),
        "run_id": item.run_id,
        "snapshot_sha256": item.tags.get("snapshot_sha256", ""),
        "metrics": json.loads(item.tags.get("metrics", "{}")),
    }
