r"""CSV results: rows out of bytes in any declared encoding, and the types of their columns.

What is odd about a file is noticed while it is read, and never changed silently: bytes that are not in the declared
encoding are read as escapes such as `\xe9`.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any

from ..errors import AwsError
from ..jobs.base import PointColumns

# Characters of one field. Python's limit of 131,072 is a safeguard of its own, not a rule of CSV; this one keeps a
# quotation mark that is never closed from taking all memory.
LONGEST_FIELD = 64 * 1024 * 1024

Point = tuple[float, float]  # longitude and latitude in degrees, WGS 84
Value = str | int | float | bool | None

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


class _Damage(threading.local):
    """Counts, on this thread, how often bytes did not belong to the encoding they were read in."""

    count = 0


_damage = _Damage()
_ESCAPE_BYTES = "geopipe.escape-bytes"


def _escape_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    _damage.count += 1
    return codecs.backslashreplace_errors(error)


codecs.register_error(_ESCAPE_BYTES, _escape_bytes)


class Utf8Source(io.RawIOBase):
    """The bytes of a file as UTF-8, converted where a byte order mark or the content type declares another encoding."""

    def __init__(self, read: Callable[[int], bytes], content_type: str = "") -> None:
        self.encoding = "utf-8"
        self.unknown_encoding = ""
        self.size = 0
        self.nul_count = 0
        self._read = read
        charset = _CHARSET.search(content_type)
        self._declared = charset[1] if charset else ""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._pending = b""
        self._is_started = False
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._is_started:
            self._is_started = True
            self._pending = self._convert(self._read_mark(), is_last=False)
        while not self._pending and not self._is_at_end:
            data = self._read(len(buffer))
            self._is_at_end = not data
            self._pending = self._convert(data, is_last=self._is_at_end)
        data, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        self.size += len(data)
        self.nul_count += data.count(b"\0")
        buffer[: len(data)] = data
        return len(data)

    def _read_mark(self) -> bytes:
        """Read the first bytes, and decide on the encoding."""
        first = b""
        while len(first) < 4 and (data := self._read(4 - len(first))):
            first += data
        for mark, encoding in _BYTE_ORDER_MARKS.items():
            if first.startswith(mark):
                self.encoding = encoding
                break
        else:
            if self._declared and not first.startswith(codecs.BOM_UTF8):
                try:
                    self.encoding = codecs.lookup(self._declared).name
                    "a".encode(self.encoding)  # some codecs are not for text
                except (LookupError, UnicodeError):
                    self.encoding, self.unknown_encoding = "utf-8", self._declared
        if self.encoding not in ("utf-8", "utf-8-sig", "ascii"):
            self._decoder = codecs.getincrementaldecoder(self.encoding)(_ESCAPE_BYTES)
        return first

    def _convert(self, data: bytes, *, is_last: bool) -> bytes:
        return data if self._decoder is None else self._decoder.decode(data, is_last).encode("utf-8")


class RowReader:
    """Iterates over the rows of a CSV file; `warnings` says afterwards what is odd about it.

    A line without any character is no row. Iterating raises AwsError where the file is not CSV.
    """

    def __init__(self, stream: IO[bytes] | io.BufferedReader, place: str, source: Utf8Source | None = None) -> None:
        self._place = place
        self._source = source
        self._stream = stream
        self._damage_before = _damage.count
        self._rows = 0
        self._columns = 0
        self._is_exhausted = False
        # Of the present row: its lines, and how many of them look like rows of their own.
        self._lines = 0
        self._lines_like_rows = 0
        self._swallowed: tuple[int, int] | None = None  # the first line and the last of a row that swallows others
        self._line_count = 0

    def __iter__(self) -> Iterator[list[str]]:
        csv.field_size_limit(LONGEST_FIELD)
        text = io.TextIOWrapper(self._stream, "utf-8-sig", errors=_ESCAPE_BYTES, newline="")
        reader = csv.reader(self._watch_lines(text))
        try:
            for row in reader:
                # A row that asks for a line behind the last one ends inside quotes.
                if self._is_exhausted or self._lines_like_rows >= max(3, 0.8 * (self._lines - 1)):
                    self._swallowed = self._swallowed or (reader.line_num - self._lines + 1, reader.line_num)
                self._lines = self._lines_like_rows = 0
                if not row:
                    continue
                if self._rows == 0:
                    row[0] = row[0].lstrip("\ufeff")  # some programs write the byte order mark twice
                    self._columns = len(row)
                self._rows += 1
                yield row
        except csv.Error as error:
            hint = f"A quotation mark that opens in line {reader.line_num - self._lines + 1} may not be closed."
            raise AwsError(f"{self._place} is not a CSV file: {error} in line {reader.line_num}.", hint) from None
        finally:
            self._line_count = reader.line_num

    def _watch_lines(self, lines: io.TextIOWrapper) -> Iterator[str]:
        for line in lines:
            self._lines += 1
            if self._lines > 1 and self._columns > 1:
                self._lines_like_rows += line.count(",") >= self._columns - 1
            yield line
        self._is_exhausted = True

    @property
    def warnings(self) -> Iterator[str]:
        """Yields what is odd about the part of the file read so far."""
        damage = _damage.count - self._damage_before
        source = self._source
        name = source.encoding.upper() if source else "UTF-8"
        if source and source.unknown_encoding:
            yield f"{self._place} declares an unknown encoding, {source.unknown_encoding}. It is read as UTF-8."
        elif name not in ("UTF-8", "UTF-8-SIG", "ASCII"):
            yield f"{self._place} is encoded as {name}. It is read so, and saved as UTF-8."
        if damage:
            yield (
                f"{self._place} has bytes that are not {name}, in {damage:,} places. They are shown as escapes such as "
                "\\xe9. Write the file as UTF-8, or declare its encoding in its content type."
            )
        if source and source.nul_count:
            is_wide = source.nul_count > source.size / 4
            cause = " It may be UTF-16 without a byte order mark." if is_wide else " They stay in the saved files."
            yield f"{self._place} has NUL characters ({source.nul_count:,}).{cause}"
        if self._swallowed:
            first, last = self._swallowed
            yield (
                f"{self._place} has {max(0, self._rows - 1):,} rows in {self._line_count:,} lines: a quotation mark in "
                f"line {first:,} takes everything up to line {last:,} into one row. Inside a value it must be doubled."
            )


@contextmanager
def open_table(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a CSV file on this machine: its rows, the header first. Raises OSError and, while it is read, csv.Error."""
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", errors=_ESCAPE_BYTES, newline="") as file:
        yield filter(None, csv.reader(file))


