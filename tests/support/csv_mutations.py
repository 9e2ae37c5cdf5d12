"""Makes input files as people have them: other encodings, delimiters, quoting, names, coordinates, and damage."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "mac-roman", "shift_jis",
)  # fmt: skip
DELIMITERS = (",", ";", "\t", "|", " ", ":")
LINE_ENDS = ("\n", "\r\n", "\r", "\n\n", "\x85", "\u2028")
NAMES = (
    ("Longitude", "Latitude"), ("longitude", "latitude"), (" Longitude", "Latitude "), ("lng", "lat"), ("x", "y"),
    ("Latitude", "Longitude"), ("Longitude", "Longitude"), ("Longitude\u00a0", "Latitude"), ("", ""),
    ("\ufeffLongitude", "Latitude"), ("Longitude", "Latitude\x1b[2J"), ("Länge", "Breite"), ("1.5", "2.5"),
)  # fmt: skip
CELLS = (
    "", " ", "nan", "inf", "-0", "1e5", "1e999", "NULL", "0x1F", "١٢", "=1+1", "@SUM(A1)", "\x1b[31mred\x1b[0m", "\x07",
    "\u202e123", '"', '""', "a\nb", "x" * 2000, "\ud83d", "é", "日本", "1,5", "1.234,5", "1,234.5", "12°34'56\"N",
)  # fmt: skip


@dataclass(frozen=True)
class CsvInput:
    """The bytes of a file, and whether it is a plain file with known names and sound coordinates."""

    content: bytes
    is_sound: bool
    steps: tuple[str, ...]


def make_csv(random: Random) -> CsvInput:
    """Returns a sound file, or one with up to three mutations."""
    rows = [[_coordinate(random, 180), _coordinate(random, 90), f"place {n}"] for n in range(random.randrange(1, 12))]
    names = ["Longitude", "Latitude", "Name"]
    every_step = [*_TEXT_STEPS, *_BYTE_STEPS]
    # In a fixed order: rows are changed before they are shortened or removed.
    steps = sorted(random.sample(every_step, random.choice((0, 1, 1, 1, 2, 2, 3))), key=every_step.index)
    text_of = _plain_text
    encoding = "utf-8"
    for step in steps:
        if step == "names":
            names[:2] = random.choice(NAMES)
        elif step == "cells":
            for _ in range(random.randrange(1, 5)):
                random.choice(rows)[random.randrange(3)] = random.choice(CELLS)
        elif step == "exchanged":
            rows = [[row[1], row[0], *row[2:]] for row in rows]
        elif step == "decimal commas":
            rows = [[cell.replace(".", ",") for cell in row] for row in rows]
        elif step == "ragged rows":
            rows = [row[: random.randrange(4)] + ["more"] * random.randrange(3) for row in rows]
        elif step == "no rows":
            rows = []
        elif step == "no header":
            names = []
        elif step == "long field":
            rows.append(["1", "2", "y" * random.choice((131_071, 131_073, 300_000))])
        elif step == "encoding":
            encoding = random.choice(ENCODINGS)
        elif step == "dialect":
            text_of = _in_dialect(random)
    content = text_of(names, rows).encode(
        encoding, "replace" if encoding not in ("utf-8", "utf-8-sig") else "surrogatepass"
    )
    for step in steps:
        content = _damage(step, content, random)
    return CsvInput(content, not steps, tuple(steps))


_TEXT_STEPS = (
    "names", "cells", "exchanged", "decimal commas", "ragged rows", "no rows", "no header", "long field", "encoding",
    "dialect",
)  # fmt: skip
_BYTE_STEPS = (
    "zeros",
    "cut",
    "bits",
    "repeated mark",
    "open quote",
    "compressed",
    "first line",
    "not a table",
    "joined",
)


def _coordinate(random: Random, limit: int) -> str:
    return f"{random.uniform(-limit, limit):.{random.randrange(1, 8)}f}"


def _plain_text(names: list[str], rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([names, *rows])
    return file.getvalue()


def _in_dialect(random: Random) -> Callable[[list[str], list[list[str]]], str]:
    delimiter, line_end, quote = random.choice(DELIMITERS), random.choice(LINE_ENDS), random.choice(('"', "'", ""))

    def write(names: list[str], rows: list[list[str]]) -> str:
        lines = [delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in [names, *rows]]
        return line_end.join(lines) + random.choice((line_end, "", line_end * 3))

    return write


def _damage(step: str, content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    match step:
        case "zeros":
            return content[:place] + b"\0" * random.randrange(1, 9) + content[place:]
        case "cut":
            return content[:place]
        case "bits":
            damaged = bytearray(content or b"\0")
            for _ in range(random.randrange(1, 6)):
                damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
            return bytes(damaged)
        case "repeated mark":
            return b"\xef\xbb\xbf" * random.randrange(1, 4) + content
        case "open quote":
            return content[:place] + b'"' + content[place:]
        case "compressed":
            packed = gzip.compress(content)
            return random.choice((packed, packed[: len(packed) // 2], b"PK\x03\x04" + content, b"PAR1" + content))
        case "first line":
            return random.choice((b"sep=;\n", b"# comment\n", b"\n\n", b"   \n", b",,,\n")) + content
        case "not a table":
            return random.choice(
                (b'{"type": "FeatureCollection"}', b"<html>", b"%PDF-1.7", b"\xff\xfe", b"", b"\n" * 50)
            )
        case "joined":
            return content + content
    return content
