"""Results as GeoJSON (RFC 7946): a FeatureCollection, one Feature on each line, written row by row."""

from __future__ import annotations

import json
from typing import IO

from .table import Point, Properties, Table

_BEGIN = b'{"type":"FeatureCollection","features":['
_END = b"\n]}\n"


class GeoJson:
    """Points in WGS 84, [longitude, latitude]; a row without one has the geometry null. Properties are text."""

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._file = file
        self._names = table.names
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self._separator = "\n"
        file.write(_BEGIN)

    def add(self, point: Point | None, properties: Properties) -> None:
        """One Feature."""
        geometry = f'{{"type":"Point","coordinates":[{point[0]!r},{point[1]!r}]}}' if point else "null"
        named = self._encode(dict(zip(self._names, properties, strict=True)))
        feature = f'{self._separator}{{"type":"Feature","geometry":{geometry},"properties":{named}}}'
        self._file.write(feature.encode())
        self._separator = ",\n"

    def end(self) -> None:
        """No row follows."""
        self._file.write(_END)
