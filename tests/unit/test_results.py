"""Result files: found, read once, counted, shown and saved, however they are written and however large they are."""

from __future__ import annotations

import csv
import io
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.errors import AwsError
from geopipe_runner.jobs.base import PointColumns
from geopipe_runner.jobs.reverse_geocoding import ReverseGeocoding
from geopipe_runner.pipeline import results, saving

FORMAT = ReverseGeocoding.results
HEADER = "Longitude,Latitude,reverse_geo.country,reverse_geo.status\n"
POINTS = PointColumns("Longitude", "Latitude")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Bucket:
    """Objects in memory, listed in pages and read in small pieces."""

    def __init__(self, objects: dict[str, bytes], piece: int = 7) -> None:
        self.objects = objects
        self.piece = piece
        self.fetched: list[int] = []

    def client(self, _service: str) -> Bucket:
        return self

    def get_paginator(self, _operation: str) -> Bucket:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        yield {}
        for age, key in enumerate(self.objects):
            if key.startswith(Prefix):
                written = START + timedelta(seconds=age)
                yield {"Contents": [{"Key": key, "LastModified": written, "Size": len(self.objects[key])}]}

    def get_object(
        self,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Range: str = "bytes=0-",  # noqa: N803
        IfMatch: str = "etag",  # noqa: N803
    ) -> dict[str, Any]:
        first, last = Range.removeprefix("bytes=").split("-")
        part = self.objects[Key][int(first) : int(last) + 1 if last else None]
        assert part or not last, "S3 refuses a range behind the end"
        assert IfMatch == "etag"
        self.fetched.append(len(part))
        return {"Body": Pieces(io.BytesIO(part), self.piece), "ETag": "etag"}


class Pieces:
    """A body that gives less than is asked for."""

    def __init__(self, body: Any, piece: int) -> None:
        self.body = body
        self.piece = piece

    def read(self, size: int | None = None) -> bytes:
        found: bytes = self.body.read(size if size is None else min(size, self.piece))
        return found


def read(*files: bytes | str, preview: int = 5, save_to: Path | None = None, piece: int = 7) -> results.Results:
    objects = {
        f"output/run/x/results_{number}.csv": file.encode() if isinstance(file, str) else file
        for number, file in enumerate(files)
    }
    aws: Any = Bucket(objects, piece)
    there = results.ResultFiles("bucket", tuple(objects), tuple(map(len, objects.values())))
    if save_to is None:
        return results.show(aws, there, FORMAT, preview)
    return results.save(aws, there, FORMAT, preview, save_to, POINTS)


def find(*keys: str) -> tuple[str, ...]:
    aws: Any = Bucket(dict.fromkeys(keys, b""))
    return results.find(aws, "bucket", "output/run/", FORMAT).keys


def test_rows_are_counted_and_the_first_kept() -> None:
    found = read(HEADER + "1,2,USA,Valid Data\n3,4,,Invalid\n5,6,FRA,Valid Data\n", preview=2)
    assert (found.rows, found.valid) == (3, 2)
    assert found.header == ("Longitude", "Latitude", "reverse_geo.country", "reverse_geo.status")
    assert found.first == (("1", "2", "USA", "Valid Data"), ("3", "4", "", "Invalid"))
    assert found.saved is None


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_breaks_in_quotes_are_no_rows(line_end: str) -> None:
    text = (HEADER + '1,"2\r\n",USA,Valid Data\n1,"2\n3",USA,Valid Data\n').replace(HEADER, HEADER[:-1] + line_end)
    found = read(text)
    assert (found.rows, found.valid) == (2, 2)
    assert found.first[0][1] == "2\r\n"
    assert found.first[1][1] == "2\n3"


def test_several_files_are_one_with_one_header(tmp_path: Path) -> None:
    one, two, three = "1,2,USA,Valid Data\n", "3,4,FRA,Valid Data\n", "5,6,,Invalid\n"
    found = read(HEADER + one, HEADER + two + three, save_to=tmp_path)
    assert (found.rows, found.valid) == (3, 2)
    assert found.saved == tmp_path / "results.csv"
    assert (tmp_path / "results.csv").read_text() == HEADER + one + two + three


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    text = HEADER + "1,2,USA,Valid Data\n"
    found = read(b"\xef\xbb\xbf" + text.encode(), save_to=tmp_path)
    assert found.header[0] == "Longitude"
    assert (found.rows, found.valid) == (1, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfLongitude,reverse_geo.status\r\n1,Valid Data\r\n",
        'Longitude,reverse_geo.status\n"é\r\nü",Valid Data\n'.encode(),
        b"Longitude,reverse_geo.status\n1,Valid Data",
        b"Longitude,reverse_geo.status\n",
        b"",
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1 << 21])
def test_what_is_saved_is_what_was_there(tmp_path: Path, content: bytes, piece: int) -> None:
    read(content, save_to=tmp_path / "new" / "folder", piece=piece)
    assert (tmp_path / "new" / "folder" / "results.csv").read_bytes() == content


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(cells, st.sampled_from(["Valid Data", "Invalid", ""])), max_size=8), st.integers(1, 9))
def test_any_table_is_counted_as_it_was_written(rows: list[tuple[str, str]], piece: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("place", "reverse_geo.status"), *rows])
    found = read(text.getvalue(), preview=3, piece=piece)
    assert found.rows == len(rows)
    assert found.valid == sum(status == "Valid Data" for _, status in rows)
    assert list(found.first) == rows[:3]


