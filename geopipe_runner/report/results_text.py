"""Results in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..pipeline.results import Results, as_csv

_INDENT = " " * 8
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def shown(results: Results, width: int | None) -> Iterator[str]:
    """Where the results are, their first rows, how many there are. On a terminal, `width` columns wide, as a table."""
    yield f"Getting output results {results.bucket}."
    for key in results.keys:
        yield f"{_INDENT}Output file: {key}"
    yield f"{_INDENT}Output file contents:"
    yield ""
    for line in _rows(results, width):
        yield _INDENT + line
    yield ""
    yield _INDENT + counted(results)
    if results.files:
        yield f"{_INDENT}Saved as {', '.join(map(str, results.files))}."


def _rows(results: Results, width: int | None) -> Iterator[str]:
    if width and results.first:
        from .result_table import lines  # brings rich along, which only a terminal needs

        yield from lines(results, max(1, width - len(_INDENT)))
        return
    for row in results.first:
        yield from as_csv(row).split("\n")


def counted(results: Results) -> str:
    """How much there is: rows where they were counted, else bytes."""
    if results.rows is None:
        shown = f"The first {len(results.first):,} rows of {size(results.size)}"
        return f"{shown}; --output-dir DIR fetches, counts and saves them all."
    if results.valid is None:
        return f"{results.rows:,} rows."
    return f"{results.rows:,} rows, {results.valid:,} of them Valid Data."


def size(count: int) -> str:
    """Bytes for people: `212 MB`."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if value < 999.5 else f"{value:.0f} {_UNITS[unit]}"
