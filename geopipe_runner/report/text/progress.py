"""The progress of uploads and downloads, as bars at the bottom of a terminal."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Column

from ...events import Transferred
from ..escape import printable

_BAR = 16  # characters; this leaves room for a name on 60 columns, next to the count of bytes


class LiveTransfers:
    """Bars that stay at the bottom while lines are printed above them, and leave nothing behind."""

    def __init__(self, out: TextIO) -> None:
        console = Console(file=out, highlight=False)
        column = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        name = TextColumn("{task.description}", markup=False, table_column=column)
        self._progress = Progress(
            name,
            BarColumn(_BAR),
            DownloadColumn(),
            console=console,
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    @property
    def is_done(self) -> bool:
        """Returns whether every transfer has ended."""
        return bool(self._progress.finished)

    def show(self, event: Transferred) -> None:
        """Show the progress of one transfer."""
        if event.what not in self._tasks:
            self._tasks[event.what] = self._progress.add_task(printable(event.what), total=event.total)
        self._progress.update(self._tasks[event.what], completed=event.done, total=event.total)

    def print_above(self, text: str) -> None:
        """Print a line of the transcript above the bars."""
        self._progress.console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()
