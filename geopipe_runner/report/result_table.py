"""The first rows of a result as a small table that fits a terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from ..pipeline.results import Results

_GAP = 2
_WIDEST = 24
"""Characters of a column; what is longer is cut."""


def lines(results: Results, width: int) -> list[str]:
    """The rows, each on one line of at most `width` characters: of the columns that say something, those that fit."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=any(results.header))
    columns = [_column(results, column) for column in _telling(results)]
    shown = _fitting([_width(column) for column in columns], width)
    if not shown:
        return []
    for number in shown:
        table.add_column(columns[number][0], max_width=_WIDEST, no_wrap=True, overflow="ellipsis")
    for row in range(len(results.first)):
        table.add_row(*(columns[number][row + 1] for number in shown))
    console = Console(width=width, color_system=None, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def _telling(results: Results) -> list[int]:
    """Columns that have something in at least one row."""
    width = max(len(row) for row in results.first)
    return [column for column in range(width) if any(len(row) > column and row[column] for row in results.first)]


def _column(results: Results, column: int) -> list[str]:
    """A heading and its cells."""
    cells = [row[column] if column < len(row) else "" for row in results.first]
    heading = results.header[column].rsplit(".", 1)[-1] if column < len(results.header) else ""
    return [_line(heading), *map(_line, cells)]


def _width(column: list[str]) -> int:
    return min(_WIDEST, max(map(cell_len, column)))


def _fitting(widths: list[int], width: int) -> list[int]:
    """The first ones, as many as there is room for beside the last, which is where the status stands."""
    left = width - (widths[-1] if widths else 0)
    shown = []
    for number, needed in enumerate(widths[:-1]):
        left -= needed + _GAP
        if left < 0:
            break
        shown.append(number)
    return [*shown, len(widths) - 1] if widths else []


def _line(text: str) -> str:
    """What a cell holds must not move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
