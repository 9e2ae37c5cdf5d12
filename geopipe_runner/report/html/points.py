"""The points of a result for the map: read from results.geojson line by line, thinned where there are very many."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST = 100_000
"""So many points a page carries; of more it carries every second, fourth, eighth, ..."""

GOOD = "Valid Data"
"""The status of a row that was geocoded."""

_Point = tuple[float, float, str, str]
"""Longitude, latitude, status and label."""

_LONGEST_LABEL = 160
_LONGEST_STATUS = 80
MOST_STATUSES = 12
"""So many statuses are told apart; a column that only happens to be called status may have any number."""

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
    """All there are in the file, whether they are here or not."""
    every: int = 1
    """Each how manieth row is here."""
    nowhere: int = 0
    """How many of those have no point."""

    @property
    def counts(self) -> list[int]:
        """How many points there are of each status."""
        counts = [0] * len(self.statuses)
        for status in self.status:
            counts[status] += 1
        return counts


def read(path: Path, most: int = MOST) -> Points | None:
    """The points in `path`, a GeoJSON file with a Feature on each line; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return _gather((line for line in file if line.startswith(_FEATURE)), most)
    except OSError:
        return None


def _gather(lines: Iterator[bytes], most: int) -> Points:
    """Every row until there are too many, then every second of them and so on: one pass, whatever their number."""
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
    """Only what the map needs of a feature; None where it has no point."""
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
    """The property of that name, alone or after a prefix as in `reverse_geo.label`."""
    return next((str(value or "") for name, value in properties.items() if name.split(".")[-1].lower() == last), "")


def _label(properties: Mapping[str, Any]) -> str:
    """The address; without one, the first properties that say something."""
    told = (f"{name}: {value}" for name, value in properties.items() if value)
    return (_named(properties, "label") or ", ".join(list(told)[:3]))[:_LONGEST_LABEL]


def _fill(points: Points, kept: list[_Point | None]) -> None:
    there = [point for point in kept if point]
    points.nowhere = len(kept) - len(there)
    numbers = {GOOD: 0} if any(status == GOOD for _, _, status, _ in there) else {}
    for longitude, latitude, status, label in there:
        points.longitude.append(longitude)
        points.latitude.append(latitude)
        known = status in numbers or len(numbers) < MOST_STATUSES
        points.status.append(numbers.setdefault(status if known else OTHER, len(numbers)))
        points.label.append(label)
    points.statuses = list(numbers)
