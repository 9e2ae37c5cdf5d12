"""Results as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...results.csv import format_row
from .messages import count

if TYPE_CHECKING:  # it brings botocore along, which `validate` does not need
    from ...results.read import Results

_INDENT = " " * 8
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def result_lines(results: Results, width: int | None) -> Iterator[str]:
    """Yields where the results are, their first rows and how many there are.

    The rows are a table on a terminal of `width` columns. Elsewhere they stand as in the file, below their header.
    """
    yield f"Getting output results {results.bucket}."
    for key in results.keys:
        yield f"{_INDENT}Output file: {key}"
    yield f"{_INDENT}Output file contents:"
    yield ""
    if width and results.first:
        from .result_table import table_lines  # imports rich, which only a terminal needs

        yield from (_INDENT + line for line in table_lines(results, max(1, width - len(_INDENT))))
    else:
        for row in (results.header, *results.first) if results.header else results.first:
            yield from (_INDENT + line for line in format_row(row).split("\n"))
    yield ""
    yield _INDENT + amount(results)
    for warning in results.warnings:
        yield f"{_INDENT}Warning: {warning}"
    if results.files:
        yield f"{_INDENT}Saved as {', '.join(map(str, results.files))}."


def amount(results: Results) -> str:
    """Returns how much there is: rows where they were counted, else bytes."""
    if results.rows is None:
        first = f"The first {count(len(results.first), 'row')} of {format_size(results.size)}"
        return f"{first}; --output-dir DIR fetches, counts and saves them all."
    if results.valid is None:
        return f"{count(results.rows, 'row')}."
    return f"{count(results.rows, 'row')}, {results.valid:,} of them Valid Data."


def format_size(count: int) -> str:
    """Returns a number of bytes for people: `212 MB`."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if value < 999.5 else f"{value:.0f} {_UNITS[unit]}"
