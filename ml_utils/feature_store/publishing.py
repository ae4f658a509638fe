"""Publish a feature set: a local Feast repository, built aside and then put in the place of the old one."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ml_utils.data.schema import as_text
from ml_utils.errors import DataError, FeatureStoreError
from ml_utils.feature_store.definitions import ABOUT, TABLE, TIMELESS, describe, key_type, read_definitions
from ml_utils.features.feature_set import FeatureSet
from ml_utils.files import read_json, to_json, write_parquet, write_text
from ml_utils.wording import count

logger = logging.getLogger(__name__)

_SETTINGS = """\
project: {project}
provider: local
registry: registry.db
offline_store: {{type: file}}
online_store: {{type: sqlite, path: online_store.db}}
entity_key_serialization_version: 3
"""
_DEFINITIONS = '''\
"""Written with the features beside it; `feast apply` in this folder tells Feast the same again."""

from pathlib import Path

from ml_utils.feature_store import read_definitions

told = read_definitions(Path(__file__).parent)
entity, source, view, service = told.entity, told.source, told.view, told.service
'''


@dataclass(frozen=True)
class Published:
    """A feature set in a Feast repository.

    Parameters
    ----------
    folder : Path
        The repository: `feast.FeatureStore(repo_path=folder)`.
    project, view, service, entity : str
        Feast's names.
    version : str
        Of the feature set.
    features, rows, entities : int
        Features; rows in the offline store; entities in the online store, each with its latest row.
    new : bool
        False where this version stood there already.
    """

    folder: Path
    project: str
    view: str
    service: str
    entity: str
    version: str
    features: int
    rows: int
    entities: int
    new: bool

    def to_frame(self) -> pd.DataFrame:
        """Return what was published, a line each."""
        rows = {
            "repository": str(self.folder),
            "feature service": self.service,
            "features": f"{count(self.features)} by {self.entity}",
            "offline": f"{count(self.rows)} rows",
            "online": f"the latest row of {count(self.entities)} {self.entity}",
            "feature set": self.version,
        }
        return pd.DataFrame({"what": list(rows), "value": list(rows.values())})


def publish(feature_set: FeatureSet, folder: Path, project: str | None = None) -> Published:
    """Publish a feature set to a local Feast repository: Parquet offline, SQLite online.

    Parameters
    ----------
    feature_set : FeatureSet
        Every split's rows are published; a row is known from its time on, or since 2000-01-01 where the
        problem has no time.
    folder : Path
        The repository. Another version in it is replaced as a whole.
    project : str, optional
        Feast's project; by default the problem's name.

    Returns
    -------
    Published

    Raises
    ------
    FeatureStoreError
        If Feast is not installed here, or the folder holds something else.
    DataError
        If the feature set has no key, or names that Feast keeps for itself.
    """
    about = describe(feature_set, project or feature_set.name)
    table = _rows(feature_set, about["time"])
    new = _version_there(folder) != feature_set.version
    if new:
        _check_feast()
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        try:
            write_parquet(aside / TABLE, table)
            write_text(aside / ABOUT, to_json(about))
            write_text(aside / "feature_store.yaml", _SETTINGS.format(project=about["project"]))
            write_text(aside / "definitions.py", _DEFINITIONS)
            _tell_feast(aside, table[about["time"]])
            _swap(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    entity = about["entity"]["name"]
    return Published(
        folder=folder,
        project=about["project"],
        view=about["view"],
        service=f"{about['view']}_{feature_set.short}",
        entity=entity,
        version=feature_set.version,
        features=feature_set.features.shape[1],
        rows=len(table),
        entities=int(table[entity].nunique()),
        new=new,
    )


def _rows(feature_set: FeatureSet, time: str) -> pd.DataFrame:
    """Return the offline table: key, time in UTC, features."""
    assert feature_set.entity is not None  # describe() has said so
    key = feature_set.keys[feature_set.entity]
    if key.isna().any():
        raise DataError(
            f"{feature_set.entity} is empty in {count(key.isna().sum())} rows; Feast needs every key."
        )
    whole = key_type(key) == "INT64"
    columns = {feature_set.entity: key.astype("int64") if whole else as_text(key).astype(object)}
    if feature_set.time:
        columns[time] = pd.to_datetime(feature_set.keys[feature_set.time], utc=True).astype(
            "datetime64[us, UTC]"
        )
    else:
        columns[time] = pd.Series(TIMELESS, index=key.index).astype("datetime64[us, UTC]")
    return pd.concat([pd.DataFrame(columns), feature_set.features], axis=1)


def _tell_feast(folder: Path, times: pd.Series) -> None:
    """Fill registry and online store; each entity's latest row goes online."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(folder))
    told = read_definitions(folder)
    store.apply(told.to_list())
    second = pd.Timedelta(seconds=1)
    start, end = (times.min() - second).to_pydatetime(), (times.max() + second).to_pydatetime()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):  # progress bars
        store.materialize(start, end, [told.view.name])
    logger.info("Feast holds %s rows under %s", count(len(times)), folder)


def _version_there(folder: Path) -> str | None:
    if not folder.exists():
        return None
    if (folder / ABOUT).is_file() and (folder / "online_store.db").is_file():
        return str(read_json(folder / ABOUT)["version"])
    if (folder / ABOUT).is_file() or not any(folder.iterdir()):
        return None
    raise FeatureStoreError(f"{folder} holds something that was not published here. Name another folder.")


def _swap(aside: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        os.replace(folder, old)
    os.replace(aside, folder)
    shutil.rmtree(old, ignore_errors=True)


def _check_feast() -> None:
    os.environ.setdefault("FEAST_USAGE", "False")  # before its import: no telemetry
    try:
        import feast  # noqa: F401
    except ImportError as error:
        raise FeatureStoreError(
            f"Feast cannot be imported here ({error}). It needs an environment of its own, with pandas 2: "
            "python3 -m venv .venv-feast && .venv-feast/bin/pip install '.[feast]', "
            "then .venv-feast/bin/python -m ml_utils.feature_store publish"
        ) from error
