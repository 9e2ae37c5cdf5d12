"""Positions and sites: what a usable position is, and which site is nearest to it. Calls nothing on AWS."""

import csv
import math
from pathlib import Path

LONGITUDE, LATITUDE = "longitude", "latitude"
EARTH_RADIUS_KM = 6371.0088


def check_columns(rows):
    """Raise ValueError if the input has no rows, or lacks a column."""
    if not rows:
        raise ValueError("the input has no rows")
    for needed in (LONGITUDE, LATITUDE):
        if needed not in rows[0]:
            raise ValueError(f"the input has no column {needed!r}; it has {', '.join(map(str, rows[0]))}")


def position(row):
    """Returns longitude and latitude in degrees; None if they are missing, no numbers, or out of range."""
    try:
        longitude, latitude = float(row[LONGITUDE]), float(row[LATITUDE])
    except (TypeError, ValueError):
        return None
    return (longitude, latitude) if abs(longitude) <= 180 and abs(latitude) <= 90 else None


def read_sites():
    """Returns name and position of the sites in sites.csv, in this folder."""
    with (Path(__file__).parent / "sites.csv").open(encoding="utf-8", newline="") as file:
        return [(row["site"], position(row)) for row in csv.DictReader(file)]


def nearest(place, sites):
    """Returns the name of the site nearest to `place`, and its distance in km along a great circle."""
    return min(((name, distance_km(place, site)) for name, site in sites), key=lambda pair: pair[1])


def distance_km(one, other):
    """Returns the great-circle distance by the haversine formula, which is exact at short distances too."""
    (longitude, latitude), (other_longitude, other_latitude) = ([math.radians(x) for x in p] for p in (one, other))
    north = math.sin((other_latitude - latitude) / 2) ** 2
    east = math.sin((other_longitude - longitude) / 2) ** 2
    chord = north + math.cos(latitude) * math.cos(other_latitude) * east
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))
