"""What doctor has checked, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from ...events import CheckDone
from .style import Colored, Line

_COLORS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "dim"}


def check_lines(check: CheckDone) -> Iterator[Line]:
    """Returns a line for what was found, and one for each line of the advice."""
    first, *others = check.finding.split("\n")
    yield (Colored(f"{check.status:<9}", _COLORS[check.status]), f"{check.topic:<13}{first}")
    for line in others:
        yield f"{'':<22}{line}"
    for line in check.advice.split("\n") if check.advice else ():
        yield f"{'':<22}-> {line}"
