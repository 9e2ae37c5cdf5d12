"""Whether the coordinates of an input are degrees that the job understands, judged by its first rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .text_format import UnusableInputError

SAMPLE = 1000
"""Rows that are looked at."""

_DECIMAL_COMMA = re.compile(r"^[+-]?\d{1,3},\d+$")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}([.,'\u2019\u00a0 ]\d{3}){2,}([.,]\d+)?$")
_SEXAGESIMAL = re.compile(
    r"\d\s*[\u00b0\u00ba'\"\u2032\u2033:]|^\s*[NSEWO]\s*\d|\d\s*[NSEWO]\s*$|^[+-]?\d+ \d+( [\d.]+)?$", re.IGNORECASE
)

_FIXES = {
    "latitude and longitude are swapped": "swap job.longitude_column and job.latitude_column",
    "it has decimal commas": "write decimal points, such as 12.4924",
    "it has thousands separators": "write plain degrees, such as 12.4924",
    "it has degrees, minutes and seconds": "write decimal degrees, such as 12.4924 (negative for south and west)",
    "it is outside of -180..180 and -90..90": "use degrees (WGS 84), not meters of a map grid",
    "it is empty": "fill in the coordinates",
    "it is not a number": "write decimal degrees, such as 12.4924",
}


@dataclass
class CoordinateCheck:
    """Counts the rows of a sample by what is wrong with them."""

    rows: int = 0
    valid: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, line: int, longitude: str, latitude: str) -> None:
        """Count one row."""
        self.rows += 1
        cause = _cause(longitude.strip(), latitude.strip())
        if cause is None:
            self.valid += 1
            return
        self.causes[cause] += 1
        self.examples.setdefault(cause, f"line {line} has {longitude.strip()!r} and {latitude.strip()!r}")

    @property
    def note(self) -> str | None:
        """What to say about a file of which some rows can be used; None where all can."""
        if not self.causes:
            return None
        cause, _ = self.causes.most_common(1)[0]
        number = self.rows - self.valid
        return (
            f"{number:,} of the first {self.rows:,} rows have coordinates that the job cannot use; "
            f"{self.examples[cause]}: {cause}."
        )

    def refuse(self, file: str) -> None:
        """Raise UnusableInputError where no row can be used, or latitude and longitude are swapped."""
        if not self.causes:
            return
        cause, number = self.causes.most_common(1)[0]
        swapped = "latitude and longitude are swapped"
        if self.causes[swapped] * 2 >= self.rows:
            cause, number = swapped, self.causes[swapped]
        elif self.valid:
            return
        sample = f"any of the first {self.rows:,} rows" if cause != swapped else f"{number:,} of {self.rows:,} rows"
        what = f"the job cannot use the coordinates of {sample} of {file}; {self.examples[cause]}: {cause}"
        raise UnusableInputError(what, _FIXES[cause])


def check(rows: Iterable[tuple[int, list[str]]], longitude: int, latitude: int) -> CoordinateCheck:
    """Returns what the rows hold. `longitude` and `latitude` are the positions of the columns."""
    result = CoordinateCheck()
    for line, row in rows:
        if any(cell.strip() for cell in row):
            result.add(line, *(row[place] if place < len(row) else "" for place in (longitude, latitude)))
    return result


def _cause(longitude: str, latitude: str) -> str | None:
    numbers = [_degrees(text) for text in (longitude, latitude)]
    if None not in numbers:
        x, y = (number for number in numbers if number is not None)
        if abs(x) <= 180 and abs(y) <= 90:
            return None
        if abs(x) <= 90 and abs(y) <= 180:
            return "latitude and longitude are swapped"
        return "it is outside of -180..180 and -90..90"
    if not longitude or not latitude:
        return "it is empty"
    wrong = [text for text, number in zip((longitude, latitude), numbers, strict=True) if number is None]
    for pattern, cause in (
        (_THOUSANDS, "it has thousands separators"),
        (_DECIMAL_COMMA, "it has decimal commas"),
        (_SEXAGESIMAL, "it has degrees, minutes and seconds"),
    ):
        if any(pattern.search(text) for text in wrong):
            return cause
    return "it is not a number"


def _degrees(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
