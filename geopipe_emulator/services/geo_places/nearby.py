"""The places near a point, nearest first, with their distances."""

from __future__ import annotations

import functools
import heapq
import math

from geopipe_gazetteer.gazetteer import DEGREES, NearestPlaces, Vector, unit_vector

EARTH_RADIUS = 6_371_008.8
"""Meters: the mean radius."""


def places_near(
    places: NearestPlaces, latitude: float, longitude: float, count: int, radius: float = math.inf
) -> list[tuple[int, float]]:
    """Returns up to `count` places within `radius` meters: index and distance in meters, nearest first."""
    here = unit_vector(latitude, longitude)
    if count == 1:
        indices = [places.nearest(latitude, longitude)]
    else:
        x, y, z = here
        closeness = [px * x + py * y + pz * z for px, py, pz in _vectors(places)]
        # Of places equally near, the one with the lowest index comes first, as in the search for the nearest.
        indices = heapq.nsmallest(count, range(len(closeness)), key=lambda index: (-closeness[index], index))
    distances = [(index, distance(here, _vector(places, index))) for index in indices]
    return [(index, meters) for index, meters in distances if meters <= radius]


def distance(one: Vector, other: Vector) -> float:
    """Returns the great-circle distance of two points of the unit sphere, in meters on Earth."""
    chord = math.dist(one, other)
    return 2.0 * EARTH_RADIUS * math.asin(min(1.0, chord / 2.0))


@functools.lru_cache(maxsize=1)
def _vectors(places: NearestPlaces) -> list[Vector]:
    return [_vector(places, index) for index in range(len(places.gazetteer))]


def _vector(places: NearestPlaces, index: int) -> Vector:
    gazetteer = places.gazetteer
    return unit_vector(gazetteer.latitudes[index] / DEGREES, gazetteer.longitudes[index] / DEGREES)
