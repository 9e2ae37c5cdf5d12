"""The steps of a running execution on a terminal: states, durations and the time elapsed, ticking between polls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ...pipeline.execution import ExecutionView
from ..escape import printable

_STYLES = {"Succeeded": "green", "Failed": "red", "Stopped": "yellow", "Stopping": "yellow", "Executing": "cyan"}


class LiveSteps:
    """A table that stays at the bottom of the terminal while lines are printed above it."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False)
        self._view: ExecutionView | None = None
        self._job = ""
        self._since = datetime.now(UTC)
        self._spinner = Spinner("dots")
        self._live = Live(self, console=self._console, refresh_per_second=8, transient=True)
        self._live.start()

    def show(self, view: ExecutionView, job: str) -> None:
        """Show this state from now on."""
        self._view = view
        self._job = job

    def print_above(self, text: str) -> None:
        """Print a line of the transcript above the view."""
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self, view: ExecutionView | None) -> None:
        """End the live view. With `view`, its last state stays on the screen."""
        self._live.stop()
        if view is not None and view.steps:
            self._console.print(_table(view, datetime.now(UTC)))

    def __rich__(self) -> RenderableType:
        now = datetime.now(UTC)
        started = self._view.started if self._view and self._view.started else self._since
        job = f"; {printable(self._job)}" if self._job else ""
        self._spinner.update(text=Text(f" {_duration(started, now)} elapsed{job}"))
        return Group(_table(self._view, now), self._spinner) if self._view and self._view.steps else self._spinner


def _table(view: ExecutionView, now: datetime) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("        Step", "State", "Time"):
        table.add_column(heading, justify="right" if heading == "Time" else "left")
    for step in view.steps:
        state = Text(printable(step.status), style=_STYLES.get(step.status, ""))
        table.add_row(Text(f"        {printable(step.name)}"), state, _duration(step.started, step.ended or now))
    return table


def _duration(start: datetime | None, end: datetime) -> str:
    if start is None:
        return ""
    seconds = max(0.0, (end - start).total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
