"""Provider `gazetteer`: the nearest place to each point, from the places of GeoNames that are in the zip.

The nearest place need not be the one whose area has the point. The distance says how far away it is.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from address_columns import ADDRESS_COLUMNS, address_text, invalid_text
from geopipe_gazetteer.gazetteer import DEGREES, NearestPlaces, default_places
from part_rows import Point
from providers import WorkContext

READS: Literal["points", "tables"] = "points"
_EARTH_DIAMETER_KM = 2 * 6371.0088
ROWS_AT_A_TIME = 5_000
# The columns of each place, made when it is first needed and kept for the parts to come. All of them take about 25 MB.
_texts: list[str] = []


def columns(settings: Mapping[str, Any]) -> Sequence[str]:
    return (*ADDRESS_COLUMNS, "reverse_geo.distance_km")


def largest_part(settings: Mapping[str, Any], rows: int) -> int:
    return 0


def invalid(reason: str, settings: Mapping[str, Any]) -> str:
    return invalid_text(reason) + ","


def process(rows: Sequence[Point], work: WorkContext) -> Sequence[str]:
    """Returns the columns of each point: those of its place, and the distance along a great circle (haversine)."""
    places = default_places()
    if not _texts:
        _texts.extend([""] * len(places.gazetteer))
    latitudes, longitudes = places.gazetteer.latitudes, places.gazetteer.longitudes
    radians, sin, cos, sqrt, asin = math.radians, math.sin, math.cos, math.sqrt, math.asin
    results = []
    for (latitude, longitude), index in zip(rows, places.nearest_of_each(rows), strict=True):
        text = _texts[index] or _make_text(places, index)
        phi, place_phi = radians(latitude), radians(latitudes[index] / DEGREES)
        across = sin(radians(longitude - longitudes[index] / DEGREES) / 2)
        along = sin((phi - place_phi) / 2)
        square = along * along + cos(phi) * cos(place_phi) * across * across
        results.append(f"{text},{_EARTH_DIAMETER_KM * asin(min(sqrt(square), 1.0)):.3f}")
    return results


def _make_text(places: NearestPlaces, index: int) -> str:
    place = places.gazetteer.place(index)
    address = {"country": place.country, "label": place.label, "municipality": place.name, "region": place.region}
    _texts[index] = address_text(address)
    return _texts[index]
