"""The table at the end of a command on several deployments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...events import DeploymentResult, ResultColumn
from ..outcome import describe_changes
from .style import Colored, Line

_RIGHT = {"rows", "time", "exit code"}


def several_lines(results: Sequence[DeploymentResult], columns: Sequence[ResultColumn]) -> Iterator[Line]:
    """Yields the heading and a line for each deployment. Lines of those that failed are red.

    `columns` are those that the command can fill, besides those that every command fills.
    """
    headings = ("deployment", "account", "region", *columns, "time", "exit code")
    rows = [_cells(result, columns) for result in results]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    yield _line(headings, headings, widths)
    for result, row in zip(results, rows, strict=True):
        yield (Colored(_line(headings, row, widths), {0: "", 4: "yellow"}.get(result.exit_code, "red")),)


def _cells(result: DeploymentResult, columns: Sequence[ResultColumn]) -> tuple[str, ...]:
    filled: dict[ResultColumn, str] = {
        "changes": describe_changes(result.changes) or "-",
        "execution": result.execution or "-",
        "rows": "-" if result.rows is None else f"{result.rows:,}",
    }
    return (
        result.name,
        result.account_id or "-",
        result.region or "-",
        *(filled[column] for column in columns),
        f"{result.seconds:.1f} s",
        str(result.exit_code),
    )


def _line(headings: Sequence[str], cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
        for heading, cell, width in zip(headings, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()
