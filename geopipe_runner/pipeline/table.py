"""How the rows of a result become points with properties, the same in every format that is saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..jobs.base import PointColumns

Point = tuple[float, float]
"""Longitude and latitude in degrees, WGS 84."""
Properties = Sequence[str | None]
"""The values that belong to a table's `names`."""

_LONGITUDES, _LATITUDES = 180.0, 90.0


@dataclass(frozen=True)
class Table:
    """What the columns are. Cells beyond the header's width belong to no property."""

    longitude: int | None
    latitude: int | None
    columns: tuple[int, ...]
    """Those that hold properties."""
    names: tuple[str, ...]
    """The properties' names, each another."""

    def point(self, row: Sequence[str]) -> Point | None:
        """None where the row has none, or none on Earth."""
        longitude = _number(row, self.longitude, _LONGITUDES)
        latitude = _number(row, self.latitude, _LATITUDES)
        return None if longitude is None or latitude is None else (longitude, latitude)

    def properties(self, row: Sequence[str]) -> Properties:
        """The row's other cells, as they stand; None for those it is too short for."""
        width = len(row)
        return [row[column] if column < width else None for column in self.columns]


def table(header: Sequence[str], points: PointColumns) -> Table:
    """The columns of a result with this header."""
    longitude, latitude = _find(header, points.longitude), _find(header, points.latitude)
    if longitude is None or latitude is None:
        longitude = latitude = None
    columns = tuple(column for column in range(len(header)) if column not in (longitude, latitude))
    names = tuple(_unique(header[column].strip() or f"column_{column + 1}" for column in columns))
    return Table(longitude, latitude, columns, names)


def _find(header: Sequence[str], name: str) -> int | None:
    """Where a column stands: as it is called, or else with the blanks around either ignored."""
    for candidates in (list(header), [column.strip() for column in header]):
        for wanted in (name, name.strip()):
            if wanted in candidates:
                return candidates.index(wanted)
    return None


def _unique(names: Iterator[str]) -> Iterator[str]:
    """Names that differ from each other, and from the one a table of features keeps for itself."""
    taken = {"geometry"}
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        yield free


def _number(row: Sequence[str], column: int | None, limit: float) -> float | None:
    """A coordinate. What only Python takes for a number (1_0, other scripts' digits) is none."""
    if column is None or column >= len(row):
        return None
    cell = row[column]
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if -limit <= value <= limit and "_" not in cell and cell.isascii() else None
