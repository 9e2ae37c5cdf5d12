"""The points of a result for the map: read from results.geojson line by line, thinned where there are very many."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The most points a page carries. Of more points, it carries every second, fourth, eighth, ...
MOST = 100_000

# The status of a row that was geocoded.
GOOD = "Valid Data"

_Point = tuple[float, float, str, str]  # longitude, latitude, status and label

_LONGEST_LABEL = 160
_LONGEST_STATUS = 80
# The most statuses that are shown apart: a column that only happens to be called status may have any number.
MOST_STATUSES = 12
OTHER = "(other)"
_FEATURE = b'{"type":"Feature",'


@dataclass
class Points:
    """Columns of equal length, degrees and text; `status` counts into `statuses`, the good one first."""

    longitude: list[float] = field(default_factory=list)
    latitude: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    rows: int = 0
    """All rows of the file, whether they are here or not."""
    every: int = 1
    """One row in so many is here."""
    nowhere: int = 0
    """How many of those rows have no point."""

    @property
    def counts(self) -> list[int]:
        """Returns the number of points of each status."""
        counts = [0] * len(self.statuses)
        for status in self.status:
            counts[status] += 1
        return counts


def read(path: Path, most: int = MOST) -> Points | None:
    """Returns the points in `path`, a GeoJSON file with a Feature on each line; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return _gather((line for line in file if line.startswith(_FEATURE)), most)
    except OSError:
        return None


def _gather(lines: Iterator[bytes], most: int) -> Points:
    """Returns every row until there are too many, then every second of them, and so on: one pass for any number."""
    kept: list[_Point | None] = []
    points = Points()
    for line in lines:
        if points.rows % points.every == 0:
            if len(kept) == most:
                del kept[1::2]
                points.every *= 2
            if points.rows % points.every == 0:
                kept.append(_feature(line))
        points.rows += 1
    _fill(points, kept)
    return points


def _feature(line: bytes) -> _Point | None:
    """Returns what the map needs of a feature; None where it has no point."""
    try:
        feature = json.loads(line.rstrip(b",\r\n"))
    except ValueError:
        return None
    if feature["geometry"] is None:
        return None
    longitude, latitude = feature["geometry"]["coordinates"][:2]
    properties = feature["properties"] or {}
    return (
        round(longitude, 5),
        round(latitude, 5),
        sys.intern(_named(properties, "status")[:_LONGEST_STATUS]),
        _label(properties),
    )


def _named(properties: Mapping[str, Any], last: str) -> str:
    """Returns the property of that name, alone or after a prefix as in `reverse_geo.label`."""
    values = (value for name, value in properties.items() if name.split(".")[-1].lower() == last)
    value = next(values, None)
    return "" if value is None else str(value)


def _label(properties: Mapping[str, Any]) -> str:
    """Returns the address; without one, the first properties that have a value."""
    values = [f"{name}: {value}" for name, value in properties.items() if value not in (None, "")]
    return (_named(properties, "label") or ", ".join(values[:3]))[:_LONGEST_LABEL]


def _fill(points: Points, kept: list[_Point | None]) -> None:
    placed = [point for point in kept if point]
    points.nowhere = len(kept) - len(placed)
    numbers = {GOOD: 0} if any(status == GOOD for _, _, status, _ in placed) else {}
    for longitude, latitude, status, label in placed:
        points.longitude.append(longitude)
        points.latitude.append(latitude)
        known = status in numbers or len(numbers) < MOST_STATUSES
        points.status.append(numbers.setdefault(status if known else OTHER, len(numbers)))
        points.label.append(label)
    points.statuses = list(numbers)
