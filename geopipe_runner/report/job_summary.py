"""A short Markdown summary of the command, appended to the file a CI system names for it (`$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import events
from ..whole_files import append_to_file
from . import markdown
from .composite import EventHandler
from .run_record import RunRecord


class JobSummary(EventHandler):
    """Collects what happens and writes it when the command has finished."""

    def __init__(self, path: Path, emit_note: Callable[[str], None]) -> None:
        self._path = path
        self._emit_note = emit_note
        self._record = RunRecord(path)

    def handle(self, event: events.Event) -> None:
        """Take one event. A file that cannot be written costs the summary, not the run."""
        self._record.handle(event)
        if not isinstance(event, events.Finished):
            return
        text = markdown.render(self._record.document)
        if text.count("\n") > 1:  # more than the heading
            try:
                append_to_file(self._path, text)
            except OSError as error:
                self._emit_note(f"Warning: the summary is not written to {self._path}: {error.strerror}.")