def format_row(row: Sequence[str]) -> str:
    """Returns a row as it stands in a CSV file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)  # without one, a cell with a line break is not quoted
    return line.getvalue().removesuffix("\n")


class ColumnType(Enum):
    """What all values of a column are; empty cells do not count."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


# Only what a number's own notation would give back is a number: neither 007 nor +49 nor a 20-digit identifier.
_INTEGER = re.compile(r"-?[1-9][0-9]{0,14}|0")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?|[eE][+-][0-9]{1,3})?")
_MOST_DIGITS = 17
_MOST_DIGITS_OF_INTEGER = 15
_BOOLEANS = ("true", "false")


class TypeInference:
    """Finds the type of each column from all of its cells. `text_columns` are always text."""

    def __init__(self, header: Sequence[str], points: PointColumns, text_columns: frozenset[str]) -> None:
        self._types: list[ColumnType | None] = [None] * len(header)
        self._coordinates = _find_coordinates(header, points)
        self._undecided = [number for number, name in enumerate(header) if name not in text_columns]

    def observe(self, row: Sequence[str]) -> None:
        """Take one row into account."""
        width = len(row)
        for number in tuple(self._undecided):
            cell = row[number].strip() if number < width else ""
            if not cell:
                continue
            before = self._types[number]
            if number in self._coordinates:
                now = ColumnType.TEXT if to_float(cell) is None else ColumnType.NUMBER
            else:
                now = _type_of(cell)
            if before is not None and before is not now:
                numbers = {ColumnType.INTEGER, ColumnType.NUMBER}
                now = ColumnType.NUMBER if {before, now} == numbers else ColumnType.TEXT
            self._types[number] = now
            if now is ColumnType.TEXT:
                self._undecided.remove(number)

    @property
    def types(self) -> list[ColumnType]:
        """Returns the type of each column; a column without any value is text."""
        return [found or ColumnType.TEXT for found in self._types]


