"""The files of a result on this disk: all formats are written in one pass, and get their names when all are whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol, cast

from ..errors import AwsError
from ..jobs.base import PointColumns
from . import parquet
from .geojson import GeoJson
from .parquet import Parquet
from .table import Point, Properties, Table, table

CSV = "results.csv"


class Format(Protocol):
    """What writes the rows of a result into a file of its own."""

    def add(self, point: Point | None, properties: Properties) -> None:
        """One row."""

    def end(self) -> None:
        """No row follows."""


Formats = Mapping[str, Callable[[IO[bytes], Table], Format]]
"""By file name."""


def formats() -> Formats:
    """Those that can be written here, beside the CSV."""
    always: dict[str, Callable[[IO[bytes], Table], Format]] = {"results.geojson": GeoJson}
    return always | ({"results.parquet": Parquet} if parquet.available() else {})


class Saving:
    """A result on its way to the disk: bytes as the service wrote them, and rows for the other formats."""

    def __init__(self, parts: _Parts, points: PointColumns, wanted: Formats) -> None:
        self.paths: tuple[Path, ...] = (parts.path(CSV), *map(parts.path, wanted))
        self._parts = parts
        self._points = points
        self._wanted = wanted
        self._csv = parts.open(CSV)
        self._in_line = False
        self._formats: list[Format] = []

    def copy(self, data: bytes) -> None:
        """Bytes of the CSV."""
        self._csv.write(data)
        if data:
            self._in_line = not data.endswith(b"\n")

    def begin_file(self) -> None:
        """The next file goes on a line of its own, whether or not the last one ended its own."""
        if self._in_line:
            self.copy(b"\n")

    def begin_rows(self, header: Sequence[str]) -> None:
        """Once, before the first row."""
        self._table = table(header, self._points)
        self._formats = [make(self._parts.open(name), self._table) for name, make in self._wanted.items()]

    def add(self, row: Sequence[str]) -> None:
        """A row, for the formats that are not copied."""
        point, properties = self._table.point(row), self._table.properties(row)
        for each in self._formats:
            each.add(point, properties)

    def end(self) -> None:
        """No row follows. A result of no file at all has no columns."""
        if not self._formats:
            self.begin_rows(())
        for each in self._formats:
            each.end()


@contextmanager
def saving(folder: Path, points: PointColumns, wanted: Formats) -> Iterator[Saving]:
    """What is saved within the block is there whole after it, or not at all when it raises.

    Raises AwsError where something cannot be written.
    """
    parts = _Parts(folder)
    try:
        made = Saving(parts, points, wanted)
        yield made
        made.end()
        parts.name()
    except BaseException:
        parts.discard()
        raise


class _Parts:
    """Files that have no name of their own yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, _Part] = {}

    def path(self, name: str) -> Path:
        return self._folder / name

    def open(self, name: str) -> IO[bytes]:
        path = self.path(name)
        with _writing(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._open[path] = _Part(path)
        return cast("IO[bytes]", self._open[path])

    def name(self) -> None:
        """All are whole: only now does the first one take the place of what was there before."""
        for part in self._open.values():
            part.close()
        for path, part in self._open.items():
            with _writing(path):
                part.place.replace(path)

    def discard(self) -> None:
        for part in self._open.values():
            part.discard()


class _Part:
    """A file being written, as far as its writers need one. An error is told with the name it is going to have.

    What is written after `discard` goes nowhere: pyarrow writes an end to every file, also when it is thrown away.
    """

    def __init__(self, path: Path) -> None:
        self.place = path.with_name(f".{path.name}.part")
        self._path = path
        self._file = self.place.open("wb", 1 << 20)
        self._position = 0
        self._discarded = False

    closed = False

    def write(self, data: bytes) -> int:
        if not self._discarded:
            try:
                self._file.write(data)
            except OSError as error:
                raise _cannot_write(self._path, error) from None
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Not before the end."""

    def close(self) -> None:
        with _writing(self._path):
            self._file.close()

    def discard(self) -> None:
        self._discarded = True
        with suppress(OSError):
            self._file.close()  # what is still buffered may not fit either
        self.place.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> AwsError:
    return AwsError(f"Cannot write {path}: {error.strerror}.", "Name another --output-dir.")
