"""What Feast is told of a feature set: entity, source, view and service, from the files of its repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils.errors import DataError
from ml_utils.features.feature_set import FeatureSet
from ml_utils.files import read_json
from ml_utils.wording import listing

if TYPE_CHECKING:
    from feast import Entity, FeatureService, FeatureView, FileSource

TABLE, ABOUT = "features.parquet", "feature_set.json"
TIME = "event_timestamp"  # Feast's own name for it; that of the column where the problem has no time
TIMELESS = pd.Timestamp("2000-01-01", tz="UTC")  # since when a table without time is known


@dataclass(frozen=True)
class Definitions:
    """The objects that Feast's registry holds for a feature set."""

    entity: Entity
    source: FileSource
    view: FeatureView
    service: FeatureService

    def to_list(self) -> list[Any]:
        """Return them in the order in which Feast can be told of them."""
        return [self.entity, self.source, self.view, self.service]


def describe(feature_set: FeatureSet, project: str) -> dict[str, Any]:
    """Say in plain values what Feast is to be told; `read_definitions` makes its objects from it.

    Raises
    ------
    DataError
        If the problem has no id, or a feature has a name that Feast keeps for itself.
    """
    name = feature_set.name
    if feature_set.entity is None:
        raise DataError(
            f"{name} has no `id`, and Feast looks features up by one. Name the column in the problem file."
        )
    time = feature_set.time or TIME
    kept = {feature_set.entity, time, TIME} & set(feature_set.features.columns)
    if kept:
        raise DataError(
            f"Feast keeps the name {listing(sorted(kept))} for the key or the time of a row, and "
            "a feature has it. Rename the column."
        )
    dictionary = feature_set.dictionary.set_index("feature").to_dict(orient="index")
    fields = [
        {
            "name": feature,
            "type": _feature_type(feature_set.features[feature]),
            "description": f"{dictionary[feature]['meaning']} ({dictionary[feature]['formula']})",
            "tags": {tag: str(dictionary[feature][tag]) for tag in ("source", "kind")},
        }
        for feature in feature_set.features.columns
    ]
    return {
        "project": feast_name(project),
        "view": feast_name(name),
        "entity": {"name": feature_set.entity, "type": key_type(feature_set.keys[feature_set.entity])},
        "time": time,
        "has_time": feature_set.time is not None,
        "version": feature_set.version,
        "snapshot_sha256": feature_set.snapshot_sha256,
        "features": fields,
    }


def read_definitions(folder: Path) -> Definitions:
    """Make Feast's objects from what `publish` wrote into a repository."""
    from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
    from feast import types as feast_types

    about = read_json(folder / ABOUT)
    tags = {"feature_set": about["version"], "snapshot": about["snapshot_sha256"]}
    entity = Entity(
        name=about["entity"]["name"],
        join_keys=[about["entity"]["name"]],
        value_type=ValueType[about["entity"]["type"]],
    )
    source = FileSource(name=f"{about['view']}_rows", path=TABLE, timestamp_field=about["time"])
    schema = [
        Field(
            name=item["name"],
            dtype=getattr(feast_types, item["type"]),
            description=item["description"],
            tags=item["tags"],
        )
        for item in about["features"]
    ]
    view = FeatureView(
        name=about["view"],
        entities=[entity],
        ttl=timedelta(0),  # the last known row counts, however old
        schema=schema,
        source=source,
        online=True,
        tags=tags,
        description=f"Features of {about['view']}, feature set {about['version']}",
    )
    service = FeatureService(name=f"{about['view']}_{about['version'][:12]}", features=[view], tags=tags)
    return Definitions(entity, source, view, service)


def feast_name(name: str) -> str:
    """Bring a name into Feast's alphabet: letters, digits and underscores.

    >>> feast_name("churn-quick")
    'churn_quick'
    """
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def key_type(keys: pd.Series) -> str:
    """Return Feast's type for a key: whole numbers as they are, everything else as text."""
    return "INT64" if pd.api.types.is_integer_dtype(keys) else "STRING"


def _feature_type(feature: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(feature):
        return "Bool"
    return "Int64" if pd.api.types.is_integer_dtype(feature) else "Float64"
