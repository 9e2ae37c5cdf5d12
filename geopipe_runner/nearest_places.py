"""The nearest place to each point, from the bundled GeoNames gazetteer, as the provider `gazetteer` describes it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from geopipe_gazetteer.gazetteer import DEGREES, NearestPlaces, default_places

PLACE_COLUMNS = (
    "reverse_geo.country",
    "reverse_geo.label",
    "reverse_geo.municipality",
    "reverse_geo.region",
    "reverse_geo.status",
    "reverse_geo.distance_km",
)
_EARTH_DIAMETER_KM = 2 * 6371.0088


def describe_places(points: Iterable[tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Return the columns `PLACE_COLUMNS` of the nearest place to each (latitude, longitude) in degrees, in order.

    A point that is none has the reason as its status, and None in the other columns.
    """
    places = default_places()
    described: list[dict[str, Any]] = []
    usable: list[tuple[float, float]] = []
    for latitude, longitude in points:
        reason = _fault(latitude, "latitude", 90) or _fault(longitude, "longitude", 180)
        described.append({} if not reason else _columns(None, None, None, None, f"Invalid Data: {reason}", None))
        if not reason:
            usable.append((float(latitude), float(longitude)))
    found = iter(zip(usable, places.nearest_of_each(usable), strict=True))
    return [columns or _describe(places, *next(found)) for columns in described]


def _describe(places: NearestPlaces, point: tuple[float, float], index: int) -> dict[str, Any]:
    place = places.gazetteer.place(index)
    latitude, longitude = (math.radians(degrees) for degrees in point)
    place_latitude = math.radians(places.gazetteer.latitudes[index] / DEGREES)
    place_longitude = math.radians(places.gazetteer.longitudes[index] / DEGREES)
    # The haversine of the angle between the two.
    across = math.sin((longitude - place_longitude) / 2) ** 2 * math.cos(latitude) * math.cos(place_latitude)
    haversine = math.sin((latitude - place_latitude) / 2) ** 2 + across
    distance = _EARTH_DIAMETER_KM * math.asin(min(math.sqrt(haversine), 1.0))
    return _columns(place.country, place.label, place.name, place.region, "Valid Data", round(distance, 3))


def _columns(*values: Any) -> dict[str, Any]:
    return dict(zip(PLACE_COLUMNS, values, strict=True))


def _fault(value: Any, name: str, limit: float) -> str:
    """Return why a coordinate cannot be used; "" if it can."""
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        return f"{name} is not a number"
    if degrees != degrees:
        return f"{name} is not a number"
    return "" if -limit <= degrees <= limit else f"{name} is not between {-limit:g} and {limit:g}"
