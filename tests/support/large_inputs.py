"""Inputs of many points, whether a result has each of their rows once and in order, and how often calls came."""

from __future__ import annotations

import csv
import math
import random
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from geopipe_gazetteer.gazetteer import DEGREES, default_places

Point = tuple[float, float]


def write_points_of_the_globe(path: Path, rows: int) -> None:
    """Write points spread evenly over the globe: the worst case for a search that benefits from near points."""
    source = random.Random(20)
    _write(path, ((math.degrees(math.asin(source.uniform(-1, 1))), source.uniform(-180, 180)) for _ in range(rows)))


def write_points_on_land(path: Path, rows: int) -> None:
    """Write points that are at most 0.1 degrees from some place, where there are many to choose from."""
    source, gazetteer = random.Random(20), default_places().gazetteer

    def points() -> Iterator[Point]:
        for _ in range(rows):
            place = source.randrange(len(gazetteer))
            latitude = gazetteer.latitudes[place] / DEGREES + source.uniform(-0.1, 0.1)
            longitude = gazetteer.longitudes[place] / DEGREES + source.uniform(-0.1, 0.1)
            yield max(-90.0, min(90.0, latitude)), (longitude + 180) % 360 - 180

    _write(path, points())


def _write(path: Path, points: Iterable[Point]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("Id,Longitude,Latitude\n")
        for number, (latitude, longitude) in enumerate(points):
            file.write(f"{number},{longitude:.6f},{latitude:.6f}\n")


def rows_with_results(points: Path, results: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a result.

    Raises:
        ValueError: they are not the rows of the input, each once and in order.
    """
    with points.open(newline="", encoding="utf-8") as given, results.open(newline="", encoding="utf-8") as found:
        for row, result in zip(csv.DictReader(given), csv.DictReader(found), strict=True):
            if any(result[name] != text for name, text in row.items()):
                raise ValueError(f"the result of {row} is {result}")
            yield result


def most_in_a_second(times: Iterable[float]) -> int:
    """Returns the largest number of events in any second, wherever that begins."""
    recent: deque[float] = deque()
    most = 0
    for moment in sorted(times):
        recent.append(moment)
        while recent[0] <= moment - 1:
            recent.popleft()
        most = max(most, len(recent))
    return most
