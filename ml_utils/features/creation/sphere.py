"""Places on earth: distances between them, and the nearest of several; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np

EARTH_RADIUS = 6371.0088  # km, the mean radius R1 of the IUGG (Moritz 2000)


def haversine(
    latitude: np.ndarray, longitude: np.ndarray, other_latitude: Any, other_longitude: Any
) -> np.ndarray:
    """Return great-circle distances in km (Sinnott 1984).

    Parameters
    ----------
    latitude, longitude : ndarray of shape (n,)
        Degrees.
    other_latitude, other_longitude : float or ndarray of shape (n,)
        Degrees.

    Examples
    --------
    >>> round(float(haversine(52.5200, 13.4050, 48.8566, 2.3522)), 1)  # Berlin, Paris
    877.5
    """
    phi, other = np.radians(latitude), np.radians(other_latitude)
    turn = np.radians(other_longitude) - np.radians(longitude)
    half = np.sin((other - phi) / 2) ** 2 + np.cos(phi) * np.cos(other) * np.sin(turn / 2) ** 2
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1.0)))


def on_globe(latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates in degrees, both NaN where either is missing or off the globe."""
    off = ~((np.abs(latitude) <= 90) & (np.abs(longitude) <= 180))
    return np.where(off, np.nan, latitude), np.where(off, np.nan, longitude)


def on_sphere(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return x, y, z on the unit sphere, (n, 3)."""
    phi, turn = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(phi) * np.cos(turn), np.cos(phi) * np.sin(turn), np.sin(phi)])


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return each point's nearest centre, the first of equals.

    Without a matrix product, so that one row's sum is rounded as it is in a batch.
    """
    best, least = np.zeros(len(points), dtype=int), np.full(len(points), np.inf)
    for i, centre in enumerate(centres):
        gap = ((points - centre) ** 2).T
        distance = gap[0] + gap[1] + gap[2]
        nearer = distance < least
        best[nearer], least[nearer] = i, distance[nearer]
    return best
