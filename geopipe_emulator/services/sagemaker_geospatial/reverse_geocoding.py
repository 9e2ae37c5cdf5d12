"""Adds the address columns to a CSV file, a chunk of rows at a time, so that memory does not grow with the file.

Every row of the input is in the output once and in order, also one with bad coordinates. A cell keeps its value, not
its quotes. Rows end with a line feed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from .addresses import ADDRESS_COLUMNS, AddressBook, csv_text, no_address

CHUNK_ROWS = 50_000
# Characters of a chunk, which then may have fewer rows: rows can be long.
_CHUNK_CHARACTERS = 32 * 1024 * 1024
# Characters of one cell. Python's own limit of 131,072 refuses files that are valid, such as those with polygons.
LARGEST_CELL = 16 * 1024 * 1024

Row = list[str]


class InputError(Exception):
    """The input cannot be used at all. The message is for the author of the input."""


@dataclass(frozen=True)
class Attributes:
    """The names of the coordinate columns, from the job's request."""

    longitude: str
    latitude: str


@dataclass(frozen=True)
class Axis:
    """One coordinate of a row: its column, its name in messages, and its largest value."""

    column: int
    name: str
    limit: float

    def read(self, row: Sequence[str]) -> float:
        """Return the row's value. A number that only Python accepts (1_0) is refused.

        Raises:
            ValueError: the text says what is wrong with the value.
        """
        cell = row[self.column].strip() if self.column < len(row) else ""
        if not cell:
            raise ValueError(f"{self.name} is empty")
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if value != value or "_" in cell or not cell.isascii():
            raise ValueError(f"{self.name} is not a number")
        if not -self.limit <= value <= self.limit:
            raise ValueError(f"{self.name} is not between {-self.limit:g} and {self.limit:g}")
        return value


def enrich(
    source: BinaryIO,
    target: TextIO,
    attributes: Attributes,
    book: AddressBook,
    between_chunks: Callable[[], None] = lambda: None,
    chunk_rows: int = CHUNK_ROWS,
) -> int:
    """Copy `source` to `target` with the address columns added; return the number of rows.

    `between_chunks` is called before each chunk; it can raise an exception to stop the work.

    Raises:
        InputError: the input cannot be used.
    """
    with closing(_Table(source)) as table:
        header = next(table.rows, None)
        if header is None:
            raise InputError("The input has no header line.")
        longitude = Axis(find_column(header, attributes.longitude), "longitude", 180.0)
        latitude = Axis(find_column(header, attributes.latitude), "latitude", 90.0)
        target.write(csv_text([*header, *ADDRESS_COLUMNS]) + "\n")
        count = 0
        while True:
            between_chunks()
            chunk = _Chunk(len(header), longitude, latitude)
            table.read_into(chunk, chunk_rows)
            if not chunk.beginnings:
                return count
            chunk.write(target, book)
            count += len(chunk.beginnings)


class _Chunk:
    """Some rows: the text before the address columns, the text after them, and the point or what is wrong with it."""

    def __init__(self, width: int, longitude: Axis, latitude: Axis) -> None:
        self._width = width
        self._longitude = longitude
        self._latitude = latitude
        self.beginnings: list[str] = []
        self._points: list[tuple[float, float]] = []
        self._faults: dict[int, str] = {}
        self._rests: dict[int, str] = {}

    def add_line(self, line: str) -> bool:
        """Add a line that needs no CSV parser. Returns whether it could: no quotes, right width, valid numbers."""
        cells = line.split(",")
        if len(cells) != self._width or len(cells) == 1 or "_" in line or not line.isascii():
            return False
        try:
            latitude, longitude = float(cells[self._latitude.column]), float(cells[self._longitude.column])
        except ValueError:
            return False
        if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
            return False
        self.beginnings.append(line)
        self._points.append((latitude, longitude))
        return True

    def add_row(self, row: Row) -> None:
        """Add any row. A short one is filled up; what a long one has too much goes last, where it was."""
        position = len(self.beginnings)
        self.beginnings.append(csv_text(row[: self._width] + [""] * (self._width - len(row))))
        if row[self._width :]:
            self._rests[position] = "," + csv_text(row[self._width :])
        try:
            longitude, latitude = self._longitude.read(row), self._latitude.read(row)
        except ValueError as error:
            self._faults[position] = no_address(str(error))
        else:
            self._points.append((latitude, longitude))

    def write(self, target: TextIO, book: AddressBook) -> None:
        """Write the rows with their addresses, in order."""
        addresses = book.addresses(self._points)
        for position in sorted(self._faults):
            addresses.insert(position, self._faults[position])
        if self._rests:
            addresses = [text + self._rests.get(position, "") for position, text in enumerate(addresses)]
        rows = zip(self.beginnings, addresses, strict=True)
        target.write("".join([f"{beginning},{address}\n" for beginning, address in rows]))


class _Table:
    """The rows of a UTF-8 CSV file without its byte order mark. A line with nothing on it is no row.

    Most lines need no CSV parser. The parser gets the others, and as many lines after them as it asks for.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
        self._pushed_back: list[str] = []
        self._line_number = 0
        self._has_ended = False
        csv.field_size_limit(LARGEST_CELL)
        self._parser = csv.reader(self._parser_lines())
        self.rows = filter(None, self._parsed())

    def close(self) -> None:
        """Leave the source open: the caller closes it."""
        self._text.detach()

    def read_into(self, chunk: _Chunk, count: int) -> None:
        """Read up to `count` rows, fewer if they are long. Raises InputError."""
        characters = 0
        while len(chunk.beginnings) < count and characters < _CHUNK_CHARACTERS:
            line = self._next_line()
            if not line:
                return
            characters += len(line)
            text = line.rstrip("\r\n")
            if text and ('"' in text or not chunk.add_line(text)):
                self._pushed_back.append(line)
                chunk.add_row(row := next(self.rows))
                characters += sum(map(len, row))

    def _parsed(self) -> Iterator[Row]:
        start = 1
        try:
            for row in self._parser:
                if self._has_ended:
                    # The parser takes another line only inside of quotes.
                    raise InputError(f"The input is not CSV: a quote at or after line {start} has no end.")
                yield row
                start = self._line_number + 1
        except csv.Error as error:
            raise InputError(f"The input is not CSV (near line {self._line_number}: {error}).") from error

    def _parser_lines(self) -> Iterator[str]:
        while line := self._pushed_back.pop() if self._pushed_back else self._next_line():
            yield line
        self._has_ended = True

    def _next_line(self) -> str:
        try:
            line = self._text.readline()
        except UnicodeDecodeError as error:
            where = f"near line {self._line_number + 1}: {error.reason}"
            raise InputError(f"The input is not UTF-8 text ({where}).") from error
        self._line_number += 1
        return line


def find_column(header: Sequence[str], name: str) -> int:
    """Return the position of `name` in the header; if there is no exact match, ignore blanks around the names."""
    if name in header:
        return header.index(name)
    stripped = [column.strip() for column in header]
    if name.strip() in stripped:
        return stripped.index(name.strip())
    columns = ", ".join(repr(column) for column in header)
    raise InputError(f"The input has no column {name!r}; its columns are {columns}.")