def test_without_a_status_no_row_is_valid() -> None:
    assert read("a,b\n1,2\n").valid == 0
    assert read(HEADER + "1,2\n").valid == 0
    empty = read("")
    assert (empty.rows, empty.header) == (0, ())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    class Endless(Bucket):
        def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
            return {"Body": Rows(40_000)}

    aws: Any = Endless({})
    saving.formats()  # pyarrow itself is not what grows
    tracemalloc.start()
    found = results.save(aws, results.ResultFiles("bucket", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.rows == found.valid == 40_000
    assert sum(path.stat().st_size for path in found.files) > 10_000_000
    assert peak < 8_000_000  # a few thousand rows of Python objects


class Rows:
    """A body of many rows that exist only while they are read."""

    ROW = b"-149.8935557,61.21759217,USA,                                               ,Valid Data\n"

    def __init__(self, count: int) -> None:
        self.left = count
        self.ready = b"Longitude,Latitude,country,label,reverse_geo.status\n"

    def read(self, size: int) -> bytes:
        missing = min(self.left, max(0, size - len(self.ready)) // len(self.ROW) + 1)
        self.left -= missing
        self.ready += self.ROW * missing
        given, self.ready = self.ready[:size], self.ready[size:]
        return given


@pytest.mark.parametrize("line", ["1,2", '"a,b",', '"a ""b""",c', ""])
def test_a_row_is_shown_as_it_stands_in_the_file(line: str) -> None:
    assert results.as_csv(tuple(next(csv.reader([line]), ()))) == line


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AwsError, match="Cannot write") as caught:
        read(HEADER, save_to=tmp_path / "file")
    assert caught.value.hint == "Name another --output-dir."


def test_a_field_too_long_for_a_table_is_told_with_its_file() -> None:
    with pytest.raises(AwsError, match=r"s3://bucket/output/run/x/results_0.csv is no CSV file: field .* in line 3"):
        read(HEADER + "1,2,USA,Valid Data\n" + "x" * 200_000, piece=1 << 20)


@pytest.mark.parametrize("odd", [b"\0", b"\xff\xfe", b"\x1a", b'"'])
def test_odd_bytes_are_counted_and_saved_as_they_are(tmp_path: Path, odd: bytes) -> None:
    content = HEADER.encode() + b"1," + odd + b",USA,Valid Data\n"
    found = read(content, save_to=tmp_path)
    assert found.rows == 1
    assert (tmp_path / "results.csv").read_bytes() == content


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What the system refuses to write then is what it refuses on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("rows", [1, 3_000, 100_000])
def test_a_file_that_does_not_fit_is_told_and_nothing_is_left(tmp_path: Path, rows: int) -> None:
    content = HEADER + "1,2,USA,Valid Data\n" * rows
    with files_no_larger_than(50), pytest.raises(AwsError, match=r"Cannot write .*results[.].*: File too large"):
        read(content, save_to=tmp_path, piece=1 << 20)
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    read(HEADER + "1,2,USA,Valid Data\n", save_to=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"results.csv", "results.geojson"} <= set(before)
    with pytest.raises(AwsError, match="no CSV"):
        read(HEADER + "x" * 200_000, save_to=tmp_path, piece=1 << 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(before)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_files_of_the_newest_export_are_found() -> None:
    assert find(
        "output/run/old/results_0.csv",
        "output/run/new/results_1.csv",
        "output/run/new/results_0.csv",
        "output/run/new/manifest.json",
        "output/run/newest/other.csv",
        "output/other-run/x/results_0.csv",
    ) == ("output/run/new/results_0.csv", "output/run/new/results_1.csv")


@pytest.mark.parametrize("key", ["output/run/x/results_0.csv.tmp", "output/run/x/my_results_0.csv", "elsewhere"])
def test_without_a_result_file_it_says_where_it_looked(key: str) -> None:
    with pytest.raises(AwsError, match="no result file under s3://bucket/output/run/"):
        find(key)


def test_a_row_with_a_line_break_keeps_its_quotes() -> None:
    assert results.as_csv(("-149.8", "61.2\n", "USA")) == '-149.8,"61.2\n",USA'


def test_files_without_a_last_line_break_are_not_glued_together(tmp_path: Path) -> None:
    read(HEADER + "1,2,USA,Valid Data", HEADER + "3,4,FRA,Valid Data\n", save_to=tmp_path)
    assert (tmp_path / "results.csv").read_text() == HEADER + "1,2,USA,Valid Data\n3,4,FRA,Valid Data\n"


def test_a_header_with_a_line_break_is_left_out_whole(tmp_path: Path) -> None:
    header = '"Longi\ntude",reverse_geo.status\n'
    read(header + "1,Valid Data\n", header + "2,Valid Data\n", save_to=tmp_path)
    assert (tmp_path / "results.csv").read_text() == header + "1,Valid Data\n2,Valid Data\n"
