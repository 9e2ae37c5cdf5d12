"""How much work a prepared input is: its rows, and how many different points they have, part by part.

The file is UTF-8 with commas. Whole parts are sampled where it has more than `SAMPLED_ABOVE` rows.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil
from pathlib import Path

from .columns import Columns

SAMPLED_ABOVE = 1_000_000
_BLOCK = 1 << 20
_LINE_ENDS = (b"\n", b"\r")
_LARGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Amount:
    """The size of an input. `bytes` has the header too."""

    rows: int
    bytes: int
    open_line: int | None = None
    """The line in which the last row begins, if a quotation mark in that row is never closed."""


def measure(path: Path) -> Amount:
    """Count the rows of a CSV file as the job does (`lambda/part_rows.py`): a line with nothing in it is no row.

    A quotation mark counts at the beginning of a cell only, unlike that of `5" pipe`. Line breaks in quotes end no row.
    """
    return _measure_without_quotes(path) or _measure_by_row(path)


def _measure_without_quotes(path: Path) -> Amount | None:
    """Count the lines, which takes a tenth of the time. Returns None if the file has a quotation mark."""
    lines, size, before = 0, 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if b'"' in block:
                return None
            size += len(block)
            text = block.removeprefix(codecs.BOM_UTF8) if size == len(block) else block
            found = text.splitlines()
            lines += len(found) - found.count(b"")
            if not (text.startswith(_LINE_ENDS) or before in _LINE_ENDS):
                lines -= 1  # this block continues the last line of the one before
            before = block[-1:]
    return Amount(max(0, lines - 1), size)  # but the header


def _measure_by_row(path: Path) -> Amount:
    csv.field_size_limit(_LARGEST_FIELD)
    rows = begin = end = 0
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        # The line after the end is a row, or belongs to one that is not closed.
        reader = csv.reader(chain(file, ["end"]))
        for row in reader:
            rows, begin, end = rows + bool(row), end + 1, reader.line_num
    is_open = begin < end
    rows -= 1 if is_open else 2  # the header, and the line after the end
    return Amount(max(0, rows), path.stat().st_size, begin if is_open else None)


def count_requests(path: Path, columns: Columns, rows: int, rows_per_part: int) -> int:
    """Returns how many different points the parts have together: equal points of one part count once.

    Above `SAMPLED_ABOVE` rows it is an estimate from every n-th part.
    """
    parts = max(1, ceil(rows / rows_per_part))
    every = ceil(rows / SAMPLED_ABOVE) if rows > SAMPLED_ABOVE else 1
    requests = measured = 0
    csv.field_size_limit(_LARGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = filter(None, csv.reader(file))  # a line with nothing in it is no row
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