def _type_of(cell: str) -> ColumnType:
    if _INTEGER.fullmatch(cell):
        return ColumnType.INTEGER
    if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)):
        # More digits than a float keeps, or a whole number that JavaScript would round: an identifier.
        most = _MOST_DIGITS if set(cell) & set(".eE") else _MOST_DIGITS_OF_INTEGER
        if sum(map(str.isdigit, cell)) <= most:
            return ColumnType.NUMBER
    return ColumnType.BOOLEAN if cell.lower() in _BOOLEANS else ColumnType.TEXT


@dataclass(frozen=True)
class Column:
    """One column: its position in a row, its name (unlike any other), its type."""

    index: int
    name: str
    type: ColumnType
    is_coordinate: bool = False

    def convert(self, cell: str) -> Value:
        """Returns the value of a cell; None where it is empty."""
        if self.type is ColumnType.TEXT:
            return cell or None
        cell = cell.strip()
        if not cell:
            return None
        if self.type is ColumnType.INTEGER:
            return int(cell)
        return float(cell) if self.type is ColumnType.NUMBER else cell.lower() == "true"


@dataclass(frozen=True)
class Table:
    """The columns of a result, and where its points are. Cells beyond the header's width belong to no column."""

    columns: tuple[Column, ...]
    longitude: int | None
    latitude: int | None
    typed_columns: tuple[Column, ...] = ()
    """Those that are not text."""

    def point(self, row: Sequence[Value]) -> Point | None:
        """Returns the point of a row's cells or values; None where it has none, or none on Earth."""
        longitude, latitude = _coordinate(row, self.longitude, 180.0), _coordinate(row, self.latitude, 90.0)
        return None if longitude is None or latitude is None else (longitude, latitude)

    def values(self, row: Sequence[str]) -> list[Value]:
        """Returns the row's values, one for each column; None where the row is too short."""
        width = len(self.columns)
        values: list[Value] = [cell or None for cell in row[:width]]
        if len(values) < width:
            values += [None] * (width - len(values))
        for column in self.typed_columns:
            cell = values[column.index]
            if cell is not None:
                values[column.index] = column.convert(str(cell))
        return values


def build_table(header: Sequence[str], points: PointColumns, types: Sequence[ColumnType] = ()) -> Table:
    """Returns the columns of a result with this header; without `types`, all are text."""
    coordinates = _find_coordinates(header, points)
    taken = {"geometry"}  # a table of features keeps that name for itself
    columns = []
    for index, title in enumerate(header):
        name = base = title.strip() or f"column_{index + 1}"
        number = 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        column_type = types[index] if types else ColumnType.TEXT
        columns.append(Column(index, name, column_type, index in coordinates))
    longitude, latitude = coordinates or (None, None)
    typed = tuple(column for column in columns if column.type is not ColumnType.TEXT)
    return Table(tuple(columns), longitude, latitude, typed)


def _find_coordinates(header: Sequence[str], points: PointColumns) -> tuple[int, int] | tuple[()]:
    """Returns where longitude and latitude are: by their exact names, or else with blanks around them ignored."""

    def find(name: str) -> int | None:
        for titles in (list(header), [title.strip() for title in header]):
            for title in (name, name.strip()):
                if title in titles:
                    return titles.index(title)
        return None

    longitude, latitude = find(points.longitude), find(points.latitude)
    return () if longitude is None or latitude is None else (longitude, latitude)


def to_float(cell: str) -> float | None:
    """Returns the number in a cell. What only Python takes for a number (1_0, other scripts' digits) is none."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell and cell.isascii() else None


def _coordinate(row: Sequence[Value], column: int | None, limit: float) -> float | None:
    value = row[column] if column is not None and column < len(row) else None
    number = value if isinstance(value, float) else to_float(str(value))
    return number if number is not None and -limit <= number <= limit else None
