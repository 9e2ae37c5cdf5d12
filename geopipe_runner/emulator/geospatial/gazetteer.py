"""The places of the world and the exact nearest one, with the standard library alone.

A small input must not pay for importing numpy, so this reads `gazetteer.bin` (see `layout`) as it lies and computes the
unit vectors of a leaf when a search first enters it. It must not know CSV, jobs or numpy; `bulk_search` is the same
search for large inputs.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .layout import DEGREES, HEADER, MAGIC, VERSION, first_place, leaf_of, unit_vector

DEFAULT_FILE = Path(__file__).with_name("gazetteer.bin")

LeafPoint = tuple[float, float, float, int]


@dataclass(frozen=True)
class Place:
    """What the gazetteer knows of a place; `region` is empty where GeoNames gives none."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float


class Gazetteer:
    """Places by index, in the order of the tree's leaves. Safe to share between threads: caches only ever fill."""

    def __init__(self, data: bytes) -> None:
        magic, version, depth, count, division_bytes, name_bytes = HEADER.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"not a gazetteer of version {VERSION}")
        sections = _Sections(data, HEADER.size)
        inner, leaves = 2**depth - 1, 2**depth
        self._depth: int = depth
        self._count: int = count
        self.latitudes = sections.numbers("i", count)
        self.longitudes = sections.numbers("i", count)
        self._divisions_of = sections.numbers("H", count)
        self._name_starts = sections.numbers("I", leaves)
        self._cuts = sections.numbers("d", inner)
        self._axes = sections.take(inner)
        self._divisions = [line.split("\t") for line in sections.text(division_bytes)]
        self._names = sections.take(name_bytes)
        self._leaves: list[list[LeafPoint] | None] = [None] * leaves

    def __len__(self) -> int:
        return self._count

    def place(self, index: int) -> Place:
        leaf = leaf_of(index, self._count, self._depth)
        name = self._leaf_names(leaf)[index - first_place(leaf, self._count, self._depth)]
        country, region = self._divisions[self._divisions_of[index]]
        return Place(name, region, country, self.latitudes[index] / DEGREES, self.longitudes[index] / DEGREES)

    def nearest(self, latitude: float, longitude: float) -> int:
        """The index of the place nearest by great circle; of places equally near, the lowest index."""
        x, y, z = query = unit_vector(latitude, longitude)
        axes, cuts, leaves = self._axes, self._cuts, self._leaves
        first_leaf = len(cuts)
        best, best_index = 9.0, -1  # No two points of the unit sphere are further apart than 2, squared 4.
        waiting = [(0.0, 0)]
        while waiting:
            bound, node = waiting.pop()
            if bound > best:
                continue
            while node < first_leaf:
                offset = query[axes[node]] - cuts[node]
                near = 2 * node + (1 if offset < 0 else 2)
                waiting.append((offset * offset, 4 * node + 3 - near))
                node = near
            for px, py, pz, index in leaves[node - first_leaf] or self._open_leaf(node - first_leaf):
                dx, dy, dz = px - x, py - y, pz - z
                distance = dx * dx + dy * dy + dz * dz
                if distance < best or (distance == best and index < best_index):
                    best, best_index = distance, index
        return best_index

    def _open_leaf(self, leaf: int) -> list[LeafPoint]:
        start, end = (first_place(leaf + i, self._count, self._depth) for i in (0, 1))
        points = [
            (*unit_vector(self.latitudes[i] / DEGREES, self.longitudes[i] / DEGREES), i) for i in range(start, end)
        ]
        self._leaves[leaf] = points
        return points

    def _leaf_names(self, leaf: int) -> list[str]:
        end = self._name_starts[leaf + 1] if leaf + 1 < len(self._name_starts) else len(self._names)
        return self._names[self._name_starts[leaf] : end].decode().split("\n")[:-1]


@lru_cache(maxsize=1)
def default_gazetteer() -> Gazetteer:
    """The gazetteer that comes with the emulator, loaded once."""
    return Gazetteer(DEFAULT_FILE.read_bytes())


class _Sections:
    """Reads the file's sections one after another."""

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
        numbers = array(typecode)
        numbers.frombytes(self.take(count * numbers.itemsize))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers

    def text(self, size: int) -> list[str]:
        return self.take(size).decode().split("\n")[:-1]
