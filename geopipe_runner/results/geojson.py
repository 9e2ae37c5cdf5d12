"""Results as GeoJSON (RFC 7946): a FeatureCollection, one Feature on each line, written row by row."""

from __future__ import annotations

import json
from typing import IO, ClassVar

from .csv import Point, Table, Value

_BEGIN = b'{"type":"FeatureCollection","features":['
_END = b"\n]}\n"


class GeoJson:
    """Points in WGS 84, [longitude, latitude]. A row without a point has the geometry null.

    Properties have their column's type; empty cells are null. The coordinates are in the geometry only.
    """

    file_name: ClassVar[str] = "results.geojson"

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._file = file
        self._columns = [(number, c.name) for number, c in enumerate(table.columns) if not c.is_coordinate]
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self._separator = "\n"
        file.write(_BEGIN)

    @staticmethod
    def is_available() -> bool:
        return True

    def add(self, point: Point | None, values: list[Value]) -> None:
        """Write one Feature."""
        geometry = f'{{"type":"Point","coordinates":[{point[0]!r},{point[1]!r}]}}' if point else "null"
        properties = self._encode({name: values[number] for number, name in self._columns})
        feature = f'{self._separator}{{"type":"Feature","geometry":{geometry},"properties":{properties}}}'
        self._file.write(feature.encode())
        self._separator = ",\n"

    def end(self) -> None:
        """Close the collection: no row follows."""
        self._file.write(_END)
