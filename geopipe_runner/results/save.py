"""The files of a result on this disk. They get their names when all of them are whole.

The CSV is saved while the result is read. The other formats are written from it afterwards, when the types of all
columns are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, Protocol, cast

from ..errors import AwsError
from ..jobs.base import PointColumns
from ..whole_files import FolderLock, PartFile
from .csv import Point, Table, TypeInference, Value, build_table, open_table
from .geojson import GeoJson
from .parquet import Parquet

CSV = "results.csv"


class Format(Protocol):
    """Writes the rows of a result into a file of its own."""

    file_name: ClassVar[str]

    def __init__(self, file: IO[bytes], table: Table) -> None: ...

    @staticmethod
    def is_available() -> bool:
        """Returns whether this format can be written here."""

    def add(self, point: Point | None, values: list[Value]) -> None:
        """Write one row."""

    def end(self) -> None:
        """Finish the file: no row follows."""


# Every format besides the CSV.
FORMATS: tuple[type[Format], ...] = (GeoJson, Parquet)


class Saving:
    """A result on its way to the disk: bytes for the CSV, and rows for the other formats."""

    def __init__(self, parts: _Parts, points: PointColumns, text_columns: frozenset[str]) -> None:
        formats = [file_format for file_format in FORMATS if file_format.is_available()]
        self.paths = tuple(parts.folder / name for name in (CSV, *(f.file_name for f in formats)))
        self._parts = parts
        self._points = points
        self._text_columns = text_columns
        self._formats = formats
        self._csv = parts.open(CSV)
        self._is_in_line = False
        self._header: Sequence[str] = ()
        self._inference = TypeInference((), points, text_columns)

    def copy(self, data: bytes) -> None:
        """Write bytes of the CSV."""
        self._csv.write(data)
        if data:
            self._is_in_line = not data.endswith(b"\n")

    def add_file(self, name: str) -> IO[bytes]:
        """Returns a further file, which is saved as it is written and gets its name with the others."""
        self.paths = (*self.paths, self._parts.folder / name)
        return self._parts.open(name)

    def begin_file(self) -> None:
        """Begin a new line: the file before may not have ended its last one."""
        if self._is_in_line:
            self.copy(b"\n")

    def begin_rows(self, header: Sequence[str]) -> None:
        """Take the header, once, before the first row."""
        self._header = header
        self._inference = TypeInference(header, self._points, self._text_columns)

    def add(self, row: Sequence[str]) -> None:
        """Take one row into account."""
        self._inference.observe(row)

    def end(self) -> None:
        """Write the other formats: no row follows."""
        self._csv.close()
        with open_table(self._parts.temporary(CSV)) as rows:
            next(rows, None)
            table = build_table(self._header, self._points, self._inference.types)
            writers = [file_format(self._parts.open(file_format.file_name), table) for file_format in self._formats]
            for row in rows:
                values = table.values(row)
                point = table.point(values)
                for writer in writers:
                    writer.add(point, values)
        for writer in writers:
            writer.end()


@contextmanager
def saving(folder: Path, points: PointColumns, text_columns: frozenset[str] = frozenset()) -> Iterator[Saving]:
    """Save a result within the block: afterwards it is there whole or, when the block raises, not at all.

    Raises:
        AwsError: Something cannot be written, or another command is writing into the folder.
    """
    lock = FolderLock(folder)
    lock.acquire()
    parts = _Parts(folder)
    try:
        result = Saving(parts, points, text_columns)
        yield result
        result.end()
        parts.commit()
    except BaseException:
        parts.discard()
        raise
    finally:
        lock.release()


class _Parts:
    """The files that do not have their names yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, _OutputFile] = {}

    def open(self, name: str) -> IO[bytes]:
        with _writing(self.folder / name):
            self._files[name] = _OutputFile(self.folder / name)
        return cast("IO[bytes]", self._files[name])

    def temporary(self, name: str) -> Path:
        return self._files[name].part.temporary

    def commit(self) -> None:
        """Close all files, and only then give the first one the place of what was there before."""
        for file in self._files.values():
            file.close()
        for file in self._files.values():
            with _writing(file.part.path):
                file.part.commit()

    def discard(self) -> None:
        for file in self._files.values():
            file.discard()


class _OutputFile:
    """A part file as pyarrow needs one. Its errors name the file that it is going to be.

    What is written after `discard` goes nowhere: pyarrow writes an end to every file, also to one thrown away.
    """

    closed = False

    def __init__(self, path: Path) -> None:
        self.part = PartFile(path)
        self._position = 0
        self._is_discarded = False

    def write(self, data: bytes) -> int:
        if not self._is_discarded:
            with _writing(self.part.path):
                self.part.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Do nothing: the file is written when it is closed."""

    def close(self) -> None:
        with _writing(self.part.path):
            self.part.close()

    def discard(self) -> None:
        self._is_discarded = True
        self.part.discard()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AwsError(f"Cannot write {path}: {error.strerror}.", "Name another --output-dir.") from None
