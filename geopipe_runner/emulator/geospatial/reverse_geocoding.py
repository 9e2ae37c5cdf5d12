"""Adds the address columns to a CSV file, a chunk of rows at a time, so that memory does not grow with the file.

Every row of the input comes out once and in order, whatever its coordinates. A cell keeps its value, not its quoting;
rows end with a line feed. It must not know where the bytes come from or go to.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Protocol, TextIO

from .addresses import ADDRESS_COLUMNS, AddressBook, no_address

ROWS_AT_ONCE = 50_000

Row = list[str]


class InputError(Exception):
    """The input cannot be used at all, by the fault of whoever made it; the message is for them."""


@dataclass(frozen=True)
class Attributes:
    """The names of the coordinate columns, as the job was given them."""

    longitude: str
    latitude: str


@dataclass(frozen=True)
class Axis:
    """One coordinate of a row: where it stands, what it is called in a complaint, and how far it reaches."""

    column: int
    name: str
    limit: float

    def read(self, row: Sequence[str]) -> float:
        """The row's value; ValueError says what is wrong with it. What only Python takes for a number (1_0) is none."""
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


class _Writer(Protocol):
    def writerows(self, rows: Iterable[Sequence[str]], /) -> None: ...


def enrich(
    source: BinaryIO,
    target: TextIO,
    attributes: Attributes,
    book: AddressBook,
    between_chunks: Callable[[], None] = lambda: None,
    rows_at_once: int = ROWS_AT_ONCE,
) -> int:
    """Copies `source` to `target` with the address columns added; returns the number of rows.

    `between_chunks` is called before each chunk and may raise to give up. Raises InputError.
    """
    with closing(read_rows(source)) as rows:
        header = next(rows, None)
        if header is None:
            raise InputError("The input has no header line.")
        longitude = Axis(find_column(header, attributes.longitude), "longitude", 180.0)
        latitude = Axis(find_column(header, attributes.latitude), "latitude", 90.0)
        writer: _Writer = csv.writer(_LineFeeds(target), lineterminator="\r\n")
        writer.writerows([[*header, *ADDRESS_COLUMNS]])
        count = 0
        while True:
            between_chunks()
            chunk = list(islice(rows, rows_at_once))
            if not chunk:
                return count
            writer.writerows(join(chunk, find_addresses(chunk, longitude, latitude, book), len(header)))
            count += len(chunk)


def read_rows(source: BinaryIO) -> Generator[Row, None, None]:
    """The rows of a UTF-8 CSV file, its byte order mark dropped. A line with nothing on it is no row."""
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    reader = csv.reader(text)
    try:
        yield from filter(None, reader)
    except UnicodeDecodeError as error:
        raise InputError(f"The input is not UTF-8 text (near line {reader.line_num + 1}: {error.reason}).") from error
    except csv.Error as error:
        raise InputError(f"The input is not CSV (near line {reader.line_num}: {error}).") from error
    finally:
        text.detach()  # Whoever opened the source closes it.


def find_column(header: Sequence[str], name: str) -> int:
    """Where `name` stands in the header: as it is, or else with the blanks around either ignored."""
    if name in header:
        return header.index(name)
    stripped = [column.strip() for column in header]
    if name.strip() in stripped:
        return stripped.index(name.strip())
    there = ", ".join(repr(column) for column in header)
    raise InputError(f"The input has no column {name!r}; its columns are {there}.")


def find_addresses(chunk: Sequence[Row], longitude: Axis, latitude: Axis, book: AddressBook) -> list[Row]:
    """The address columns of each row: those of its place, or the reason why there are none."""
    found: list[Row] = []
    good: list[int] = []
    longitudes: list[float] = []
    latitudes: list[float] = []
    for position, row in enumerate(chunk):
        try:
            x, y = longitude.read(row), latitude.read(row)
        except ValueError as error:
            found.append(no_address(str(error)))
            continue
        found.append([])
        good.append(position)
        longitudes.append(x)
        latitudes.append(y)
    for position, address in zip(good, book.addresses(latitudes, longitudes), strict=True):
        found[position] = address
    return found


def join(rows: Iterable[Row], addresses: Iterable[Row], width: int) -> Iterator[Row]:
    """Rows with their addresses under the right headers: a short row is filled up, and what a long one has too much
    goes last, where it was."""
    for row, address in zip(rows, addresses, strict=True):
        if len(row) == width:
            yield row + address
        else:
            yield row[:width] + [""] * (width - len(row)) + address + row[width:]


class _LineFeeds:
    """Ends rows with a line feed although the writer ends them with CR LF, which makes it quote both in a cell.

    Told to end rows with a line feed, some versions of Python leave a CR in a cell unquoted, which breaks the row.
    """

    def __init__(self, target: TextIO) -> None:
        self._write = target.write

    def write(self, row: str) -> int:
        return self._write(row[:-2] + "\n")
