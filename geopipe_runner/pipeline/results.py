"""This run's result files: found, streamed once, counted, shown and saved. Memory does not grow with their size."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import AwsError
from ..jobs.base import ResultFormat

if TYPE_CHECKING:
    from ..aws.clients import Aws

_CHUNK = 1 << 20
_QUOTE, _NEWLINE = b'"\n'


@dataclass(frozen=True)
class Results:
    """What a run left. `first` are rows without the header; `valid` counts the good ones of `rows`."""

    bucket: str
    keys: tuple[str, ...]
    header: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]
    rows: int
    valid: int
    saved: Path | None


def find(aws: Aws, bucket: str, prefix: str, results: ResultFormat) -> tuple[str, ...]:
    """The keys of the newest export below `prefix`. Raises AwsError when there is none.

    The segment between prefix and file name is chance and told by no API, so what was written last counts.
    """
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [item for page in pages for item in page.get("Contents", []) if results.file_name.search(item["Key"])]
    if not found:
        raise AwsError(
            f"The execution succeeded, but there is no result file under s3://{bucket}/{prefix}.",
            "Look at the function's log: the export may have gone somewhere else.",
        )
    newest = max(found, key=lambda item: item["LastModified"])["Key"].rsplit("/", 1)[0]
    return tuple(sorted(item["Key"] for item in found if item["Key"].rsplit("/", 1)[0] == newest))


def read(
    aws: Aws, bucket: str, keys: tuple[str, ...], results: ResultFormat, preview: int, save_to: Path | None
) -> Results:
    """Read the files as one, keep the first `preview` rows, and save them under `save_to` as `results.csv`.

    What is saved is there whole or not at all. Raises AwsError where it cannot be written, or a file is no CSV.
    """
    header: list[str] = []
    first: list[tuple[str, ...]] = []
    rows = valid = 0
    path = save_to / "results.csv" if save_to else None
    with _saving(path) as copy:
        for number, key in enumerate(keys):
            body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
            records = _records(f"s3://{bucket}/{key}", _Copying(body, copy, without_header=number > 0))
            header = next(records, [])
            status = header.index(results.status_column) if results.status_column in header else None
            for record in records:
                if len(first) < preview:
                    first.append(tuple(record))
                rows += 1
                valid += status is not None and len(record) > status and record[status] == results.valid
    return Results(bucket, keys, tuple(header), tuple(first), rows, valid, path)


def as_csv(row: tuple[str, ...]) -> str:
    """A row as it stands in the file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)  # without one, a cell with a line break is not quoted
    return line.getvalue().removesuffix("\n")


def _records(uri: str, body: _Copying) -> Iterator[list[str]]:
    """The rows of a file. Bytes that are no text are shown as such; what is saved keeps them."""
    stream = io.BufferedReader(body, _CHUNK)
    records = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline=""))
    try:
        yield from records
    except csv.Error as error:
        raise AwsError(f"{uri} is no CSV file: {error} in line {records.line_num}.") from None


@contextmanager
def _saving(path: Path | None) -> Iterator[_Copy | None]:
    """A file that takes its name when all of it is there."""
    if path is None:
        yield None
        return
    part = path.with_name(f".{path.name}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb")
    try:
        yield _Copy(file, path)
        with _writing(path):
            file.close()
            part.replace(path)
    except BaseException:
        with suppress(OSError):
            file.close()  # what is still buffered may not fit either
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AwsError(f"Cannot write {path}: {error.strerror}.", "Name another --output-dir.") from None


class _Copy:
    """Where the bytes go that are saved."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._in_line = False

    def write(self, data: bytes) -> None:
        with _writing(self._path):
            self._file.write(data)
        if data:
            self._in_line = not data.endswith(b"\n")

    def begin_file(self) -> None:
        """The next file goes on a line of its own, whether or not the last one ended its own."""
        if self._in_line:
            self.write(b"\n")


class _Copying(io.RawIOBase):
    """An S3 body that writes what is read from it into `copy` too; a header line is left out if need be."""

    def __init__(self, body: Any, copy: _Copy | None, *, without_header: bool) -> None:
        self._body = body
        self._copy = copy
        self._in_header = without_header
        self._quotes = 0
        if copy is not None:
            copy.begin_file()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        if self._copy is not None:
            self._copy.write(self._after_header(data))
        return len(data)

    def _after_header(self, data: bytes) -> bytes:
        if not self._in_header:
            return data
        for position, byte in enumerate(data):
            self._quotes += byte == _QUOTE
            if byte == _NEWLINE and self._quotes % 2 == 0:  # one inside quotes belongs to a name
                self._in_header = False
                return data[position + 1 :]
        return b""
