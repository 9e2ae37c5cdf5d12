"""Positions and sites: what a usable position is, and which site is nearest to it. Nothing here calls AWS."""

import csv
import math
from pathlib import Path

LONGITUDE, LATITUDE = "longitude", "latitude"
EARTH_RADIUS_KM = 6371.0088


def check_columns(rows):
    """ValueError where the input lacks rows, or a column that is needed."""
    if not rows:
        raise ValueError("the input has no rows")
    for needed in (LONGITUDE, LATITUDE):
        if needed not in rows[0]:
            raise ValueError(f"the input has no column {needed!r}; it has {', '.join(map(str, rows[0]))}")


def position(row):
    """Longitude and latitude in degrees; None where they are missing, no numbers, or out of range."""
    try:
        longitude, latitude = float(row[LONGITUDE]), float(row[LATITUDE])
    except (TypeError, ValueError):
        return None
    return (longitude, latitude) if abs(longitude) <= 180 and abs(latitude) <= 90 else None


def read_sites():
    """The sites in sites.csv beside this file: name and position."""
    with (Path(__file__).parent / "sites.csv").open(encoding="utf-8", newline="") as file:
        return [(row["site"], position(row)) for row in csv.DictReader(file)]


def nearest(place, sites):
    """Name of the site nearest to `place`, and the way there in km along a great circle."""
    return min(((name, distance_km(place, site)) for name, site in sites), key=lambda found: found[1])


def distance_km(one, other):
    """By the haversine formula, which is exact enough at any distance, short ones included."""
    (longitude, latitude), (other_longitude, other_latitude) = ([math.radians(x) for x in p] for p in (one, other))
    north = math.sin((other_latitude - latitude) / 2) ** 2
    east = math.sin((other_longitude - longitude) / 2) ** 2
    chord = north + math.cos(latitude) * math.cos(other_latitude) * east
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))
