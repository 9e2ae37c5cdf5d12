"""Result files: found, read once, counted, shown and saved, however they are written and however large they are."""

from __future__ import annotations

import csv
import io
import json
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.errors import AwsError
from geopipe_runner.results import parquet
from geopipe_runner.results import read as results
from geopipe_runner.results.csv import LONGEST_FIELD, format_row
from tests.support.result_files import FORMAT, HEADER, POINTS, Bucket, Rows, read


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
def test_line_breaks_in_quotes_do_not_end_a_row(line_end: str) -> None:
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


def test_a_byte_order_mark_is_not_part_of_the_header(tmp_path: Path) -> None:
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
def test_the_saved_csv_has_the_same_bytes(tmp_path: Path, content: bytes, piece: int) -> None:
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


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    class LargeObject(Bucket):
        def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
            return {"Body": Rows(40_000)}

    aws: Any = LargeObject({})
    parquet.available()  # pyarrow itself is not what grows
    tracemalloc.start()
    found = results.save(aws, results.ResultFiles("bucket", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.rows == found.valid == 40_000
    assert sum(path.stat().st_size for path in found.files) > 10_000_000
    assert peak < 8_000_000  # a few thousand rows of Python objects


@pytest.mark.parametrize("line", ["1,2", '"a,b",', '"a ""b""",c', ""])
def test_a_row_is_shown_as_it_stands_in_the_file(line: str) -> None:
    assert format_row(tuple(next(csv.reader([line]), ()))) == line


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AwsError, match="Cannot write") as caught:
        read(HEADER, save_to=tmp_path / "file")
    assert caught.value.hint == "Name another --output-dir."


@pytest.mark.parametrize("length", [131_072, 131_073, 3_000_000])
def test_a_long_field_is_legal(tmp_path: Path, length: int) -> None:
    found = read(f"{HEADER}1,2,{'x' * length},Valid Data\n3,4,USA,Valid Data\n", save_to=tmp_path, piece=1 << 20)
    assert (found.rows, found.valid, found.warnings) == (2, 2, ())
    assert len(found.first[0][2]) == length
    (feature, _) = json.loads((tmp_path / "results.geojson").read_text())["features"]
    assert len(feature["properties"]["reverse_geo.country"]) == length


@pytest.mark.slow
def test_a_field_without_end_is_an_error_with_file_and_line() -> None:
    with pytest.raises(
        AwsError, match=r"s3://bucket/output/run/x/results_0.csv is not a CSV file: field .* in line"
    ) as e:
        read(f'{HEADER}1,2,"' + ("x" * 1023 + "\n") * (LONGEST_FIELD // 1024 + 1), piece=1 << 20)
    assert e.value.hint == "A quotation mark that opens in line 2 may not be closed."


@pytest.mark.parametrize("odd", [b"\0", b"\xff\xfe", b"\x1a", b'"'])
def test_odd_bytes_are_counted_and_saved_as_they_are(tmp_path: Path, odd: bytes) -> None:
    content = HEADER.encode() + b"1," + odd + b",USA,Valid Data\n"
    found = read(content, save_to=tmp_path)
    assert found.rows == 1
    assert (tmp_path / "results.csv").read_bytes() == content


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Limit the size of files: the system refuses to write then as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("rows", [1, 3_000, 100_000])
def test_a_file_that_does_not_fit_is_an_error_and_nothing_is_left(tmp_path: Path, rows: int) -> None:
    content = HEADER + "1,2,USA,Valid Data\n" * rows
    with files_no_larger_than(50), pytest.raises(AwsError, match=r"Cannot write .*results[.].*: File too large"):
        read(content, save_to=tmp_path, piece=1 << 20)
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    read(HEADER + "1,2,USA,Valid Data\n", save_to=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"results.csv", "results.geojson"} <= set(before)
    with pytest.raises(AwsError, match="other columns"):
        read(HEADER + "1,2,USA,Valid Data\n", "other\n1\n", save_to=tmp_path)
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
    assert format_row(("-149.8", "61.2\n", "USA")) == '-149.8,"61.2\n",USA'


def test_files_without_a_last_line_break_stay_apart(tmp_path: Path) -> None:
    read(HEADER + "1,2,USA,Valid Data", HEADER + "3,4,FRA,Valid Data\n", save_to=tmp_path)
    assert (tmp_path / "results.csv").read_text() == HEADER + "1,2,USA,Valid Data\n3,4,FRA,Valid Data\n"


def test_a_header_with_a_line_break_is_left_out_whole(tmp_path: Path) -> None:
    header = '"Longi\ntude",reverse_geo.status\n'
    read(header + "1,Valid Data\n", header + "2,Valid Data\n", save_to=tmp_path)
    assert (tmp_path / "results.csv").read_text() == header + "1,Valid Data\n2,Valid Data\n"


# What is odd about a file


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-16", ""),
        ("utf-32", "text/csv"),
        ("utf-16-be", "text/csv; charset=UTF-16BE"),
        ("latin-1", 'text/csv; charset="iso-8859-1"'),
        ("cp1252", "text/csv;charset=windows-1252"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_a_declared_encoding_is_read_and_saved_as_utf_8(
    tmp_path: Path, encoding: str, content_type: str, piece: int
) -> None:
    text = HEADER + "1,2,Côte d'Ivoire,Valid Data\n"
    found = read(text.encode(encoding), save_to=tmp_path, piece=piece, content_type=content_type)
    assert (found.valid, found.first[0][2]) == (1, "Côte d'Ivoire")
    assert len(found.warnings) == 1 and "is encoded as" in found.warnings[0] and "saved as UTF-8" in found.warnings[0]
    assert (tmp_path / "results.csv").read_text("utf-8") == text


@pytest.mark.parametrize("content_type", ["", "text/csv; charset=utf-8", "text/csv; charset=US-ASCII"])
def test_text_in_the_usual_encoding_is_no_news(content_type: str) -> None:
    assert read(HEADER + "1,2,Austria,Valid Data\n" * 3, content_type=content_type).warnings == ()


@pytest.mark.parametrize(
    ("content", "escape"),
    [
        (b"\xe9t\xe9", "\\xe9t\\xe9"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"\xc3", "\\xc3"),
        (b"\xff\xfe", "\\xff\\xfe"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_bytes_that_are_not_utf_8_are_a_warning_and_never_replaced(
    tmp_path: Path, content: bytes, escape: str, piece: int
) -> None:
    data = HEADER.encode() + b"1,2," + content + b",Valid Data\n"
    found = read(data, save_to=tmp_path, piece=piece)
    assert found.first[0][2] == escape
    assert len(found.warnings) == 1 and "results_0.csv has bytes that are not UTF-8" in found.warnings[0]
    assert (tmp_path / "results.csv").read_bytes() == data
    assert "\ufffd" not in (tmp_path / "results.geojson").read_text("utf-8")


def test_a_replacement_character_of_the_file_stays() -> None:
    found = read(HEADER + "1,2,a\ufffdb,Valid Data\n")
    assert (found.first[0][2], found.warnings) == ("a\ufffdb", ())


def test_nul_characters_are_a_warning(tmp_path: Path) -> None:
    found = read(HEADER + "1,2,U\0A,Valid Data\n", save_to=tmp_path)
    assert found.rows == 1 and "has NUL characters (1). They stay" in found.warnings[0]
    undeclared = read((HEADER + "1,2,USA,Valid Data\n").encode("utf-16-le"))
    assert any("may be UTF-16" in warning for warning in undeclared.warnings)


def test_an_unknown_encoding_is_a_warning() -> None:
    found = read(HEADER + "1,2,é,Valid Data\n", content_type="text/csv; charset=klingon")
    assert found.first[0][2] == "é" and "unknown encoding, klingon" in found.warnings[0]
    assert "unknown encoding, base64" in read(HEADER, content_type="text/csv; charset=base64").warnings[0]


def test_a_byte_order_mark_that_was_written_twice_is_not_part_of_the_header() -> None:
    assert read("\ufeff\ufeff" + HEADER + "1,2,USA,Valid Data\n").header[0] == "Longitude"


ROW = "1,2,USA,Valid Data\n"


@pytest.mark.parametrize(
    ("text", "rows", "lines"),
    [
        (ROW * 2 + '1,2,"open,Valid Data\n' + ROW * 30, 3, (4, 34)),
        (ROW + '1,2,"open,Valid Data\n' + ROW * 30 + '1,2,close",Valid Data\n' + ROW, 3, (3, 34)),
        (ROW + '1,2,"open', 2, (3, 3)),
    ],
    ids=["to the end", "to the next quote", "in the last line"],
)
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_a_quote_that_swallows_rows_is_noticed(text: str, rows: int, lines: tuple[int, int], piece: int) -> None:
    found = read(HEADER + text, piece=piece)
    assert found.rows == rows
    (warning,) = found.warnings
    assert f"{rows} rows in" in warning
    assert f"a quotation mark in line {lines[0]} takes everything up to line {lines[1]} into one row" in warning


def test_text_of_many_lines_swallows_nothing() -> None:
    address = "one\ntwo, three\nfour\n\nfive\n" * 20
    assert read(HEADER + f'1,2,"{address}",Valid Data\n' * 50, piece=1 << 20).warnings == ()
    assert read(HEADER + '-149.8935557,"61.21759217\n",USA,Valid Data\n' * 50).warnings == ()


def test_warnings_of_a_large_result_that_is_only_shown() -> None:
    content = HEADER.encode() + b"1,2,\xe9,Valid Data\n" + ROW.encode() * 600_000
    assert len(content) > results.COUNTED_UP_TO
    aws: Any = Bucket({"k": content}, 1 << 20)
    found = results.show(aws, results.ResultFiles("b", ("k",), (len(content),)), FORMAT, 5)
    assert found.rows is None and found.first[0][2] == "\\xe9"
    assert any("not UTF-8" in warning for warning in found.warnings)
