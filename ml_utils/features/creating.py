"""Which columns FeatureEngineer creates, from its options: out of raw columns, then out of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ml_utils.features.creation import (
    Bins,
    Created,
    Differences,
    Distances,
    Formulas,
    GroupStatistics,
    Interactions,
    Ratios,
    Splines,
)
from ml_utils.features.creation.base import Creator
from ml_utils.features.options import Options


def column_creators(options: Options) -> list[Creator]:
    """Return what makes new columns out of raw ones; each may use what those before it made."""
    made: list[Creator] = []
    if options.formulas:
        made.append(Formulas(dict(options.formulas)))
    if options.places:
        made.append(Distances(dict(options.places), n_clusters=options.n_areas, seed=options.seed))
    if options.ratios:
        made.append(Ratios(list(options.ratios)))
    if options.differences:
        made.append(Differences(list(options.differences)))
    if options.group_statistics:
        by = {name: list(members) for name, members in options.group_statistics.items()}
        made.append(GroupStatistics(by, tuple(options.statistics)))
    if options.bins:
        edges = options.bins if isinstance(options.bins, Mapping) else None
        names: Sequence[str] = [] if edges is not None else list(options.bins)
        made.append(Bins(names, options.n_bins, options.bin_strategy, edges, options.seed))
    return made


def feature_creators(options: Options) -> list[Creator]:
    """Return what makes new features out of complete ones."""
    made: list[Creator] = []
    if options.splines:
        made.append(Splines(list(options.splines), options.n_knots))
    wanted = options.interactions
    if wanted:
        by_rank = isinstance(wanted, int)
        made.append(
            Interactions(
                None if by_rank else list(wanted),  # type: ignore[arg-type]
                top=wanted if by_rank else 10,  # type: ignore[arg-type]
                degree=options.degree,
                seed=options.seed,
            )
        )
    return made


def learn_columns(creators: Sequence[Creator], table: pd.DataFrame, y: Any) -> pd.DataFrame:
    """Fit creators of columns in turn; return the table with the new columns after its own."""
    for creator in creators:
        table = pd.concat([table, creator.fit(table, y).transform(table)], axis=1)
    return table


def with_columns(creators: Sequence[Creator], table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the new columns of fitted creators after its own."""
    for creator in creators:
        table = pd.concat([table, creator.transform(table)], axis=1)
    return table


def created_by(creators: Sequence[Creator]) -> list[Created]:
    """Return what fitted creators made, in order."""
    return [new for creator in creators for new in creator.created_]
