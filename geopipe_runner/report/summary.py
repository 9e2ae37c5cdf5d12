"""A short Markdown account of the command, appended to the file a CI system names for it (`$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from . import events, markdown
from .record import RunRecord
from .several import Listener


class JobSummary(Listener):
    """Collects what happens and writes it when the command has finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = RunRecord(path)

    def hear(self, event: events.Event) -> None:
        """A file that cannot be written costs the summary, not the run."""
        self._record.hear(event)
        if not isinstance(event, events.Finished):
            return
        text = markdown.render(self._record.document)
        if text.count("\n") > 1:  # more than the heading
            with suppress(OSError), self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text)
