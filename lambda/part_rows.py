"""The rows of one part of a CSV file, and the same rows with result columns.

A line without quotation marks keeps its bytes: only its coordinates are read. All other rows go through the csv module,
which may change how a cell is quoted, never what it says. Lines with nothing in them are no rows.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Python's own limit of 131,072 characters in a cell refuses files that are valid, such as those with polygons.
_LARGEST_CELL = 64 * 1024 * 1024


class _Sink:
    """What a csv writer writes to: it returns the text, and so does the writer."""

    def write(self, text: str) -> str:
        return text


_WRITER: Any = csv.writer(_Sink(), lineterminator="\r\n")

Point = tuple[float, float]
"""Latitude and longitude, in degrees."""


@dataclass
class SomeRows:
    """Some rows of a part: their text, and what the provider gets of them. Positions count from 0."""

    texts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """A point, or a mapping from column name to text, for each row that has no fault, in order."""
    faults: dict[int, str] = field(default_factory=dict)
    """By position: why a row has no point."""
    rests: dict[int, str] = field(default_factory=dict)
    """By position: what a row has beyond the columns of the header."""

    def join(self, results: Sequence[str], invalid: Mapping[int, str]) -> str:
        """Returns the rows as lines: their text, their result columns, and what they have too much.

        `results` are the result columns of the rows without a fault, in order; `invalid` are those of the other rows.
        """
        following = iter(results)
        columns = [invalid[n] if n in invalid else next(following) for n in range(len(self.texts))]
        if self.rests:
            columns = [text + self.rests.get(position, "") for position, text in enumerate(columns)]
        return "".join([f"{text},{result}\n" for text, result in zip(self.texts, columns, strict=True)])


class PartReader:
    """Reads the rows of a part, some at a time, so that few of them are in memory.

    With positions of the coordinates, it reads points; without, mappings from column name to text.
    """

    def __init__(self, part: bytes, header: Sequence[str], coordinates: tuple[int, int] | None) -> None:
        self.empty_lines = 0
        """How many lines had nothing in them, so far."""
        self.has_lone_returns = part.count(b"\r") != part.count(b"\r\n")
        """Whether some carriage returns stand without a line feed."""
        self._source = io.TextIOWrapper(io.BytesIO(part), encoding="utf-8", newline="")
        self._header = header
        self._width = len(header)
        self._coordinates = coordinates
        csv.field_size_limit(_LARGEST_CELL)

    def slices(self, count: int) -> Iterator[SomeRows]:
        """Yield the rows, `count` at a time.

        Raises:
            csv.Error: the part is not CSV.
            UnicodeDecodeError: the part is not UTF-8 text.
        """
        rows = SomeRows()
        for line, cells in self._lines():
            if cells is None and not self._add_plain(rows, line):
                cells = next(csv.reader([line]))
            if cells is not None:
                self._add_cells(rows, cells)
            if len(rows.texts) >= count:
                yield rows
                rows = SomeRows()
        if rows.texts:
            yield rows

    def _lines(self) -> Iterator[tuple[str, list[str] | None]]:
        """Yield the text of each row without quotation marks, or the cells of a row that has some."""
        pending: list[str] = []
        source = self._source

        def parser_lines() -> Iterator[str]:
            while line := pending.pop() if pending else source.readline():
                yield line

        parser = csv.reader(parser_lines())
        while line := source.readline():
            if '"' in line:
                pending.append(line)
                yield line, next(parser)
            elif stripped := line.rstrip("\r\n"):
                yield stripped, None
            else:
                self.empty_lines += 1

    def _add_plain(self, rows: SomeRows, line: str) -> bool:
        """Add a line that needs no parser. Returns whether it could: right width, two numbers in range."""
        cells = line.split(",")
        if self._coordinates is None or len(cells) != self._width or len(cells) == 1:
            return False
        longitude_text, latitude_text = cells[self._coordinates[0]], cells[self._coordinates[1]]
        try:
            latitude, longitude = float(latitude_text), float(longitude_text)
        except ValueError:
            return False
        if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
            return False
        # Python reads 1_0 and digits of other scripts too.
        if "_" in latitude_text or "_" in longitude_text or not (latitude_text + longitude_text).isascii():
            return False
        rows.texts.append(line)
        rows.values.append((latitude, longitude))
        return True

    def _add_cells(self, rows: SomeRows, cells: list[str]) -> None:
        """Add any row. A short one is filled up; what a long one has too much goes last, where it was."""
        position, width = len(rows.texts), self._width
        if cells[width:]:
            rows.rests[position] = "," + csv_text(cells[width:])
        filled = [*cells[:width], *[""] * (width - len(cells))]
        rows.texts.append(csv_text(filled))
        if self._coordinates is None:
            rows.values.append(dict(zip(self._header, filled, strict=True)))
            return
        try:
            longitude = _coordinate(cells, self._coordinates[0], "longitude", 180.0)
            rows.values.append((_coordinate(cells, self._coordinates[1], "latitude", 90.0), longitude))
        except ValueError as error:
            rows.faults[position] = str(error)


def _coordinate(cells: Sequence[str], column: int, name: str, limit: float) -> float:
    cell = cells[column].strip() if column < len(cells) else ""
    if not cell:
        raise ValueError(f"{name} is empty")
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if value != value or "_" in cell or not cell.isascii():
        raise ValueError(f"{name} is not a number")
    if not -limit <= value <= limit:
        raise ValueError(f"{name} is not between {-limit:g} and {limit:g}")
    return value


def read_header(text: str) -> list[str]:
    """Returns the column names of the header line.

    Raises:
        ValueError: the line is not CSV.
    """
    try:
        return next(csv.reader(io.StringIO(text.lstrip("\ufeff\r\n"), newline="")))
    except (csv.Error, StopIteration):
        raise ValueError("the header line of the input is not CSV") from None


def find_column(header: Sequence[str], name: str) -> int:
    """Returns the position of a column; if no name is the same, blanks around the names are ignored.

    Raises:
        ValueError: there is no such column.
    """
    if name in header:
        return header.index(name)
    stripped = [column.strip() for column in header]
    if name.strip() in stripped:
        return stripped.index(name.strip())
    raise ValueError(f"the input has no column {name!r}; its columns are {', '.join(map(repr, header))}")


def csv_text(cells: Sequence[Any]) -> str:
    """Returns cells as CSV without a line end.

    The writer is asked for CR LF and loses it again: asked for a line feed, some versions of Python leave a CR in a
    cell unquoted, which breaks the row.
    """
    text: str = _WRITER.writerow(cells)
    return text[:-2]
