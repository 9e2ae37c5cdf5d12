"""Several deployments on the terminal: a line for each that works, and what each has to say when it has ended."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from ...errors import UsageError
from ..escape import printable
from ..outcome import OutcomeWatch
from .stdio import lost_output
from .style import is_terminal

# What has so few lines that a heading would be longer.
_SHORT = ("validate",)
# What takes a moment, so that its phases say nothing.
_BRIEF = ("doctor", "open", "plan", "status", "validate")


class Board(AbstractContextManager["Board"]):
    """Prints what each deployment has to say when it has ended. This one prints errors only, on standard error."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        """Errors that may be those of several deployments, with the name of the first one."""

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""

    def refresh(self) -> None:
        """Show what has changed. Called often, on the thread that prints."""

    def show_ended(self, watch: OutcomeWatch) -> None:
        """Show a deployment that has ended. Raises OutputClosed."""
        if watch.error_text:
            print("".join(f"{line}\n" for line in self._error_lines(watch)), end="", file=sys.stderr, flush=True)

    def _error_lines(self, watch: OutcomeWatch) -> list[str]:
        """Return what to print of an error. What is wrong in a file or an option that several use is printed once."""
        name, errors = watch.result.name, watch.error_text
        if watch.names_file:
            return [line for line in errors.splitlines() if self._shown.setdefault(line, name) == name]
        if watch.result.exit_code == UsageError.exit_code and (first := self._shown.setdefault(errors, name)) != name:
            errors = f"Error: the same as for {first}."
        return [f"{name}: {line}" for line in errors.splitlines()]


class PlainBoard(Board):
    """Prints lines of text, in the order in which things happen, and also the phases of each deployment."""

    def __init__(self, command: str, watches: Sequence[OutcomeWatch]) -> None:
        super().__init__()
        self._command = command
        self._watches = watches
        self._phases: dict[str, str] = {}

    def refresh(self) -> None:
        for watch in self._watches:
            if watch.is_running and self._phases.get(watch.result.name) != watch.phase:
                self._phases[watch.result.name] = watch.phase
                self._print_phase(watch)

    def show_ended(self, watch: OutcomeWatch) -> None:
        name, text = watch.result.name, watch.transcript.getvalue()
        errors = watch.error_text
        if watch.path is not None:
            text = f"{name}: exit code {watch.result.exit_code}, {watch.result.seconds:.1f} s, {watch.path}\n"
        elif errors:
            text = text.replace(errors, "")
        if text and watch.path is None and self._command not in _SHORT:
            place = f" in account {watch.result.account_id}, {watch.result.region}" if watch.result.region else ""
            text = f"== {name}{place}\n{text}\n"
        self._print(text)
        super().show_ended(watch)

    def _print_phase(self, watch: OutcomeWatch) -> None:
        if watch.phase != "starting" and self._command not in _BRIEF:
            self._print(f"{watch.result.name}: {watch.phase}\n")

    def _print(self, text: str) -> None:
        try:
            print(text, end="", flush=True)
        except OSError as error:
            sys.stdout = io.StringIO()  # there is no reader any more for what follows
            raise lost_output(error) from None


class LiveBoard(PlainBoard):
    """The same on a terminal, with a line for each deployment at the bottom."""

    def __init__(self, command: str, watches: Sequence[OutcomeWatch]) -> None:
        super().__init__(command, watches)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveBoard:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """Nothing: the view refreshes itself."""

    def _print(self, text: str) -> None:
        self._console.print(text, end="", markup=False, soft_wrap=True)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
        for column in range(5):
            table.add_column(justify="right" if column == 4 else "left", no_wrap=True, overflow="ellipsis")
        running = [watch for watch in self._watches if watch.is_running]
        waiting = [watch for watch in self._watches if not watch.is_running and not watch.has_ended]
        room = max(1, shutil.get_terminal_size().lines - 3)
        for watch in (*running, *waiting)[:room]:
            result = watch.result
            words = (result.name, result.account_id or "", result.region or "", watch.state)
            style = "cyan" if watch.is_running else "dim"
            time = f"{watch.seconds:.0f} s" if watch.is_running else ""
            table.add_row(*(Text(printable(word), style=style if word == watch.state else "") for word in words), time)
        ended = len(self._watches) - len(running) - len(waiting)
        table.add_row(Text(f"{ended} of {len(self._watches)} done", style="bold"))
        return table


def make_board(command: str, watches: Sequence[OutcomeWatch], *, is_json: bool) -> Board:
    """Return the board for standard output."""
    if is_json:
        return Board()
    return LiveBoard(command, watches) if is_terminal(sys.stdout) else PlainBoard(command, watches)
