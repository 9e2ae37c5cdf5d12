"""The nearest place of the world to a point: exact by great circle, with the standard library alone.

`gazetteer.bin` has the places (GeoNames, CC BY 4.0). `cells.bin` cuts the world into cells so small that only a few
places can be the nearest one anywhere inside, so a query is a table lookup and a comparison of those few. The module
stands alone: a Lambda function can carry it with the two files next to it.

Layout of `gazetteer.bin`, little-endian and without padding: header; latitude and longitude of each place (int32, in
1/100,000 degree); the row of its division (uint16); the start of the names of each group of places (uint32); the cuts
(float64) and axes (uint8) of a k-d tree, which tests use as an oracle; the divisions (lines of ISO-3 country, tab,
region); the names, one a line.

Layout of `cells.bin`: header; then deflated and little-endian: table entries, starts of the candidate lists,
candidates (all uint32). The first 180 x 360 entries are the cells of one degree, from the south-west. An entry is a
place, or a list of candidates (from `first_leaf`), or a node (from FIRST_NODE) of 4 x 4 smaller entries.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

DATA_FILE = Path(__file__).with_name("gazetteer.bin")
CELLS_FILE = Path(__file__).with_name("cells.bin")

MAGIC = b"geoplace"
VERSION = 1
# Magic, version, depth of the tree, places, bytes of divisions, bytes of names.
HEADER = struct.Struct("<8sHHIII")
CELLS_MAGIC = b"geocells"
CELLS_VERSION = 1
# Magic, version, bits of a place index, CRC-32 of the gazetteer, entries, starts, candidates.
CELLS_HEADER = struct.Struct("<8sHHIIII")
FIRST_NODE = 1 << 28
DEGREES = 100_000

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """A place of the gazetteer. Coordinates are in degrees; `region` is empty where GeoNames has none."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float

    @property
    def label(self) -> str:
        """The whole address in one line."""
        return ", ".join(part for part in (self.name, self.region, self.country) if part)


def unit_vector(latitude: float, longitude: float) -> Vector:
    """Returns the point of the unit sphere at these degrees."""
    phi, theta = math.radians(latitude), math.radians(longitude)
    across = math.cos(phi)
    return across * math.cos(theta), across * math.sin(theta), math.sin(phi)


def first_place(group: int, places: int, depth: int) -> int:
    """Returns the index of the first place of a group, when 2**depth groups differ by at most one place."""
    return (group * places) >> depth


def group_of(place: int, places: int, depth: int) -> int:
    """Returns the group that holds a place: the inverse of `first_place`."""
    return (((place + 1) << depth) - 1) // places


class Gazetteer:
    """The places by index. Raises ValueError for data of another form or version, or cut short."""

    def __init__(self, data: bytes) -> None:
        magic, version, depth, count, division_bytes, name_bytes = HEADER.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"this is not a gazetteer of version {VERSION}")
        sections = _Sections(data, HEADER.size)
        self.depth: int = depth
        self.checksum = zlib.crc32(data)
        self.latitudes = sections.numbers("i", count)
        self.longitudes = sections.numbers("i", count)
        self._division_rows = sections.numbers("H", count)
        self._name_starts = sections.numbers("I", 2**depth)
        self.cuts = sections.numbers("d", 2**depth - 1)
        self.axes = sections.take(2**depth - 1)
        self._divisions = [line.split("\t") for line in sections.take(division_bytes).decode().split("\n")[:-1]]
        self._names = sections.take(name_bytes)

    def __len__(self) -> int:
        return len(self.latitudes)

    def place(self, index: int) -> Place:
        """Returns the place with this index."""
        group = group_of(index, len(self), self.depth)
        end = self._name_starts[group + 1] if group + 1 < len(self._name_starts) else len(self._names)
        names = self._names[self._name_starts[group] : end].decode().split("\n")
        country, region = self._divisions[self._division_rows[index]]
        name = names[index - first_place(group, len(self), self.depth)]
        return Place(name, region, country, self.latitudes[index] / DEGREES, self.longitudes[index] / DEGREES)


