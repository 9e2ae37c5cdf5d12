"""What a function logs, as lines with their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from ...events import LogLineRead
from .style import Colored, Line


def log_lines(event: LogLineRead) -> Iterator[Line]:
    """Returns each line of what was logged, with the time in UTC and, where there are several functions, its name."""
    time = event.logged_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    function = f"{event.function}  " if event.with_function else ""
    for line in event.text.split("\n"):
        yield (Colored(f"{time}  {function}", "dim"), line)
