"""Distances on earth: to named points, between two places of a row, and areas learnt from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation.base import Creator, numbers, unique_names
from ml_utils.features.creation.created import Created
from ml_utils.features.creation.sphere import haversine, on_globe, on_sphere
from ml_utils.features.creation.sphere import nearest as nearest_centre

SAMPLE = 50_000  # rows that areas are learnt from


class Distances(Creator):
    """Kilometres from a row's place to named points and to its other places, and the area that it lies in.

    Missing where a coordinate is missing, no number, or off the globe.

    Parameters
    ----------
    places : mapping of str to mapping
        Place to its columns and points, as in a problem file:
        `{"home": {"latitude": "lat", "longitude": "lon", "points": {"Berlin": [52.52, 13.40]}}}`.
    n_clusters : int
        Areas to learn of each place by k-means on the sphere, from 50,000 rows at most; 0 for none. They are
        numbered by size, the largest is area 1.
    between : bool
        Also the distance between each two places of a row.
    seed : int

    Attributes
    ----------
    centres_ : dict of str to ndarray of shape (n_clusters, 3)
        Each area's centre, x, y, z of the unit sphere.
    """

    def __init__(
        self,
        places: Mapping[str, Mapping[str, Any]],
        n_clusters: int = 0,
        between: bool = True,
        seed: int = 42,
    ) -> None:
        self.places = places
        self.n_clusters = n_clusters
        self.between = between
        self.seed = seed

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if self.n_clusters < 0 or self.n_clusters == 1:
            raise ParameterError(f"n_clusters is {self.n_clusters}; it must be 0 (no areas), or 2 or more.")
        self.columns_ = {name: _columns_of(name, place) for name, place in self.places.items()}
        self.points_ = {name: _points_of(name, place) for name, place in self.places.items()}
        self.pairs_ = list(combinations(self.columns_, 2)) if self.between else []
        self.centres_: dict[str, np.ndarray] = {}
        for name, columns in self.columns_.items():
            for column in columns:
                self._training_numbers(table, column)
            latitude, longitude = _coordinates(table, columns)
            if np.isnan(latitude).all():
                raise DataError(
                    f"No row of {columns[0]!r} and {columns[1]!r} is a place on earth: latitudes go from "
                    "-90 to 90, longitudes from -180 to 180 degrees. Are they the right way round?"
                )
            if self.n_clusters:
                self.centres_[name] = self._areas(name, latitude, longitude)
        described = self._describe()
        names = unique_names([new.name for new in described], table.columns)
        self.created_ = [
            Created(name, new.sources, new.kind, new.meaning, new.formula)
            for name, new in zip(names, described, strict=True)
        ]

    def _describe(self) -> list[Created]:
        found = []
        for name, columns in self.columns_.items():
            for point, (latitude, longitude) in self.points_[name].items():
                formula = f"great circle from ({', '.join(columns)}) to ({latitude:g}, {longitude:g})"
                meaning = f"kilometres from {name} to {point}"
                found.append(Created(f"{name}_km_to_{point}", columns, "distance", meaning, formula))
        for one, other in self.pairs_:
            columns, others = self.columns_[one], self.columns_[other]
            formula = f"great circle from ({', '.join(columns)}) to ({', '.join(others)})"
            meaning = f"kilometres between {one} and {other}"
            sources = tuple(dict.fromkeys([*columns, *others]))
            found.append(Created(f"{one}_km_to_{other}", sources, "distance", meaning, formula))
        for name, centres in self.centres_.items():
            meaning = f"which of {len(centres)} areas {name} lies in, area 1 the largest"
            middles = "; ".join(f"{a:.2f}, {b:.2f}" for a, b in _degrees(centres))
            formula = f"the nearest of the areas' centres: {middles}"
            found.append(Created(f"{name}_area", self.columns_[name], "area", meaning, formula))
        return found

    def _areas(self, name: str, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        from sklearn.cluster import KMeans

        known = np.flatnonzero(~np.isnan(latitude))
        if len(known) > SAMPLE:
            known = np.sort(np.random.default_rng(self.seed).choice(known, SAMPLE, replace=False))
        points = on_sphere(latitude[known], longitude[known])
        distinct = len(np.unique(points, axis=0))
        if distinct < self.n_clusters:
            raise DataError(
                f"{name!r} has {distinct} different places, fewer than the {self.n_clusters} areas asked "
                f"for. Set n_clusters to {distinct} or fewer."
            )
        model = KMeans(self.n_clusters, n_init=4, random_state=self.seed).fit(points)
        centres = model.cluster_centers_ / np.linalg.norm(model.cluster_centers_, axis=1, keepdims=True)
        sizes = np.bincount(nearest_centre(points, centres), minlength=self.n_clusters)
        return centres[np.argsort(-sizes, kind="stable")]

    def _create(self, table: pd.DataFrame) -> list[Any]:
        where = {name: _coordinates(table, columns) for name, columns in self.columns_.items()}
        found: list[Any] = []
        for name, points in self.points_.items():
            found += [haversine(*where[name], *point) for point in points.values()]
        found += [haversine(*where[one], *where[other]) for one, other in self.pairs_]
        for name, centres in self.centres_.items():
            latitude, longitude = where[name]
            nearest = nearest_centre(on_sphere(latitude, longitude), centres)
            labels = pd.array([*(f"area {i + 1}" for i in range(len(centres))), None], dtype="str")
            found.append(labels[np.where(np.isnan(latitude), len(centres), nearest)])
        return found


def _columns_of(name: str, place: Mapping[str, Any]) -> tuple[str, str]:
    for key in place:
        if key not in ("latitude", "longitude", "points"):
            raise ParameterError(f"places.{name} holds {key!r}. Known: latitude, longitude, points.")
    if not {"latitude", "longitude"} <= set(place):
        raise ParameterError(f"places.{name} needs `latitude` and `longitude`, the columns in degrees.")
    return place["latitude"], place["longitude"]


def _points_of(name: str, place: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    points: dict[str, tuple[float, float]] = {}
    for point, coordinates in (place.get("points") or {}).items():
        try:
            latitude, longitude = (float(value) for value in coordinates)
        except (TypeError, ValueError):
            latitude = longitude = float("nan")
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise ParameterError(
                f"places.{name}.points.{point} is {coordinates!r}; it must be [latitude, longitude] in "
                "degrees, like [52.52, 13.40]."
            )
        points[point] = (latitude, longitude)
    return points


def _coordinates(table: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return on_globe(numbers(table[columns[0]]), numbers(table[columns[1]]))


def _degrees(centres: np.ndarray) -> list[tuple[float, float]]:
    x, y, z = centres.T
    return list(zip(np.degrees(np.arcsin(z)), np.degrees(np.arctan2(y, x)), strict=True))
