"""What is written next to the results when a command has finished, however it did: `run.json` and the two reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import events
from ..errors import AwsError
from ..whole_files import FolderLock, write_whole
from . import html, markdown
from .composite import EventHandler
from .escape import to_json
from .run_record import RunRecord

NAME = "run.json"


class RunFiles(EventHandler):
    """Writes into `folder`, locked from the first event to the last; `emit_note` takes what the user should know."""

    def __init__(self, folder: Path, record: RunRecord, emit_note: Callable[[str], None]) -> None:
        self._folder = folder
        self._record = record
        self._emit_note = emit_note
        self._lock = FolderLock(folder)
        self._error: AwsError | None = None
        self._is_locked = False

    def handle(self, event: events.Event) -> None:
        """Take one event.

        Raises:
            AwsError: At the first event, another command uses the folder. At the last, a file cannot be written.
        """
        self._record.handle(event)
        if self._error is not None:
            if isinstance(event, events.Finished):
                raise self._error
            return
        if not self._is_locked:
            try:
                self._lock.acquire()
                self._is_locked = True
            except AwsError as error:
                self._error = error
                if isinstance(event, events.Failed):
                    return  # that error comes first; this one follows at the last event
                raise
        if isinstance(event, events.Finished):
            try:
                self._write()
            except OSError as error:
                raise AwsError(
                    f"Cannot write into {self._folder}: {error.strerror}.", "Name another --output-dir."
                ) from None
            finally:
                self._lock.release()

    def _write(self) -> None:
        document = self._record.document
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / NAME, to_json(document, indent=2) + "\n")
        write_whole(self._folder / markdown.NAME, markdown.render(document))
        if html.available():
            page = html.write(document, self._folder)
            self._emit_note(f"Data of this run: {self._folder / NAME}. Report: {page}")
        else:
            self._emit_note(f"Data of this run: {self._folder / NAME}. Report: {self._folder / markdown.NAME}")
            self._emit_note(html.HOW_TO_GET)
