"""What became of one of several deployments, from its events: its line while it runs, and its row of the table."""

from __future__ import annotations

import io
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from .. import events
from ..errors import ConfigError, TemplateError
from ..events import DeploymentResult
from ..reconcile.model import Action
from .composite import EventHandler

TRANSCRIPT = "transcript.txt"
_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.ADOPT: ">", Action.DELETE: "-", Action.REFUSE: "!"}


class Transcript(io.StringIO):
    """Text in memory, and also in a file where there is one."""

    file: TextIO | None = None

    def write(self, text: str) -> int:
        if self.file is not None:
            self.file.write(text)
        return super().write(text)

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()


class OutcomeWatch(EventHandler):
    """Collects what the line and the row of one deployment say."""

    def __init__(self, result: DeploymentResult) -> None:
        self.result = result
        self.state = "waiting"
        """What it does now, in a few words."""
        self.phase = "waiting"
        """The same without counts."""
        self.is_running = False
        self.has_ended = False
        self.names_file = False
        """Whether the error begins with file:line:column, which editors and CI systems recognize."""
        self.transcript = Transcript()
        self.errors: TextIO = self.transcript
        self.path: Path | None = None
        """The file of the transcript."""
        self._began: float | None = None
        self._done: Counter[Action] = Counter()
        self._total = 0

    def open_transcript(self, folder: Path | None) -> Transcript:
        """Return what the transcript is written to; with `folder`, it is also a file there. A folder may be missing."""
        self.errors = _Both(self.transcript)
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self.path = folder / TRANSCRIPT
                self.transcript.file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
            except OSError:
                self.path = None  # the command itself reports that nothing can be written there
        return self.transcript

    def begin(self) -> None:
        """Note that its work begins."""
        self._began = time.monotonic()
        self._enter("starting")
        self.is_running = True

    def end(self, exit_code: int) -> None:
        """Note that its work has ended."""
        self.result = replace(self.result, exit_code=exit_code, seconds=self.seconds)
        self.is_running, self.has_ended = False, True
        if self.transcript.file is not None:
            self.transcript.file.close()
            self.transcript.file = None

    @property
    def seconds(self) -> float:
        """Returns how long it has worked so far."""
        if self.has_ended:
            return self.result.seconds
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def error_text(self) -> str:
        """Returns what was printed as an error."""
        return self.errors.getvalue() if isinstance(self.errors, _Both) else ""

    def handle(self, event: events.Event) -> None:
        """Take one event."""
        match event:
            case events.Planned():
                counts = {action: len(event.plan.having(action)) for action in _SIGNS}
                self._count(Counter(counts))
                self._total = sum(step.writes for step in event.plan)
                self._enter("planned", f": {describe_changes(self.result.changes)}")

            case events.SetupBegins():
                self._count(Counter())
                self._enter("setting up")

            case events.StepDone():
                self._add(event.outcome.step.action if event.outcome.error is None else None)
                self._enter("setting up", f": {self._done.total()} of {self._total}")

            case events.ExecutionStarted():
                self._enter("executing")

            case events.ExecutionSeen():
                self.result = replace(self.result, execution=event.view.status)
                running = [step.name for step in event.view.steps if step.status == "Executing"]
                self._enter("executing", f": {', '.join(running)}" if running else "")

            case events.ExecutionEnded() | events.ExecutionShown():
                self.result = replace(self.result, execution=event.view.status)

            case events.ResultsRead():
                self.result = replace(self.result, rows=event.results.rows)
                self._enter("saving results")

            case events.CleanupPlanned() if self.result.changes is None:
                # With --dry-run, nothing follows. What has been done already says more than what is planned.
                self._count(Counter({Action.DELETE: len(event.plan.having(Action.DELETE))}))
                self._enter("planned", f": {describe_changes(self.result.changes)}")

            case events.CleanupBegins():
                self._enter("cleaning up")

            case events.Failed():
                self.names_file = isinstance(event.error, ConfigError | TemplateError)

            case events.Deleted():
                self._add(event.outcome.step.action if event.outcome.error is None else None)
                self._enter("cleaning up", f": {self._done[Action.DELETE]} deleted")

    def _enter(self, phase: str, more: str = "") -> None:
        self.phase, self.state = phase, phase + more

    def _add(self, action: Action | None) -> None:
        if action in _SIGNS and action is not Action.REFUSE:
            self._done[action] += 1
        self._count(self._done)

    def _count(self, counts: Counter[Action]) -> None:
        self._done = counts if counts is self._done else Counter()
        changes = {action.value: number for action, number in counts.items() if number}
        self.result = replace(self.result, changes=changes)


class _Both(io.StringIO):
    """Errors: in a text of their own, and in their place in the transcript."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__()
        self._transcript = transcript

    def write(self, text: str) -> int:
        self._transcript.write(text)
        return super().write(text)


def describe_changes(changes: object) -> str:
    """Returns `+13 ~1`: how many resources are created, updated, adopted (>), deleted, refused (!); "" if unknown."""
    if not isinstance(changes, dict):
        return ""
    found = (f"{sign}{changes[action.value]}" for action, sign in _SIGNS.items() if changes.get(action.value))
    return " ".join(found) or "none"
