"""The first rows of a result as a small table that fits a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from ..escape import printable

if TYPE_CHECKING:  # it brings botocore along, which `validate` does not need
    from ...results.read import Results

_GAP = 2
_WIDEST = 24  # characters of a column; longer cells are cut
_NARROWEST = 12  # characters that the address keeps, so that the others have room
_LABEL = "label"
_STATUS = "status"


def table_lines(results: Results, width: int) -> list[str]:
    """Returns the rows, each on one line of at most `width` characters.

    Of the columns that have content, the address and the status always stay; the others follow while there is room.
    """
    if not results.first:
        return []
    names = [name.rsplit(".", 1)[-1] for name in results.header]
    longest_row = max(map(len, results.first))
    columns: list[tuple[str, list[str]]] = []
    for number in range(longest_row):
        cells = [printable(row[number]) if number < len(row) else "" for row in results.first]
        if any(cells):
            columns.append((printable(names[number]) if number < len(names) else "", cells))
    if not columns:
        return []

    widths = [min(_WIDEST, max(map(cell_len, (name, *cells)))) for name, cells in columns]
    headings = [name.lower() for name, _ in columns]
    status = headings.index(_STATUS) if _STATUS in headings else len(columns) - 1
    label = headings.index(_LABEL) if _LABEL in headings else status
    full = widths[label]
    if label != status:
        widths[label] = min(full, _NARROWEST)
    shown = {status, label}
    if _total(widths, shown) > width:
        shown = {status}
    for number in range(len(columns)):
        if number not in shown:
            if _total(widths, shown | {number}) > width:
                break
            shown.add(number)
    if label in shown:
        widths[label] = min(full, widths[label] + max(0, width - _total(widths, shown)))

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=any(results.header))
    for number in sorted(shown):
        table.add_column(columns[number][0], max_width=widths[number], no_wrap=True, overflow="ellipsis")
    for row in range(len(results.first)):
        table.add_row(*(columns[number][1][row] for number in sorted(shown)))
    console = Console(width=width, color_system=None, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def _total(widths: list[int], columns: set[int]) -> int:
    return sum(widths[number] for number in columns) + _GAP * (len(columns) - 1)
