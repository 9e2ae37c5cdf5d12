"""Builds `cells.bin` from `gazetteer.bin`. Run by hand, never at run time; needs numpy.

    python -m geopipe_gazetteer.build_cells

The world is cut into cells of one degree. Each cell is split into quarters until at most `LEAF_LIMIT` places can be
the nearest one anywhere inside, eight times at most (to 1/256 degree).

A place is dropped from a cell only if another place is nearer at all four corners of a cone that covers the cell. The
difference of the two dot products is linear, so the other place is then nearer everywhere in the cell. A parallel is no
great circle: the corners on the side of the equator are moved out to the great circle that touches the parallel in the
middle of the cell. A margin covers rounding and keeps places that are equally near.
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .gazetteer import CELLS_FILE, CELLS_HEADER, CELLS_MAGIC, CELLS_VERSION, DATA_FILE, DEGREES, FIRST_NODE, Gazetteer

LEAF_LIMIT = 4
DEEPEST = 8
MARGIN = 1e-13
_FIRST_LEAF = 1 << 20

Vectors = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class Builder:
    """Splits cells and collects the tables. `entries` holds the root cells, then 16 entries for each node."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.entries: list[int] = [0] * (180 * 360)
        self.starts: list[int] = [0]
        self.items: list[int] = []
        self._leaf_of: dict[tuple[int, ...], int] = {}

    def build(self) -> None:
        """Fill the tables, one degree cell after another."""
        for row in range(180):
            for column, candidates in self._row_candidates(row):
                self.entries[row * 360 + column] = self._entry(row << 8, column << 8, 0, candidates)
            print(f"{row + 1}/180 rows, {len(self.starts) - 1} leaves", file=sys.stderr, end="\r")
        print(file=sys.stderr)

    def _row_candidates(self, row: int) -> list[tuple[int, Indices]]:
        """The places that can be nearest somewhere in each cell of a row of cells."""
        middle = math.radians(row - 89.5)
        longitudes = np.radians(np.arange(360) - 179.5)
        across = math.cos(middle)
        heights = np.full(360, math.sin(middle))
        centers = np.column_stack((across * np.cos(longitudes), across * np.sin(longitudes), heights))
        result = []
        for column in range(360):
            distances = np.arccos(np.clip(self.vectors @ centers[column], -1, 1))
            # No point of a cell is further than this from its center.
            reach = math.radians(0.71) + 1e-9
            result.append((column, np.flatnonzero(distances <= distances.min() + 2 * reach)))
        return result

    def _entry(self, row: int, column: int, level: int, candidates: Indices) -> int:
        """Row and column are in 1/256 degree. Returns the table entry for the cell."""
        left = self._prune(row, column, level, candidates)
        if len(left) <= LEAF_LIMIT or level == DEEPEST:
            return self._leaf(left)
        return self._node(row, column, level, left)

    def _node(self, row: int, column: int, level: int, candidates: Indices) -> int:
        node = len(self.entries)
        self.entries += [0] * 16
        step = 256 >> (level + 1)
        for quarter_row in (0, 1):
            for quarter_column in (0, 1):
                r, c = row + quarter_row * step, column + quarter_column * step
                left = self._prune(r, c, level + 1, candidates)
                small = len(left) <= LEAF_LIMIT
                leaf = self._leaf(left) if small else 0
                for inner_row in (0, 1):
                    for inner_column in (0, 1):
                        place = node + (quarter_row * 2 + inner_row) * 4 + quarter_column * 2 + inner_column
                        if small:
                            self.entries[place] = leaf
                        else:
                            half = step >> 1
                            self.entries[place] = self._entry(
                                r + inner_row * half, c + inner_column * half, level + 2, left
                            )
        return FIRST_NODE + (node - 180 * 360) // 16

    def _leaf(self, candidates: Indices) -> int:
        """A single place is its own entry; several are a list of their own, shared by equal cells."""
        key: tuple[int, ...] = tuple(candidates.tolist())
        if len(key) == 1:
            return key[0]
        if key not in self._leaf_of:
            self._leaf_of[key] = len(self.starts) - 1
            self.items += key
            self.starts.append(len(self.items))
        return _FIRST_LEAF + self._leaf_of[key]

    def _prune(self, row: int, column: int, level: int, candidates: Indices) -> Indices:
        if len(candidates) == 1:
            return candidates
        corners = cone(row / 256 - 90, column / 256 - 180, (256 >> level) / 256)
        dots = self.vectors[candidates] @ corners.T
        # First against the places that are nearest at a corner or on the whole, which drops nearly all.
        strong = np.unique(np.append(dots.argmax(axis=0), dots.sum(axis=1).argmax()))
        dominated = ((dots[strong][:, None, :] - dots[None, :, :]) > MARGIN).all(axis=2).any(axis=0)
        left: Indices = candidates[~dominated]
        dots = dots[~dominated]
        if len(left) <= 2:
            return left
        dominated = np.zeros(len(left), dtype=bool)
        for part in range(0, len(candidates), 64):
            block = dots[part : part + 64]
            dominated |= ((block[:, None, :] - dots[None, :, :]) > MARGIN).all(axis=2).any(axis=0)
        kept: Indices = left[~dominated]
        return kept


def cone(south: float, west: float, size: float) -> Vectors:
    """Unit vectors of four corners whose cone covers the cell of `size` degrees from this south-west corner."""
    latitudes = [math.radians(south), math.radians(south + size)]
    equatorward = 0 if south >= 0 else 1
    latitudes[equatorward] = math.atan(math.tan(latitudes[equatorward]) * math.cos(math.radians(size / 2)))
    # The lookup of a coordinate may round into the neighbor by one part in 2**52.
    return np.array(
        [
            (math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a))
            for a in latitudes
            for b in (math.radians(west), math.radians(west + size))
        ]
    )


def pack(builder: Builder, source: bytes) -> bytes:
    """The tables as the bytes of `cells.bin`, deflated."""
    entries = array("I", builder.entries)
    starts, items = array("I", builder.starts), array("I", builder.items)
    body = b"".join(_little_endian(numbers) for numbers in (entries, starts, items))
    sizes = (len(entries), len(starts), len(items))
    place_bits = _FIRST_LEAF.bit_length() - 1
    header = CELLS_HEADER.pack(CELLS_MAGIC, CELLS_VERSION, place_bits, zlib.crc32(source), *sizes)
    return header + zlib.compress(body, 9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the file and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=CELLS_FILE)
    options = parser.parse_args(arguments)
    source = DATA_FILE.read_bytes()
    gazetteer = Gazetteer(source)
    latitudes = np.radians(np.array(gazetteer.latitudes, dtype=np.float64) / DEGREES)
    longitudes = np.radians(np.array(gazetteer.longitudes, dtype=np.float64) / DEGREES)
    across = np.cos(latitudes)
    builder = Builder(np.column_stack((across * np.cos(longitudes), across * np.sin(longitudes), np.sin(latitudes))))
    builder.build()
    data = pack(builder, source)
    options.output.write_bytes(data)
    sys.stdout.write(
        f"{options.output}: {len(builder.starts) - 1} leaves, {len(builder.items)} items, "
        f"{(len(builder.entries) - 64800) // 16} nodes, {len(data)} bytes\n"
    )
    return 0


def _little_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


if __name__ == "__main__":
    sys.exit(main())
