"""A run's result files: found, read as one table, counted, shown and saved. Memory does not grow with their size.

A result that is saved, or small, is read once from begin to end. Of a large one that is only shown, the first part is
fetched.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..aws.transfer import Meter, Progress, ignore_progress
from ..errors import AwsError
from ..jobs.base import PointColumns, ResultFormat
from .csv import RowReader, Utf8Source
from .save import Saving, saving

if TYPE_CHECKING:
    from ..aws.clients import Aws

# Bytes. A larger result is not fetched only to count its rows.
COUNTED_UP_TO = 8 * 1024 * 1024

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
        """Returns the bytes of all files together."""
        return sum(self.sizes)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


@dataclass(frozen=True)
class Results:
    """The result of a run.

    `first` are the first rows, without the header. `rows` is None where they were not counted. `valid` counts the
    rows that the job marks as valid; it is None also where the job does not mark rows. `saved` is the CSV file,
    `files` are all saved files, `size` is the bytes of the result files, `warnings` say what is odd about them.
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
    warnings: tuple[str, ...] = ()


class NoResultsError(AwsError):
    """The execution succeeded and left no result file."""


def find(aws: Aws, bucket: str, prefix: str, results: ResultFormat) -> ResultFiles:
    """Returns the files of the newest export below `prefix`.

    The segment between prefix and file name is random and no API reports it, so the last write counts.

    Raises:
        NoResultsError: There is no such file.
    """
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    objects = [item for page in pages for item in page.get("Contents", []) if results.file_name.search(item["Key"])]
    if not objects:
        raise NoResultsError(
            f"The execution succeeded, but there is no result file under s3://{bucket}/{prefix}.",
            "Look at the function's log: the export may have gone somewhere else.",
        )
    newest = max(objects, key=lambda item: item["LastModified"])["Key"].rsplit("/", 1)[0]
    sizes = {item["Key"]: item["Size"] for item in objects if item["Key"].rsplit("/", 1)[0] == newest}
    return ResultFiles(bucket, tuple(sorted(sizes)), tuple(sizes[key] for key in sorted(sizes)))


def show(aws: Aws, files: ResultFiles, results: ResultFormat, preview: int) -> Results:
    """Returns the first `preview` rows of a result, counted if it is small. Raises AwsError where a file is not CSV."""
    if files.size <= COUNTED_UP_TO:
        return _read_all(aws, files, results, preview, None, ignore_progress)
    header: list[str] = []
    first: list[tuple[str, ...]] = []
    warnings: list[str] = []
    for key, size in zip(files.keys, files.sizes, strict=True):
        body = _Ranges(aws, files.bucket, key, size)
        source = Utf8Source(body.fetch, body.content_type)
        reader = RowReader(io.BufferedReader(source, _FIRST_PART), files.uri(key), source)
        rows = iter(reader)
        header = _header(files.uri(key), rows, header, None)
        first += map(tuple, islice(rows, preview - len(first)))
        warnings += reader.warnings
        if len(first) == preview:
            break
    return Results(
        files.bucket, files.keys, tuple(header), tuple(first), None, None, None, files.size, warnings=tuple(warnings)
    )


def save(
    aws: Aws,
    files: ResultFiles,
    results: ResultFormat,
    preview: int,
    folder: Path,
    points: PointColumns,
    progress: Progress = ignore_progress,
) -> Results:
    """Save all rows in `folder`, in every format there is here, and count them. All files are saved, or none.

    Raises:
        AwsError: A file cannot be written, or a result file is not CSV.
    """
    with saving(folder, points, results.text_columns) as copy:
        return _read_all(aws, files, results, preview, copy, progress)


def _read_all(
    aws: Aws, files: ResultFiles, results: ResultFormat, preview: int, copy: Saving | None, progress: Progress
) -> Results:
    header: list[str] = []
    first: list[tuple[str, ...]] = []
    warnings: list[str] = []
    count = valid = 0
    name = files.keys[0].rsplit("/", 1)[-1]
    if len(files.keys) > 1:
        name += f" and {len(files.keys) - 1} more"
    meter = Meter(progress, f"Downloading {name}", files.size)
    for key in files.keys:
        response = aws.client("s3").get_object(Bucket=files.bucket, Key=key)
        source = Utf8Source(_Metered(response["Body"], meter).read, response.get("ContentType", ""))
        stream = source if copy is None else _Copying(source, copy, skips_header=bool(header))
        reader = RowReader(io.BufferedReader(stream, _CHUNK), files.uri(key), source)
        rows = iter(reader)
        header = _header(files.uri(key), rows, header, copy)
        status = header.index(results.status_column) if results.status_column in header else None
        for row in rows:
            if len(first) < preview:
                first.append(tuple(row))
            if copy is not None:
                copy.add(row)
            count += 1
            valid += status is not None and len(row) > status and row[status] == results.valid
        warnings += reader.warnings
    return Results(
        files.bucket,
        files.keys,
        tuple(header),
        tuple(first),
        count,
        valid if results.status_column else None,
        copy.paths[0] if copy else None,
        files.size,
        copy.paths if copy else (),
        tuple(warnings),
    )


def _header(uri: str, rows: Iterator[list[str]], before: list[str], copy: Saving | None) -> list[str]:
    """Returns the header of all files, of which `before` was read. Raises AwsError where a file has other columns."""
    header = next(rows, before)
    if not before and header and copy is not None:
        copy.begin_rows(header)
    if before and header != before:
        raise AwsError(f"{uri} has other columns than the result files before it: they are not one table.")
    return header


class _Metered:
    """An S3 body that reports how much of it was read."""

    def __init__(self, body: Any, meter: Meter) -> None:
        self._body = body
        self._meter = meter

    def read(self, size: int) -> bytes:
        data: bytes = self._body.read(size)
        self._meter.add(len(data))
        return data


class _Ranges:
    """An object that is fetched part by part, as far as it is read."""

    def __init__(self, aws: Aws, bucket: str, key: str, size: int) -> None:
        self._aws = aws
        self._object = {"Bucket": bucket, "Key": key}
        self._size = size
        self._position = 0
        self._part = b""
        self.content_type = ""
        if size:
            self._fetch_part()

    def fetch(self, size: int) -> bytes:
        """Returns at most `size` bytes; none at the end."""
        if not self._part and self._position < self._size:
            self._fetch_part()
        data, self._part = self._part[:size], self._part[size:]
        return data

    def _fetch_part(self) -> None:
        end = min(self._position + _FIRST_PART, self._size)
        response = self._aws.client("s3").get_object(**self._object, Range=f"bytes={self._position}-{end - 1}")
        self._object["IfMatch"] = response["ETag"]  # all parts must be of one object
        self.content_type = response.get("ContentType", "")
        self._part = response["Body"].read()
        self._position += len(self._part)


class _Copying(io.RawIOBase):
    """A result file that is saved while it is read, if need be without its header."""

    def __init__(self, source: Utf8Source, copy: Saving, *, skips_header: bool) -> None:
        self._source = source
        self._copy = copy
        self._is_in_header = skips_header
        self._quotes = 0
        self._has_begun = False
        copy.begin_file()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self._copy.copy(self._after_header(data))
        return len(data)

    def _after_header(self, data: bytes) -> bytes:
        if not self._is_in_header:
            return data
        for position, byte in enumerate(data):
            self._quotes += byte == _QUOTE
            self._has_begun |= byte not in _LINE_ENDS
            if byte == _NEWLINE and self._has_begun and self._quotes % 2 == 0:  # one inside quotes belongs to a name
                self._is_in_header = False
                return data[position + 1 :]
        return b""
