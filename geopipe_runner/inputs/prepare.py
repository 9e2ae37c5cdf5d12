"""From the configured input to the file that is uploaded: checked before anything is paid for, converted if needed."""

from __future__ import annotations

import csv
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from ..config.model import Config
from ..errors import ConfigError
from . import coordinates
from .columns import Columns
from .text_format import TextFormat, UnusableInputError, detect, records

_STRICTLY_READ = 8_000_000
"""Bytes of a file that is searched for a quotation mark that is never closed."""
_SETTLED_AFTER = 2_000_000_000
"""Nanoseconds. The coarsest times of files are those of FAT, with two seconds."""


@dataclass(frozen=True)
class PreparedInput:
    """A local input and how it is written. `source` is None for an input that is not a local file."""

    source: Path | None = None
    form: TextFormat | None = None
    """Set where the file must be converted."""
    notes: tuple[str, ...] = ()

    def convert(self, folder: Path) -> Path | None:
        """Returns the file to upload: the source, or its conversion, which is written below `folder`."""
        if self.source is None or self.form is None:
            return self.source
        target = folder / self.source.name
        with records(self.source, self.form) as rows, target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([column.strip() for column in next(rows)[1]])
            writer.writerows(row for _, row in rows)
        return target


def prepare(config: Config, columns: Columns | None = None, *, is_csv: bool = False) -> PreparedInput:
    """Look at the input. `is_csv`: it is a CSV file with rows, even if no `columns` of it are known.

    Without both, it can be any file, and only the encoding and delimiter of the configuration count.

    Raises:
        ConfigError: the job cannot work with this file.
    """
    source = config.input.source
    if not isinstance(source, Path):
        return PreparedInput()
    if not (columns or is_csv or config.input.encoding or config.input.delimiter):
        return PreparedInput(source)
    settings = config.input.encoding, config.input.delimiter, columns, is_csv
    try:
        state = _settled_state(source)
        return _prepare_once(state, source, *settings) if state else _prepare(source, *settings)
    except UnusableInputError as error:
        path = tuple(error.key.split("."))
        raise ConfigError([config.problem(path, error.what, error.valid)]) from None
    except (OSError, csv.Error, UnicodeError) as error:
        what = f"{source.name} cannot be read as CSV: {error}"
        raise ConfigError([config.problem(("input", "source"), what, "use a readable CSV file")]) from None


def _settled_state(source: Path) -> tuple[int, ...] | None:
    """Returns what is different after each change of the file; None if it was changed just now.

    The times of a file are as coarse as the system's clock, so a second change in the same moment would not show.
    """
    stat = source.stat()
    is_settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_AFTER
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) if is_settled else None


@lru_cache(maxsize=16)
def _prepare_once(
    _state: tuple[int, ...],
    source: Path,
    encoding: str | None,
    delimiter: str | None,
    columns: Columns | None,
    is_csv: bool,
) -> PreparedInput:
    """Returns what all deployments of a command share that have the same file and the same settings for it."""
    return _prepare(source, encoding, delimiter, columns, is_csv)


def _prepare(
    source: Path, encoding: str | None, delimiter: str | None, columns: Columns | None, is_csv: bool
) -> PreparedInput:
    form = detect(source, encoding, delimiter, columns.names if columns else ())
    notes: list[str] = []
    blanks = False
    if columns is not None:
        notes, blanks = _check(source, form, columns)
    elif is_csv:
        with records(source, form) as rows:
            next(rows)
            _refuse_no_rows(source, list(islice(_with_content(rows), 1)))
        notes = _warn_of_open_quote(source, form)
    if form.is_plain and not blanks:
        return PreparedInput(source, None, tuple(notes))
    why = form.describe() or "column names have blanks around them"
    return PreparedInput(
        source, form, (f"{source.name} is converted to UTF-8 with commas for the upload: {why}.", *notes)
    )


def _check(source: Path, form: TextFormat, columns: Columns) -> tuple[list[str], bool]:
    """Returns what to say, and whether blanks around the needed column names have to go."""
    with records(source, form) as rows:
        header = next(rows)[1]
        sample = list(islice(_with_content(rows), coordinates.SAMPLE))
    places = columns.find(source.name, header, sample[:10])
    _refuse_no_rows(source, sample)
    check = coordinates.check(sample, *places)
    check.refuse(source.name)
    notes = [f"Warning: {check.note}"] if check.note else []
    notes += _warn_of_open_quote(source, form)
    blanks = any(header[place] != name for place, name in zip(places, columns.names, strict=True))
    return notes, blanks or any(name not in header for name in columns.others.values())


def _refuse_no_rows(source: Path, rows: list[tuple[int, list[str]]]) -> None:
    if not rows:
        what = f"{source.name} has a header line and no rows"
        raise UnusableInputError(
            what, "use a file with at least one row: a job without rows costs money and gives no results"
        )


def _with_content(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    return ((line, row) for line, row in rows if any(cell.strip() for cell in row))


def _warn_of_open_quote(source: Path, form: TextFormat) -> list[str]:
    """Returns what to say if a quotation mark is never closed and so swallows the rows after it."""
    if source.stat().st_size > _STRICTLY_READ:
        return []
    with records(source, form) as rows:
        line, record = deque(rows, maxlen=1)[0]
    with source.open(encoding=form.encoding, newline="") as file:
        last_line = sum(1 for _ in file)
    if last_line <= line or "\n" not in "".join(record).replace("\r", "\n").rstrip("\n"):
        return []
    with source.open(encoding=form.encoding, newline="") as file:
        reader = csv.reader(islice(file, line - 1, None), delimiter=form.delimiter, strict=True)
        try:
            for _ in reader:
                pass
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return [
                    f"Warning: a quotation mark in line {line:,} of {source.name} is never closed, so everything up to "
                    f"line {last_line:,} counts as one row."
                ]
    return []
