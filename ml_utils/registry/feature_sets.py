"""Feature sets in MLflow: a run each, found by the hash of its content, never logged twice.

The run holds the rows' keys and features, the dictionary, the recipe and the pickled engineer. As with
models, the SHA-256 of the manifest stands in the store's database, apart from the files, and everything is
compared before anything is unpickled.
"""

from __future__ import annotations

import io
import json
import logging
import platform
import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils import __version__
from ml_utils.errors import IntegrityError, RegistryError
from ml_utils.features.feature_set import SHORT, SPLIT, FeatureSet
from ml_utils.files import sha256_bytes, to_json
from ml_utils.registry.package import MANIFEST, pickled, unpickled, verify_files
from ml_utils.registry.tracking import Tracking

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

FOLDER = "feature_set"
ENGINEER, ABOUT = "engineer.pkl", "feature_set.json"
KEYS, FEATURES, DICTIONARY, READABLE = (
    "keys.parquet",
    "features.parquet",
    "dictionary.parquet",
    "dictionary.csv",
)
_VERSION, _SHA = "feature_set_version", "manifest_sha256"
_AGAIN = "delete its run (`make mlflow`) and log the feature set again: notebook 1 does"


def log_feature_set(tracking: Tracking, feature_set: FeatureSet) -> str:
    """Log a feature set as a run, unless its version is there; see `Registry.log_feature_set`."""
    if feature_set.engineer is None:
        raise RegistryError(
            "The feature set was read without its engineer; load it with the engineer to log it."
        )
    version = feature_set.version
    with tracking.guarded(), tracking.locked():
        there = _runs(tracking, version)
        if there:
            return there[0].info.run_id
        files = _files(feature_set)
        tags = {
            _VERSION: version,
            "snapshot_sha256": feature_set.snapshot_sha256,
            "problem": feature_set.name,
        }
        run = tracking.start_run(
            f"features {feature_set.short}", feature_set.recipe, _counts(feature_set), tags
        )
        tracking.upload(files, run, FOLDER)
        tracking.client.set_tag(run, _SHA, sha256_bytes(files[MANIFEST]))
        tracking.client.set_terminated(run)  # only now does anyone find it
    logger.info("logged the feature set %s of %s", feature_set.short, feature_set.name)
    return run


def feature_sets(tracking: Tracking) -> pd.DataFrame:
    """Return one row a feature set, newest first; see `Registry.feature_sets`."""
    with tracking.guarded():
        runs = _runs(tracking)
    columns = ["version", "created", "features", "rows", "snapshot_sha256", "run_id"]
    return pd.DataFrame([_row(run) for run in runs], columns=columns)


def load_feature_set(tracking: Tracking, version: str | None, engineer: bool) -> FeatureSet:
    """Read a feature set once its files were verified; see `Registry.load_feature_set`."""
    run = _find(tracking, version)
    version = run.data.tags[_VERSION]
    where = f"The feature set {version[:SHORT]} of {tracking.name}"
    with tracking.guarded():
        files = tracking.download(f"{run.info.artifact_uri}/{FOLDER}", where)
    manifest = verify_files(files, run.data.tags[_SHA], where, _AGAIN)
    loaded = _from_files(files, manifest, where, engineer)
    if loaded.version != version:
        raise IntegrityError(f"{where} holds something else: its content has the version {loaded.version}.")
    return loaded


def _files(feature_set: FeatureSet) -> dict[str, bytes]:
    engineer, packages = pickled(feature_set.engineer, "The engineer")
    about = {
        "name": feature_set.name,
        "version": feature_set.version,
        "entity": feature_set.entity,
        "time": feature_set.time,
        "snapshot_sha256": feature_set.snapshot_sha256,
        "engineer_sha256": feature_set.engineer_sha256,
        "recipe": feature_set.recipe,
    }
    files = {
        ENGINEER: engineer,
        ABOUT: json.dumps(about, indent=2).encode(),  # every digit of an option, where to_json would round
        KEYS: _parquet(feature_set.keys),
        FEATURES: _parquet(feature_set.features),
        DICTIONARY: _parquet(feature_set.dictionary),
        READABLE: feature_set.dictionary.to_csv(index=False).encode(),
    }
    manifest = {
        "feature_set": feature_set.version,
        "code": __version__,
        "python": platform.python_version(),
        "packages": packages,
        "files": {name: sha256_bytes(content) for name, content in files.items()},
    }
    return {**files, MANIFEST: to_json(manifest).encode()}


def _from_files(files: dict[str, bytes], manifest: dict[str, Any], where: str, engineer: bool) -> FeatureSet:
    about = json.loads(files[ABOUT])
    return FeatureSet(
        name=about["name"],
        entity=about["entity"],
        time=about["time"],
        keys=pd.read_parquet(io.BytesIO(files[KEYS])),
        features=pd.read_parquet(io.BytesIO(files[FEATURES])),
        dictionary=pd.read_parquet(io.BytesIO(files[DICTIONARY])),
        recipe=about["recipe"],
        snapshot_sha256=about["snapshot_sha256"],
        engineer_sha256=about["engineer_sha256"],
        engineer=unpickled(files[ENGINEER], manifest["packages"], where) if engineer else None,
    )


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def _counts(feature_set: FeatureSet) -> dict[str, float]:
    rows = feature_set.keys[SPLIT].value_counts()
    by_split = {f"rows_{name}": float(n) for name, n in rows.items()}
    return {
        "features": float(feature_set.features.shape[1]),
        "rows": float(len(feature_set.keys)),
        **by_split,
    }


def _row(run: Run) -> dict[str, object]:
    return {
        "version": run.data.tags[_VERSION],
        "created": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
        "features": int(run.data.metrics["features"]),
        "rows": int(run.data.metrics["rows"]),
        "snapshot_sha256": run.data.tags["snapshot_sha256"],
        "run_id": run.info.run_id,
    }


def _runs(tracking: Tracking, version: str | None = None) -> list[Run]:
    """Find the finished runs of feature sets, newest first; one that was cut off is not among them."""
    wanted = f"tags.{_VERSION} = '{version}'" if version else f"tags.{_VERSION} LIKE '%'"
    wanted = f"{wanted} AND tags.{_SHA} LIKE '%' AND attributes.status = 'FINISHED'"
    found: list[Run] = []
    token = None
    while True:
        page = tracking.client.search_runs(
            [tracking.experiment()], wanted, max_results=1000, order_by=["start_time DESC"], page_token=token
        )
        found, token = [*found, *page], page.token
        if not token:
            return found


def _find(tracking: Tracking, version: str | None) -> Run:
    if version is not None and not re.fullmatch(r"[0-9a-f]{6,64}", version):
        raise RegistryError(
            f"{version!r} is no version of a feature set: give its SHA-256 or the first six or more of its "
            "characters."
        )
    with tracking.guarded():
        runs = _runs(tracking)
    if not runs:
        raise RegistryError(f"No feature set of {tracking.name} is logged yet. Run notebook 1: it logs one.")
    if version is None:
        return runs[0]
    fits = [run for run in runs if run.data.tags[_VERSION].startswith(version)]
    if len({run.data.tags[_VERSION] for run in fits}) != 1:
        what = "There are several feature sets" if fits else f"{tracking.name} has no feature set"
        known = ", ".join(run.data.tags[_VERSION][:SHORT] for run in (fits or runs)[:5])
        raise RegistryError(f"{what} {version}. The newest: {known}.")
    return fits[0]
