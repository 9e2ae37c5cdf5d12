"""Cutting a CSV at row borders."""

from __future__ import annotations

import csv
import io
from random import Random

import pytest

import cutting
from cutting import Part, RowCutter, cut, header_end, line_end_of, refuse_other_content

HEADER = b"name,x\n"


def blocks(data: bytes, size: int) -> list[bytes]:
    return [data[first : first + size] for first in range(0, len(data), size)]


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def parts_of(body: bytes, size: int, part_bytes: int, part_rows: int = 10**9) -> list[Part]:
    return list(cut(blocks(body, size), len(HEADER), b"\n", part_bytes, part_rows))


CELLS = ["a", "", "12.5", "1,5", "line\nend", "cr\r\nlf", 'say "hi"', '"', "'", "\u00e9", '5" pipe', 'x"y', "\n", ',"']


@pytest.fixture(params=["whole block", "by mark"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to read a block. Small blocks have few marks, so they would all be read mark by mark."""
    monkeypatch.setattr(cutting, "_FEW_MARKS", -1 if request.param == "whole block" else 10**9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(20))
def test_parts_read_alone_are_the_file(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        end = random.choice(["\n", "\r\n"])
        sink = io.StringIO(newline="")
        writer = csv.writer(sink, lineterminator=end)
        writer.writerows([random.choice(CELLS), random.choice(CELLS)] for _ in range(random.randrange(1, 30)))
        body = sink.getvalue().encode()
        if random.random() < 0.3:
            body = body.removesuffix(end.encode())
        parts = parts_of(body, random.randrange(1, 10), random.randrange(1, 60))
        pieces = [body[part.start - len(HEADER) : part.end - len(HEADER)] for part in parts]
        assert b"".join(pieces) == body
        assert [row for piece in pieces for row in rows(piece)] == rows(body)
        assert [part.lines for part in parts] == [len(rows(piece)) for piece in pieces]


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        (b'5" pipe,1\n6" pipe,2\n', [10, 20]),
        (b'"a""\n",1\nb,2\n', [9, 13]),
        (b'a"b",1\n"x"y,2\n', [7, 14]),
        (b'"",""\nb,2', [6, 9]),
        (b"a,1\n\n\nb,2\n", [4, 5, 6, 10]),
    ],
)
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_quotation_marks_mean_what_the_csv_module_takes_them_for(body: bytes, ends: list[int], size: int) -> None:
    found = [part.end - len(HEADER) for part in parts_of(body, size, 1)]
    # A part ends in the block in which it is full, so only one-byte blocks show each end.
    assert found == ends if size == 1 else set(found) <= set(ends)
    assert found[-1] == len(body)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_block_read_whole_block_gives_what_its_marks_give(seed: int) -> None:
    random = Random(seed)
    read_whole_block = 0
    for _ in range(3000):
        by_mark, whole_block = RowCutter(), RowCutter()
        for _ in range(6):
            weights = [4, 4, 2, 1, random.choice([0, 1])]
            block = bytes(random.choices(b'",\n\rx', weights, k=random.randrange(1, 12)))
            ends = whole_block._feed_whole_block(block)
            if ends is None:
                # Such a block changed nothing, so it can be read mark by mark.
                ends = whole_block._feed_by_mark(block)
            else:
                read_whole_block += 1
            whole_block._before = block[-1:]
            assert ends == by_mark._feed_by_mark(block)
            by_mark._before = block[-1:]
            assert vars(whole_block) == vars(by_mark)
    assert read_whole_block > 3000


def test_a_part_has_no_more_rows_than_wanted_and_a_block() -> None:
    body = b"a,1\n" * 1000
    parts = parts_of(body, 40, 10**9, 100)
    assert sum(part.lines for part in parts) == 1000
    assert max(part.lines for part in parts) <= 110


def test_a_quotation_mark_that_is_never_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="after byte 11 of the input is never closed"):
        parts_of(b'a,1\n"b,2\nc,3\n', 100, 10)


def test_a_quotation_mark_at_the_very_end_closes_the_cell() -> None:
    assert parts_of(b'a,"1"', 2, 100) == [Part(7, 12, 1)]


@pytest.mark.parametrize(
    ("beginning", "end"),
    [
        (HEADER + b"a,1\n", 7),
        (b"\xef\xbb\xbfname,x\r\na,1", 11),
        (b"\n\r\nname,x\na", 10),
        (b'"na\nme",x\na,1', 10),
        (b'\xef\xbb\xbf"na\nme",x\na,1', 13),
        (b'\n\xef\xbb\xbf"name",x\na,1', 13),
        (b"name,x", 6),
    ],
)
def test_the_header_line(beginning: bytes, end: int) -> None:
    assert header_end(beginning, b"\n") == end


def test_no_header_line() -> None:
    with pytest.raises(ValueError, match="no header line"):
        header_end(b"\n\n", b"\n")


def test_a_file_with_carriage_returns_only() -> None:
    body = b"a,1\rb,2\r"
    assert line_end_of(body) == b"\r"
    assert line_end_of(b"a\r\nb") == b"\n"
    assert [part.lines for part in cut([body], 0, b"\r", 100, 100)] == [2]


@pytest.mark.parametrize(
    ("beginning", "content"),
    [(b"\xff\xfea", "UTF-16"), (b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "Excel"), (b"\x28\xb5\x2f\xfd", "Zstandard")],
)
def test_other_content_is_refused(beginning: bytes, content: str) -> None:
    refuse_other_content(HEADER)
    with pytest.raises(ValueError, match=content):
        refuse_other_content(beginning)


def test_the_cutter_forgets_nothing_between_blocks() -> None:
    cutter = RowCutter()
    assert cutter.feed(b'a,"x') == (0, 0)
    assert cutter.ends_inside_quotes()
    assert cutter.feed(b'"') == (0, 0)
    assert not cutter.ends_inside_quotes()
    assert cutter.feed(b'"y\n') == (0, 0)
    assert cutter.feed(b'"\nb,2\nc') == (2, 6)
