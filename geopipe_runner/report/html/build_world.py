"""Builds `world.json`, the countries on the report's map, from the data in an npm package. It is run by hand only.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python -m geopipe_runner.report.html.build_world package

Only data is read: Natural Earth's countries at 1:50m (public domain), as TopoJSON. The same source gives the same
bytes. Degrees throughout; a point is (longitude, latitude).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

# Degrees that a border may be moved: less than a pixel on a map of the world.
TOLERANCE = 0.04
# Square degrees. Smaller islands are left out, except the largest part of each country.
SMALLEST = 0.005
SOURCE_FILE = "countries-50m.json"
OUTPUT = Path(__file__).with_name("world.json")
ABOUT = (
    "Countries of the world, from Natural Earth 1:50m (version 4.1, public domain, by way of world-atlas 2.0.2), "
    "simplified to 0.04 degrees. A polygon is a list of rings, a ring is longitude and latitude in hundredths of a "
    "degree, each pair as the difference from the one before."
)

Point = tuple[float, float]
Ring = list[Point]


def main() -> None:
    """Read the package's folder, and write `world.json` next to this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="the folder of the unpacked package")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    atlas = json.loads((options.package / SOURCE_FILE).read_text("utf-8"))
    notice = " ".join((options.package / "LICENSE").read_text("utf-8").split())
    document = {"about": ABOUT, "notice": notice, "polygons": list(_world(atlas))}
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    text = text.replace('"polygons":[', '"polygons":[\n').replace("]],[[", "]],\n[[")  # a polygon a line
    options.output.write_text(text + "\n", "utf-8")


def _world(atlas: Mapping[str, Any]) -> Iterator[list[list[int]]]:
    arcs = [_simplified(arc) for arc in _arcs(atlas)]
    for country in atlas["objects"]["countries"]["geometries"]:
        for polygon in _worth_drawing(_polygons(country, arcs)):
            yield from _drawn([_unwrapped(ring) for ring in polygon])


def _arcs(atlas: Mapping[str, Any]) -> Iterator[Ring]:
    """Yields TopoJSON's arcs, which are whole numbers, each the difference from the one before."""
    (scale_x, scale_y), (origin_x, origin_y) = atlas["transform"]["scale"], atlas["transform"]["translate"]
    for arc in atlas["arcs"]:
        x = y = 0
        ring: Ring = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            ring.append((x * scale_x + origin_x, y * scale_y + origin_y))
        yield ring


def _simplified(line: Ring) -> Ring:
    """Returns a line with fewer points: those left out are within the tolerance (Ramer, Douglas and Peucker)."""
    if len(line) < 3:
        return line
    last = len(line) - 1
    halves = [(0, last)]
    if line[0] == line[-1]:  # closed: from its beginning to the point farthest from there, and back
        far = max(range(len(line)), key=lambda n: _square_distance(line[n], line[0]))
        halves = [(0, far), (far, last)]
    kept = {n for half in halves for n in half}
    while halves:
        first, end = halves.pop()
        distances = ((_off(line[n], line[first], line[end]), -n) for n in range(first + 1, end))
        distance, number = max(distances, default=(0.0, 0))
        if distance > TOLERANCE:
            kept.add(-number)
            halves += [(first, -number), (-number, end)]
    return [line[n] for n in sorted(kept)]


def _square_distance(a: Point, b: Point) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def _off(point: Point, a: Point, b: Point) -> float:
    """Returns the distance of `point` from the straight line through a and b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    return abs(dx * (a[1] - point[1]) - (a[0] - point[0]) * dy) / length if length else 0.0


def _polygons(country: Mapping[str, Any], arcs: Sequence[Ring]) -> list[list[Ring]]:
    """Returns rings joined from arcs, without those that have shrunk to a line."""
    numbered: list[list[list[int]]] = [country["arcs"]] if country["type"] == "Polygon" else country.get("arcs", [])
    joined = [[_joined(numbers, arcs) for numbers in polygon] for polygon in numbered]
    rings = [[ring for ring in polygon if len({round(y, 1) for _, y in ring}) > 1] for polygon in joined]
    return [polygon for polygon in rings if polygon]


def _joined(numbers: Sequence[int], arcs: Sequence[Ring]) -> Ring:
    """Returns arcs as one ring. A number n below 0 means arc -n - 1, backwards. Adjacent arcs share a point."""
    ring: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += arc[1:] if ring else arc
    return ring


def _worth_drawing(polygons: list[list[Ring]]) -> list[list[Ring]]:
    large = [polygon for polygon in polygons if _area(polygon[0]) >= SMALLEST or _goes_round(_unwrapped(polygon[0]))]
    return large or ([max(polygons, key=lambda polygon: _area(polygon[0]))] if polygons else [])


def _area(ring: Ring) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))) / 2


def _unwrapped(ring: Ring) -> Ring:
    """Returns a ring without jumps at the date line: longitudes continue beyond 180 degrees."""
    unwrapped, turn = [ring[0]], 0
    for before, point in pairwise(ring):
        step = point[0] - before[0]
        turn += -360 if step > 180 else 360 if step < -180 else 0
        unwrapped.append((point[0] + turn, point[1]))
    return unwrapped


def _goes_round(ring: Ring) -> bool:
    return abs(ring[0][0] - ring[-1][0]) > 180


def _drawn(rings: list[Ring]) -> Iterator[list[list[int]]]:
    """Yields a polygon, and a second copy on the other side of the map if it crosses the date line."""
    outer = rings[0]
    if _goes_round(outer):  # Antarctica: closed along the pole
        outer = [*outer, (outer[-1][0], -90.0), (outer[0][0], -90.0), outer[0]]
    longitudes = [longitude for longitude, _ in outer]
    shifts = [0, *([-360] if max(longitudes) > 180.001 else []), *([360] if min(longitudes) < -180.001 else [])]
    for shift in shifts:
        polygon = [packed for ring in (outer, *rings[1:]) if (packed := _packed(ring, shift))]
        if polygon:
            yield polygon


def _packed(ring: Ring, shift: int) -> list[int]:
    """Returns hundredths of a degree, each pair as the difference from the one before; nothing for no area."""
    points = [(round((x + shift) * 100), round(y * 100)) for x, y in ring]
    different = [point for n, point in enumerate(points) if n == 0 or point != points[n - 1]][:-1]
    if len(different) < 3:
        return []
    before = [(0, 0), *different]
    return [part for a, b in zip(before, different, strict=False) for part in (b[0] - a[0], b[1] - a[1])]


if __name__ == "__main__":
    main()
