"""The first rows of a result for the page's table."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...results.csv import open_table

# The most rows a page carries.
MOST = 1_000

_LONGEST_CELL = 300


@dataclass(frozen=True)
class ShownColumn:
    """`prefix` is what its name shares with others: `reverse_geo.` of `reverse_geo.label`."""

    prefix: str
    name: str
    is_status: bool
    is_number: bool


@dataclass(frozen=True)
class ShownRows:
    """Columns and rows of equal width, without the columns in which no row here has a value."""

    columns: tuple[ShownColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: tuple[str, ...]
    """The names of the columns left out."""


def read(path: Path, most: int = MOST) -> ShownRows | None:
    """Returns the first `most` rows of the CSV file `path`; None where there is no such file, or it is not CSV."""
    try:
        with open_table(path) as records:
            header = next(records, [])
            rows = tuple(_fit(row, len(header)) for row in islice(records, most))
    except (OSError, csv.Error):
        return None
    shown = [n for n in range(len(header)) if not rows or any(row[n] for row in rows)]
    return ShownRows(
        tuple(_column(header[n], [row[n] for row in rows]) for n in shown),
        tuple(tuple(row[n] for n in shown) for row in rows),
        tuple(name for n, name in enumerate(header) if n not in shown),
    )


def _fit(row: list[str], width: int) -> tuple[str, ...]:
    cells = [cell if len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "…" for cell in row[:width]]
    return (*cells, *[""] * (width - len(cells)))


def _column(name: str, cells: list[str]) -> ShownColumn:
    prefix, dot, last = name.rpartition(".")
    return ShownColumn(prefix + dot, last, last.lower() == "status", any(cells) and all(map(_is_number, cells)))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True
