"""Results as GeoParquet 1.1: points as WKB, all columns with their types, written a group of rows at a time.

pyarrow is large, so it is an extra of the package and imported only where it is used.
"""

from __future__ import annotations

import json
import struct
from importlib import import_module
from typing import IO, Any, ClassVar

from .csv import ColumnType, Point, Table, Value

HOW_TO_GET = "results.parquet is not written: it needs the extra `parquet` (pip install 'geopipe-runner[parquet]')."

# How much exists as Python objects, and how much as Arrow's columns, whichever comes first. With larger groups,
# writing takes several times their size more.
_ROWS_IN_MEMORY = 4_096
_CHARACTERS_IN_MEMORY = 1 << 20
_ROWS_IN_A_GROUP = 8 * _ROWS_IN_MEMORY
_BYTES_IN_A_GROUP = 1 << 24

_POINT = struct.Struct("<BIdd")
_LITTLE_ENDIAN, _WKB_POINT = 1, 1
# Without a `crs`, coordinates are longitude and latitude in WGS 84.
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
}


def available() -> bool:
    """Returns whether pyarrow is installed and works."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        return False
    return True


class Parquet:
    """A column for each column of the result, and `geometry`, which is null where a row has no point."""

    file_name: ClassVar[str] = "results.parquet"

    def __init__(self, file: IO[bytes], table: Table) -> None:
        arrow: Any = import_module("pyarrow")
        types = {
            ColumnType.TEXT: arrow.string(),
            ColumnType.INTEGER: arrow.int64(),
            ColumnType.NUMBER: arrow.float64(),
            ColumnType.BOOLEAN: arrow.bool_(),
        }
        fields = [*((column.name, types[column.type]) for column in table.columns), ("geometry", arrow.binary())]
        self._arrow = arrow
        self._texts = [number for number, c in enumerate(table.columns) if c.type is ColumnType.TEXT]
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0
        self._batches: list[Any] = []
        self._schema = arrow.schema(fields, metadata={"geo": json.dumps(_GEO)})
        self._writer = import_module("pyarrow.parquet").ParquetWriter(file, self._schema)

    @staticmethod
    def is_available() -> bool:
        return available()

    def add(self, point: Point | None, values: list[Value]) -> None:
        """Write one row."""
        self._rows.append((*values, point and _POINT.pack(_LITTLE_ENDIAN, _WKB_POINT, *point)))
        self._characters += sum(len(str(values[number])) for number in self._texts if values[number] is not None)
        if len(self._rows) >= _ROWS_IN_MEMORY or self._characters >= _CHARACTERS_IN_MEMORY:
            self._pack()
            rows = sum(batch.num_rows for batch in self._batches)
            if rows >= _ROWS_IN_A_GROUP or sum(batch.nbytes for batch in self._batches) >= _BYTES_IN_A_GROUP:
                self._write_group()

    def end(self) -> None:
        """Write the last group: no row follows."""
        self._pack()
        self._write_group()
        self._writer.close()

    def _pack(self) -> None:
        """Turn Python's rows into Arrow's columns, which take a fraction of the memory."""
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._batches.append(self._arrow.record_batch(arrays, schema=self._schema))
        self._rows.clear()
        self._characters = 0

    def _write_group(self) -> None:
        if self._batches:
            self._writer.write_table(self._arrow.Table.from_batches(self._batches, self._schema))
            self._batches.clear()
