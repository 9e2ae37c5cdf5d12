"""Results as GeoParquet 1.1: points as WKB, everything else as text, written a group of rows at a time.

pyarrow is large, so it is an extra of the package and loaded only where it is used.
"""

from __future__ import annotations

import json
import struct
from importlib import import_module
from typing import IO, Any

from .table import Point, Properties, Table

HOW_TO_GET = "results.parquet is not written: it needs the extra `parquet` (pip install 'geopipe[parquet]')."

_ROWS_AT_ONCE = 4_096
_CHARACTERS_AT_ONCE = 1 << 20
"""So much exists as Python objects at a time, whichever comes first."""
_ROWS_IN_A_GROUP = 8 * _ROWS_AT_ONCE
_BYTES_IN_A_GROUP = 1 << 24
"""So much exists as Arrow's columns; with larger groups, writing takes several times their size more."""
_POINT = struct.Struct("<BIdd")
_LITTLE_ENDIAN, _WKB_POINT = 1, 1
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
}
"""Without a `crs`, coordinates are longitude and latitude in WGS 84."""


def available() -> bool:
    """Whether pyarrow is installed and works."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        return False
    return True


class Parquet:
    """A column for each property, and `geometry`, which is null where a row has no point."""

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._arrow: Any = import_module("pyarrow")
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0
        self._batches: list[Any] = []
        text, binary = self._arrow.string(), self._arrow.binary()
        fields = [*((name, text) for name in table.names), ("geometry", binary)]
        self._schema = self._arrow.schema(fields, metadata={"geo": json.dumps(_GEO)})
        self._writer = import_module("pyarrow.parquet").ParquetWriter(file, self._schema)

    def add(self, point: Point | None, properties: Properties) -> None:
        """One row."""
        self._rows.append((*properties, point and _POINT.pack(_LITTLE_ENDIAN, _WKB_POINT, *point)))
        self._characters += sum(map(len, filter(None, properties)))
        if len(self._rows) >= _ROWS_AT_ONCE or self._characters >= _CHARACTERS_AT_ONCE:
            self._pack()
            self._write_when_full()

    def end(self) -> None:
        """No row follows."""
        self._pack()
        self._write()
        self._writer.close()

    def _pack(self) -> None:
        """Python's rows into Arrow's columns, which take a fraction of the memory."""
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._batches.append(self._arrow.record_batch(arrays, schema=self._schema))
        self._rows.clear()
        self._characters = 0

    def _write_when_full(self) -> None:
        rows = sum(batch.num_rows for batch in self._batches)
        if rows >= _ROWS_IN_A_GROUP or sum(batch.nbytes for batch in self._batches) >= _BYTES_IN_A_GROUP:
            self._write()

    def _write(self) -> None:
        if not self._batches:
            return
        self._writer.write_table(self._arrow.Table.from_batches(self._batches, self._schema))
        self._batches.clear()