class NearestPlaces:
    """Finds the nearest place. Safe to share between threads."""

    def __init__(self, gazetteer: Gazetteer, cells: bytes) -> None:
        magic, version, place_bits, checksum, entries, starts, items = CELLS_HEADER.unpack_from(cells)
        if magic != CELLS_MAGIC or version != CELLS_VERSION:
            raise ValueError(f"these are not cells of version {CELLS_VERSION}")
        if checksum != gazetteer.checksum:
            raise ValueError("the cells were built for another gazetteer: build them again")
        sections = _Sections(zlib.decompress(memoryview(cells)[CELLS_HEADER.size :]), 0)
        self.gazetteer = gazetteer
        self._entries = sections.numbers("I", entries)
        self._starts = sections.numbers("I", starts)
        self._items = sections.numbers("I", items)
        self._first_leaf: int = 1 << place_bits
        # The unit vector of each place, computed when it is first needed. Three arrays take less room than tuples
        # (4 MB for all), and reading them is faster than creating tuples for each cell.
        self._x, self._y, self._z = (array("d", bytes(8 * len(gazetteer))) for _ in range(3))

    def nearest(self, latitude: float, longitude: float) -> int:
        """Returns the index of the nearest place; of places equally near, the lowest index. Takes degrees."""
        return self.nearest_of_each(((latitude, longitude),))[0]

    def nearest_of_each(self, points: Iterable[tuple[float, float]]) -> list[int]:
        """Returns the index of the nearest place to each point, in order.

        Points are (latitude, longitude) in degrees within [-90, 90] and [-180, 180]; other values have no meaning here.
        """
        # One long loop on local names: this is where all the time goes.
        entries, starts, items = self._entries, self._starts, self._items
        first_leaf, first_node = self._first_leaf, FIRST_NODE
        all_x, all_y, all_z, compute_vector = self._x, self._y, self._z, self._compute_vector
        radians, cos, sin = math.radians, math.cos, math.sin
        result: list[int] = []
        add = result.append
        for latitude, longitude in points:
            row, column = int((latitude + 90.0) * 256.0), int((longitude + 180.0) * 256.0)
            if row >= 46080:  # latitude 90 belongs to the last row
                row = 46079
            if column >= 92160:
                column = 92159
            entry = entries[(row >> 8) * 360 + (column >> 8)]
            shift = 6
            while entry >= first_node:
                entry = entries[64800 + ((entry - first_node) << 4) + ((row >> shift & 3) << 2) + (column >> shift & 3)]
                shift -= 2
            if entry < first_leaf:
                add(entry)
                continue
            leaf = entry - first_leaf
            phi, theta = radians(latitude), radians(longitude)
            across = cos(phi)
            x, y, z = across * cos(theta), across * sin(theta), sin(phi)
            best, best_index = 9.0, -1  # no two points of the unit sphere are further apart than 2, squared 4
            for index in items[starts[leaf] : starts[leaf + 1]]:
                dx = (all_x[index] or compute_vector(index)) - x
                dy, dz = all_y[index] - y, all_z[index] - z
                distance = dx * dx + dy * dy + dz * dz
                if distance < best:
                    best, best_index = distance, index
            add(best_index)
        return result

    def _compute_vector(self, index: int) -> float:
        """Keep the unit vector of a place and return its x. That is set last: other threads take it for a sign."""
        latitude, longitude = self.gazetteer.latitudes[index] / DEGREES, self.gazetteer.longitudes[index] / DEGREES
        x, self._y[index], self._z[index] = unit_vector(latitude, longitude)
        self._x[index] = x
        return x


@lru_cache(maxsize=1)
def default_places() -> NearestPlaces:
    """Returns the search over the files next to this module, loaded once."""
    return NearestPlaces(Gazetteer(DATA_FILE.read_bytes()), CELLS_FILE.read_bytes())


class _Sections:
    """Reads the sections of a file one after another."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def take(self, size: int) -> bytes:
        part = self._data[self._position : self._position + size]
        if len(part) != size:
            raise ValueError("the gazetteer is cut short")
        self._position += size
        return part

    def numbers(self, typecode: str, count: int) -> array[Any]:
        numbers: array[Any] = array(typecode)
        numbers.frombytes(self.take(count * numbers.itemsize))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers
