"""The nearest depot of each delivery, and the distance to it in kilometers."""

from math import acos, cos, radians, sin

DEPOTS = {"Lisbon": (38.72, -9.14), "Berlin": (52.52, 13.40), "Chicago": (41.88, -87.63), "Singapore": (1.35, 103.82)}


def transform(rows):
    return [nearest(row) for row in rows]


def nearest(row):
    try:
        latitude, longitude = float(row["latitude"]), float(row["longitude"])
    except ValueError:
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    km, depot = min((kilometers(latitude, longitude, *place), name) for name, place in DEPOTS.items())
    return {"depot": depot, "depot_km": f"{km:.1f}"}


def kilometers(latitude, longitude, other_latitude, other_longitude):
    one, other, turn = radians(latitude), radians(other_latitude), radians(longitude - other_longitude)
    return 6371.0 * acos(min(1.0, sin(one) * sin(other) + cos(one) * cos(other) * cos(turn)))
