"""How a CSV file is written: its encoding, its delimiter, and the lines before its header.

Detection reads the whole file once, because one Latin-1 letter in the last row decides about the encoding.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

_NAMES = {"cp1252": "Latin-1 (Windows-1252)", "latin-1": "Latin-1"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_CHUNK = 1 << 20
_HEAD = 1 << 16
_FEW_LINES = 50
_BOM = "\ufeff"
_LARGEST_FIELD = 2**31 - 1

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_CSV = (
    (b"\x1f\x8b", "compressed with gzip", "unpack it first: gunzip"),
    (b"BZh", "compressed with bzip2", "unpack it first: bunzip2"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first: unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first: unzstd"),
    (b"PK\x03\x04", "an Excel workbook or a zip archive", "save the sheet as CSV (UTF-8), or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV (UTF-8)"),
    (b"PAR1", "a Parquet file", "export it as CSV"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
)
_MARKUP = re.compile(rb"^(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|gpx|kml)", re.IGNORECASE)
_JSON = re.compile(rb'^(\xef\xbb\xbf)?\s*(\{\s*"|\[\s*[{\[])')
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)


class UnusableInputError(Exception):
    """The file cannot be the input of a job. `what` says why, `valid` what to do, `key` which setting is concerned."""

    def __init__(self, what: str, valid: str, key: str = "input.source") -> None:
        super().__init__(what, valid)
        self.what = what
        self.valid = valid
        self.key = key


@dataclass(frozen=True)
class TextFormat:
    """How the file is written. `skipped` counts the lines before the header."""

    encoding: str
    delimiter: str
    skipped: int = 0
    extra_marks: bool = False
    """Whether the text begins with byte-order marks besides the one that the encoding takes away."""
    bare_returns: bool = False
    """Whether lines end with a carriage return alone."""

    @property
    def is_plain(self) -> bool:
        """Whether the job reads the file as it is."""
        plain = self.encoding in ("utf-8", "utf-8-sig") and self.delimiter == ","
        return plain and not (self.skipped or self.extra_marks or self.bare_returns)

    def describe(self) -> str:
        """Returns what differs from what the job reads, for a person."""
        differences = []
        if self.encoding not in ("utf-8", "utf-8-sig"):
            differences.append(f"its encoding is {_NAMES.get(self.encoding, self.encoding)}")
        if self.delimiter != ",":
            differences.append(f"its delimiter is a {DELIMITERS.get(self.delimiter, repr(self.delimiter))}")
        if self.skipped:
            differences.append(f"{self.skipped} line(s) come before its header")
        if self.extra_marks:
            differences.append("it begins with more than one byte-order mark")
        if self.bare_returns:
            differences.append("its lines end with a carriage return")
        return ", ".join(differences)


def detect(path: Path, encoding: str | None, delimiter: str | None, names: tuple[str, ...]) -> TextFormat:
    """Returns how the file at `path` is written. Values of `encoding` and `delimiter` are trusted.

    `names` are columns that the header should have. They decide between delimiters.

    Raises:
        UnusableInputError: the file is not CSV, or not in the configured encoding.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    _refuse_other_content(head)
    if encoding is None:
        encoding = _detect_encoding(path, head)
    elif not _decodes(path, encoding):
        what = f"{path.name} is not encoded in {encoding}"
        raise UnusableInputError(what, "correct input.encoding, or leave it out: it is detected", "input.encoding")
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    extra_marks, text = text.startswith(_BOM), text.lstrip(_BOM)
    if not text.strip():
        raise UnusableInputError(f"{path.name} has no content", "use a CSV file with a header line and rows")
    lines = re.split(r"\r\n|\n|\r", text)
    skipped = next(number for number, line in enumerate(lines) if line.strip())
    separator = _SEPARATOR_LINE.match(lines[skipped])
    if separator:
        skipped += 1
        delimiter = delimiter or separator[1]
    header = lines[skipped] if skipped < len(lines) else ""
    bare_returns = "\r" in text and "\n" not in text
    return TextFormat(encoding, delimiter or _detect_delimiter(header, names), skipped, extra_marks, bare_returns)


@contextmanager
def records(path: Path, form: TextFormat) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Yield the records of the file, the header first, each with the number of the line it begins in."""
    csv.field_size_limit(_LARGEST_FIELD)
    with path.open(encoding=form.encoding, errors="strict", newline="") as file:
        yield _numbered(file, form)


def _numbered(file: TextIO, form: TextFormat) -> Iterator[tuple[int, list[str]]]:
    lines = _without_marks(file)
    for _ in islice(lines, form.skipped):
        pass
    reader = csv.reader(lines, delimiter=form.delimiter)
    before = 0
    for record in reader:
        yield form.skipped + before + 1, record
        before = reader.line_num


def _without_marks(file: TextIO) -> Iterator[str]:
    for number, line in enumerate(file):
        yield line.lstrip(_BOM) if number == 0 else line


def _refuse_other_content(head: bytes) -> None:
    for mark, what, valid in _NOT_CSV:
        if head.startswith(mark):
            raise UnusableInputError(f"the input is {what}, not CSV", valid)
    if _JSON.match(head):
        what = "GeoJSON" if b'"FeatureCollection"' in head or b'"Feature"' in head else "JSON"
        raise UnusableInputError(f"the input is {what}, not CSV", "export it as CSV with a column for each coordinate")
    if _MARKUP.match(head):
        raise UnusableInputError("the input is HTML or XML, not CSV", "export the table as CSV")


def _detect_encoding(path: Path, head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for encoding, place in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, others = head[place::2], head[1 - place :: 2]
        if zeros and zeros.count(0) > len(zeros) * 0.6 and others.count(0) < len(others) * 0.1:
            return encoding
    return next(encoding for encoding in ("utf-8", "cp1252", "latin-1") if _decodes(path, encoding))


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _detect_delimiter(header: str, names: tuple[str, ...]) -> str:
    """The delimiter under which most of the names appear; else the most frequent one.

    Without names, a comma is one: in a file of commas, the name of a column can have several of the others.
    """
    if not names and "," in header:
        return ","

    def score(delimiter: str) -> tuple[int, int]:
        columns = [column.strip().casefold() for column in next(csv.reader([header], delimiter=delimiter), [])]
        return sum(name.strip().casefold() in columns for name in names), header.count(delimiter)

    return max(DELIMITERS, key=score)
