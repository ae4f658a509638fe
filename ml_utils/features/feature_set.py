"""A feature set: the features of a table's rows, what they mean and what made them, under one version.

The version is a hash of the content, so it needs nobody to number it: the same table, options and fitted
state give the same version anywhere, and whatever differs gives another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.content_hash import hash_fitted, hash_plain, hash_table
from ml_utils.wording import count, listing

if TYPE_CHECKING:
    from ml_utils.features.engineer import FeatureEngineer
    from ml_utils.problem import Problem

SPLIT = "split"
SHORT = 12  # characters of a version that people read


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features of a table's rows under the hash of their content.

    Made by `build_feature_set`, or read back by `Registry.load_feature_set`.

    Parameters
    ----------
    name : str
        The problem's name.
    entity, time : str or None
        The columns of `keys` that say whose row it is, and when its features were known.
    keys : DataFrame of shape (n_rows, 1 to 3)
        Entity and time of each row where the problem has them, and the `split` that it belongs to.
    features : DataFrame of shape (n_rows, n_features)
        Row by row beside `keys`.
    dictionary : DataFrame
        A row a feature: name, meaning, formula, source.
    recipe : mapping
        The options of the engineer: `FeatureEngineer(**recipe)` is it before it was fitted.
    snapshot_sha256 : str
        Hash of the snapshot that the rows came from.
    engineer_sha256 : str
        Hash of what the engineer learnt.
    engineer : FeatureEngineer or None
        Fitted; None where only the table was read.
    """

    name: str
    entity: str | None
    time: str | None
    keys: pd.DataFrame = field(repr=False)
    features: pd.DataFrame = field(repr=False)
    dictionary: pd.DataFrame = field(repr=False)
    recipe: Mapping[str, Any] = field(repr=False)
    snapshot_sha256: str
    engineer_sha256: str = field(repr=False)
    engineer: FeatureEngineer | None = field(default=None, repr=False)

    @cached_property
    def version(self) -> str:
        """SHA-256 of keys, features, dictionary, recipe and what the engineer learnt, in hexadecimal.

        Neither the problem's name nor the snapshot's hash counts: they say where the content came from.
        """
        parts = {
            "entity": self.entity,
            "time": self.time,
            "keys": hash_table(self.keys),
            "features": hash_table(self.features),
            "dictionary": hash_table(self.dictionary),
            "recipe": hash_plain(self.recipe),
            "engineer": self.engineer_sha256,
        }
        return hash_plain(parts)

    @property
    def short(self) -> str:
        """The first characters of the version, for people."""
        return self.version[:SHORT]

    def rows(self, split: str) -> pd.DataFrame:
        """Return keys and features of one split.

        Raises
        ------
        DataError
            If the feature set has no such split.
        """
        known = self.keys[SPLIT].drop_duplicates().tolist()
        if split not in known:
            raise DataError(f"The feature set has no split {split!r}; it has {listing(known)}.")
        mine = (self.keys[SPLIT] == split).to_numpy()
        keys = self.keys.loc[mine].drop(columns=SPLIT)
        return pd.concat([keys, self.features.loc[mine]], axis=1).reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Return what the feature set is, a line each."""
        splits = self.keys[SPLIT].value_counts(sort=False)
        rows = {
            "version": self.version,
            "features": count(self.features.shape[1]),
            "rows": ", ".join(f"{name} {count(n)}" for name, n in splits.items()),
            "snapshot": self.snapshot_sha256,
            "fitted state": self.engineer_sha256,
        }
        return pd.DataFrame({"what": list(rows), "value": list(rows.values())})

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False, header=False, border=0)


def build_feature_set(
    engineer: FeatureEngineer,
    splits: Mapping[str, pd.DataFrame],
    problem: Problem,
    snapshot_sha256: str,
    features: Mapping[str, pd.DataFrame] | None = None,
) -> FeatureSet:
    """Put a fitted engineer and the features that it makes under one version.

    Parameters
    ----------
    engineer : FeatureEngineer
        Fitted on the training rows.
    splits : mapping of str to DataFrame
        Raw rows by split, with the problem's id and time.
    problem : Problem
    snapshot_sha256 : str
        Hash of the snapshot that the splits came from.
    features : mapping of str to DataFrame, optional
        Features that were made already, by split. Pass what `fit_transform` gave for the training rows:
        target encodings are cross-fitted there, and `transform` cannot make them again. Splits that are not
        named are transformed.

    Returns
    -------
    FeatureSet

    Raises
    ------
    DataError
        If there is no split, or features were passed that do not fit their rows or the engineer.
    ParameterError
        If an option of the engineer is not a plain value, which a recipe is made of.
    """
    from ml_utils.data.schema import features_and_target

    if not splits:
        raise DataError("A feature set needs rows: pass at least one split.")
    given = dict(features or {})
    tables, keys = [], []
    for name, rows in splits.items():
        table = given.pop(name, None)
        if table is None:
            table = engineer.transform(features_and_target(rows, problem)[0])
        tables.append(_fitting(name, table, len(rows), list(engineer.get_feature_names_out())))
        keys.append(_keys(name, rows, problem))
    if given:
        raise DataError(f"Features were passed for {listing(list(given))}, without the rows they belong to.")
    return FeatureSet(
        name=problem.name,
        entity=problem.id,
        time=problem.time,
        keys=pd.concat(keys, ignore_index=True),
        features=pd.concat(tables, ignore_index=True),
        dictionary=engineer.dictionary_.reset_index(drop=True),
        recipe=_recipe(engineer),
        snapshot_sha256=snapshot_sha256,
        engineer_sha256=hash_fitted(engineer),
        engineer=engineer,
    )


def _recipe(engineer: FeatureEngineer) -> dict[str, Any]:
    """Return the options as they come back from JSON, so that a recipe is the same before and after."""
    try:
        recipe: dict[str, Any] = json.loads(json.dumps(engineer.get_params(deep=False)))
    except TypeError as error:
        raise ParameterError(
            f"The engineer's options cannot be written as JSON: {error}. Give it plain values: text, "
            "numbers, lists and mappings of them."
        ) from error
    return recipe


def _keys(split: str, rows: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    named = [column for column in (problem.id, problem.time) if column]
    if SPLIT in named:
        raise DataError(f"The column {SPLIT!r} is the table's key; a feature set calls its own column so.")
    return (
        rows[named].reset_index(drop=True).assign(**{SPLIT: pd.Series(split, range(len(rows)), dtype="str")})
    )


def _fitting(split: str, table: pd.DataFrame, rows: int, names: list[str]) -> pd.DataFrame:
    if len(table) != rows:
        raise DataError(f"The features of {split} have {count(len(table))} rows, its table {count(rows)}.")
    if list(table.columns) != names:
        raise DataError(
            f"The features of {split} are not those of the engineer ({len(names)}, from {names[0]} to "
            f"{names[-1]}); pass what its fit_transform or transform gave."
        )
    return table
