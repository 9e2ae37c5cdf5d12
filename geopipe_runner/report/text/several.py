"""The table at the end of a command on several deployments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...events import DeploymentResult
from ..outcome import describe_changes
from .style import Colored, Line

_HEADINGS = ("deployment", "account", "region", "changes", "execution", "rows", "time", "exit code")
_RIGHT = {"rows", "time", "exit code"}


def several_lines(results: Sequence[DeploymentResult]) -> Iterator[Line]:
    """Yields the heading and a line for each deployment. Lines of those that failed are red."""
    rows = [_cells(result) for result in results]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    yield _line(_HEADINGS, widths)
    for result, row in zip(results, rows, strict=True):
        yield (Colored(_line(row, widths), {0: "", 4: "yellow"}.get(result.exit_code, "red")),)


def _cells(result: DeploymentResult) -> tuple[str, ...]:
    return (
        result.name,
        result.account_id or "-",
        result.region or "-",
        describe_changes(result.changes) or "-",
        result.execution or "-",
        "-" if result.rows is None else f"{result.rows:,}",
        f"{result.seconds:.1f} s",
        str(result.exit_code),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()
