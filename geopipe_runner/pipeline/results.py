"""A run's result files: found, read as one, counted, shown and saved. Memory does not grow with their size.

What is saved, or small, is read once from begin to end. Of what is large and only shown, the first part is fetched.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..aws.transfer import Meter, Progress, nobody_watches
from ..errors import AwsError
from ..jobs.base import PointColumns, ResultFormat
from .saving import Saving, formats, saving

if TYPE_CHECKING:
    from ..aws.clients import Aws

COUNTED_UP_TO = 8 * 1024 * 1024
"""Bytes. More is not fetched for the sake of a number."""

_CHUNK = 1 << 20
_FIRST_PART = 1 << 16
_QUOTE, _NEWLINE = b'"\n'
_LINE_ENDS = b"\r\n"


@dataclass(frozen=True)
class ResultFiles:
    """Where a run's result is. `sizes` are those of the objects `keys`, in bytes."""

    bucket: str
    keys: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes, all together."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Results:
    """What a run left. `first` are rows without the header; `valid` counts the good ones of `rows`.

    `rows` is None where they were not counted, `valid` also where the job does not tell good ones from bad ones.
    `saved` is the CSV, `files` all that was saved, `size` the bytes of the result files.
    """

    bucket: str
    keys: tuple[str, ...]
    header: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]
    rows: int | None
    valid: int | None
    saved: Path | None
    size: int = 0
    files: tuple[Path, ...] = ()


class NoResultsError(AwsError):
    """The execution succeeded and left no result file."""


def find(aws: Aws, bucket: str, prefix: str, results: ResultFormat) -> ResultFiles:
    """The files of the newest export below `prefix`. Raises NoResultsError when there is none.

    The segment between prefix and file name is chance and told by no API, so what was written last counts.
    """
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [item for page in pages for item in page.get("Contents", []) if results.file_name.search(item["Key"])]
    if not found:
        raise NoResultsError(
            f"The execution succeeded, but there is no result file under s3://{bucket}/{prefix}.",
            "Look at the function's log: the export may have gone somewhere else.",
        )
    newest = max(found, key=lambda item: item["LastModified"])["Key"].rsplit("/", 1)[0]
    sizes = {item["Key"]: item["Size"] for item in found if item["Key"].rsplit("/", 1)[0] == newest}
    return ResultFiles(bucket, tuple(sorted(sizes)), tuple(sizes[key] for key in sorted(sizes)))


def show(aws: Aws, files: ResultFiles, results: ResultFormat, preview: int) -> Results:
    """The first `preview` rows; what is small is counted too. Raises AwsError where a file is no CSV."""
    if files.size <= COUNTED_UP_TO:
        return _read(aws, files, results, preview, None, nobody_watches)
    return _peek(aws, files, preview)


def save(
    aws: Aws,
    files: ResultFiles,
    results: ResultFormat,
    preview: int,
    folder: Path,
    points: PointColumns,
    progress: Progress = nobody_watches,
) -> Results:
    """All rows, counted, and saved in `folder` in every format there is here: all the files or none.

    Raises AwsError where they cannot be written, or a file is no CSV.
    """
    with saving(folder, points, formats()) as copy:
        return _read(aws, files, results, preview, copy, progress)


def as_csv(row: tuple[str, ...]) -> str:
    """A row as it stands in the file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)  # without one, a cell with a line break is not quoted
    return line.getvalue().removesuffix("\n")


def _read(
    aws: Aws, files: ResultFiles, results: ResultFormat, preview: int, copy: Saving | None, progress: Progress
) -> Results:
    header: list[str] = []
    first: list[tuple[str, ...]] = []
    rows = valid = 0
    meter = Meter(progress, f"Downloading {_name(files)}", files.size)
    for key in files.keys:
        uri = f"s3://{files.bucket}/{key}"
        body = aws.client("s3").get_object(Bucket=files.bucket, Key=key)["Body"]
        records = _records(uri, _Copying(body, meter, copy, without_header=bool(header)), _CHUNK)
        header = _header(uri, records, header, copy)
        status = header.index(results.status_column) if results.status_column in header else None
        for record in records:
            if len(first) < preview:
                first.append(tuple(record))
            if copy is not None:
                copy.add(record)
            rows += 1
            valid += status is not None and len(record) > status and record[status] == results.valid
    return Results(
        files.bucket,
        files.keys,
        tuple(header),
        tuple(first),
        rows,
        valid if results.status_column else None,
        copy.paths[0] if copy else None,
        files.size,
        copy.paths if copy else (),
    )


def _peek(aws: Aws, files: ResultFiles, preview: int) -> Results:
    header: list[str] = []
    first: list[tuple[str, ...]] = []
    for key, size in zip(files.keys, files.sizes, strict=True):
        uri = f"s3://{files.bucket}/{key}"
        records = _records(uri, _Ranges(aws, files.bucket, key, size), _FIRST_PART)
        header = _header(uri, records, header, None)
        first += map(tuple, islice(records, preview - len(first)))
        if len(first) == preview:
            break
    return Results(files.bucket, files.keys, tuple(header), tuple(first), None, None, None, files.size)


def _name(files: ResultFiles) -> str:
    name = files.keys[0].rsplit("/", 1)[-1]
    return name if len(files.keys) == 1 else f"{name} and {len(files.keys) - 1} more"


def _header(uri: str, records: Iterator[list[str]], before: list[str], copy: Saving | None) -> list[str]:
    """The header of all files, of which `before` have been read. Raises AwsError where one has other columns."""
    header = next(records, before)
    if not before and header and copy is not None:
        copy.begin_rows(header)
    if before and header != before:
        raise AwsError(f"{uri} has other columns than the result files before it: they are not one table.")
    return header


def _records(uri: str, body: io.RawIOBase, at_once: int) -> Iterator[list[str]]:
    """The rows of a file; a line with nothing on it is none. Bytes that are no text are shown as such."""
    stream = io.BufferedReader(body, at_once)
    records = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline=""))
    try:
        yield from filter(None, records)
    except csv.Error as error:
        raise AwsError(f"{uri} is no CSV file: {error} in line {records.line_num}.") from None


class _Ranges(io.RawIOBase):
    """An object that is fetched part by part, as far as it is read."""

    def __init__(self, aws: Aws, bucket: str, key: str, size: int) -> None:
        self._aws = aws
        self._object = {"Bucket": bucket, "Key": key}
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end == self._position:
            return 0
        answer = self._aws.client("s3").get_object(**self._object, Range=f"bytes={self._position}-{end - 1}")
        self._object["IfMatch"] = answer["ETag"]  # the parts are to be one object's
        data = answer["Body"].read()
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class _Copying(io.RawIOBase):
    """An S3 body that is saved while it is read; a header line is left out if need be."""

    def __init__(self, body: Any, meter: Meter, copy: Saving | None, *, without_header: bool) -> None:
        self._body = body
        self._meter = meter
        self._copy = copy
        self._in_header = without_header
        self._quotes = 0
        self._begun = False
        if copy is not None:
            copy.begin_file()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        self._meter.add(len(data))
        if self._copy is not None:
            self._copy.copy(self._after_header(data))
        return len(data)

    def _after_header(self, data: bytes) -> bytes:
        if not self._in_header:
            return data
        for position, byte in enumerate(data):
            self._quotes += byte == _QUOTE
            self._begun |= byte not in _LINE_ENDS
            if byte == _NEWLINE and self._begun and self._quotes % 2 == 0:  # one inside quotes belongs to a name
                self._in_header = False
                return data[position + 1 :]
        return b""
