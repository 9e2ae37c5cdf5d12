"""Cuts a CSV file into parts at the ends of rows, while it streams by.

Only quotation marks need care, since a quoted cell can hold line ends. `RowCutter` follows the rules of Python's csv
module: a mark opens a quoted cell only at the beginning of a cell, and two marks inside a quoted cell stand for one.

Usually that means that the marks open and close in turn. One check for a whole block shows whether it is so. Only a
block with some other mark, such as that for inches in `5" pipe`, is read mark by mark, which takes far longer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_QUOTE, _LINE_FEED, _RETURN = b'"', b"\n", b"\r"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BEFORE_A_CELL = (b",", b"\n", b"\r")
# With fewer marks in a block, a loop over them is no slower.
_FEW_MARKS = 8
# The first bytes of what is not text with one byte per comma: UTF-16, gzip, zip (also Excel), Zstandard.
_OTHER_CONTENT = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
}


@dataclass(frozen=True)
class Part:
    """Some rows of the file: its bytes from `start` to before `end`, and the number of its line ends."""

    start: int
    end: int
    lines: int


class RowCutter:
    """Finds the ends of rows in a file that comes in blocks."""

    def __init__(self, line_end: bytes = _LINE_FEED) -> None:
        self.is_quoted = False
        self._line_end = line_end
        self._before = _LINE_FEED
        # Whether the last byte was a quotation mark inside a quoted cell: the next byte says what it means.
        self._is_undecided = False

    def feed(self, block: bytes) -> tuple[int, int]:
        """Returns how many rows end in the block, and the position after the last of these ends (0 if none)."""
        ends = self._feed_whole_block(block) if block.count(_QUOTE) > _FEW_MARKS else None
        if ends is None:
            ends = self._feed_by_mark(block)
        self._before = block[-1:] or self._before
        return ends

    def _feed_whole_block(self, block: bytes) -> tuple[int, int] | None:
        """Read a block whose marks open and close in turn. Returns None, and changes nothing, if they do not."""
        texts = block.split(_QUOTE)
        first_outside = 1 if self.ends_inside_quotes() else 0
        ends_inside = (len(texts) + first_outside) % 2 == 0
        # What is outside of quotation marks, with one mark for each that opens.
        before = b',"' if self.is_quoted else self._before.replace(_QUOTE, b"x")
        outside = before + _QUOTE.join(texts[first_outside::2]) + (_QUOTE if ends_inside else b"")
        # A mark right after one that closes belongs to it: the two stand for one mark in the cell, which continues.
        while _QUOTE * 2 in outside:
            outside = outside.replace(_QUOTE * 2, _QUOTE)
        if outside.count(_QUOTE) != sum(outside.count(byte + _QUOTE) for byte in _BEFORE_A_CELL):
            return None
        self._is_undecided = not ends_inside and block[-1:] == _QUOTE
        self.is_quoted = ends_inside or self._is_undecided
        position, number = len(block), len(texts)
        for text in reversed(texts):
            number -= 1
            position -= len(text)
            end = text.rfind(self._line_end) if number % 2 == first_outside else -1
            if end >= 0:
                return outside.count(self._line_end, len(before)), position + end + 1
            position -= 1
        return 0, 0

    def _feed_by_mark(self, block: bytes) -> tuple[int, int]:
        position, rows, last = 0, 0, 0
        if self._is_undecided:
            self._is_undecided = False
            self.is_quoted = block[:1] == _QUOTE
            position = 1 if self.is_quoted else 0
        while position < len(block):
            mark = block.find(_QUOTE, position)
            if self.is_quoted:
                if mark < 0:
                    break
                if mark + 1 == len(block):
                    self._is_undecided = True
                    break
                self.is_quoted = block[mark + 1 : mark + 2] == _QUOTE
                position = mark + 2 if self.is_quoted else mark + 1
                continue
            end = len(block) if mark < 0 else mark
            rows += block.count(self._line_end, position, end)
            last = max(last, block.rfind(self._line_end, position, end) + 1)
            if mark < 0:
                break
            before = block[mark - 1 : mark] if mark else self._before
            self.is_quoted = before in _BEFORE_A_CELL
            position = mark + 1
        return rows, last

    def ends_inside_quotes(self) -> bool:
        """Whether the file, if it ends here, ends in a quoted cell that nothing closes."""
        return self.is_quoted and not self._is_undecided


def refuse_other_content(beginning: bytes) -> None:
    """Raise ValueError if the first bytes of a file show that it is not CSV in UTF-8."""
    for mark, content in _OTHER_CONTENT.items():
        if beginning.startswith(mark):
            raise ValueError(f"the input is {content}, not CSV in UTF-8")


def line_end_of(beginning: bytes) -> bytes:
    """Returns what ends a line: a line feed, or a carriage return in a file that has no line feeds."""
    return _RETURN if _RETURN in beginning and _LINE_FEED not in beginning else _LINE_FEED


def header_end(beginning: bytes, line_end: bytes) -> int:
    """Returns the position after the header line, which is the first line with anything in it.

    Raises:
        ValueError: the header line does not end in `beginning`, the first bytes of the file.
    """
    cutter, position = RowCutter(line_end), 0
    for line in beginning.splitlines(keepends=True):
        # A byte-order mark is no part of the first cell, whose quotation marks count.
        cutter.feed(line if position else line.removeprefix(_BYTE_ORDER_MARK))
        position += len(line)
        if not cutter.is_quoted and line.strip(b"\r\n\xef\xbb\xbf"):
            return position
    raise ValueError("the input has no header line, or one that is far too long")


def cut(blocks: Iterable[bytes], start: int, line_end: bytes, part_bytes: int, part_rows: int) -> Iterator[Part]:
    """Yield the parts of a file whose rows begin at `start`; `blocks` come from there on.

    A part ends in the first block with which it has reached `part_bytes` or `part_rows`: it can be larger by a block.

    Raises:
        ValueError: the file ends in a quoted cell.
    """
    cutter = RowCutter(line_end)
    position = begin = last_end = start
    lines = lines_at_end = 0
    ends_with_row = True
    for block in blocks:
        rows, last = cutter.feed(block)
        lines += rows
        if last:
            last_end, lines_at_end = position + last, lines
        position += len(block)
        ends_with_row = last_end == position
        if last and (last_end - begin >= part_bytes or lines_at_end >= part_rows):
            yield Part(begin, last_end, lines_at_end)
            begin, lines, lines_at_end = last_end, 0, 0
    if cutter.ends_inside_quotes():
        raise ValueError(
            f"a quotation mark after byte {last_end:,} of the input is never closed, so no row ends after it"
        )
    if position > begin:
        yield Part(begin, position, lines + (not ends_with_row))
