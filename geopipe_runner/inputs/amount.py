"""How much work a prepared input is: its rows, and how many different points they have, part by part.

The file is UTF-8 with commas. Whole parts are sampled where it has more than `SAMPLED_ABOVE` rows.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path

from .columns import Columns

SAMPLED_ABOVE = 1_000_000
_BLOCK = 1 << 20
_LARGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Amount:
    """The size of an input. `bytes` has the header too."""

    rows: int
    bytes: int


def measure(path: Path) -> Amount:
    """Count the rows of a CSV file. Line breaks in quotes end no row."""
    line_feeds, size, in_quotes, last = 0, 0, False, b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            pieces = block.split(b'"')
            line_feeds += sum(piece.count(b"\n") for piece in pieces[in_quotes::2])
            in_quotes ^= len(pieces) % 2 == 0
            size, last = size + len(block), block[-1:]
    lines = line_feeds + (size > 0 and last != b"\n")
    return Amount(max(0, lines - 1), size)  # but the header


def count_requests(path: Path, columns: Columns, rows: int, rows_per_part: int) -> int:
    """Returns how many different points the parts have together: equal points of one part count once.

    Above `SAMPLED_ABOVE` rows it is an estimate from every n-th part.
    """
    parts = max(1, ceil(rows / rows_per_part))
    every = ceil(rows / SAMPLED_ABOVE) if rows > SAMPLED_ABOVE else 1
    requests = measured = 0
    csv.field_size_limit(_LARGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        places = [header.index(name.strip()) for name in columns.names]
        for number in range(parts):
            part = islice(reader, rows_per_part)
            if number % every:
                deque(part, maxlen=0)
                continue
            points = list(_points(part, places))
            requests += len(set(points))
            measured += len(points)
    return requests if every == 1 else round(requests * rows / max(1, measured))


def _points(rows: Iterator[list[str]], places: list[int]) -> Iterator[tuple[str, ...]]:
    least = max(places)
    return (tuple(row[place].strip() for place in places) for row in rows if len(row) > least)
