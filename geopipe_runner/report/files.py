"""What is written beside the results when a command has finished, however it did: `run.json` and the two reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..errors import AwsError
from . import events, html, markdown
from .record import RunRecord
from .several import Listener

NAME = "run.json"


class RunFiles(Listener):
    """Writes into `folder`; `say` gets what the user should know about it."""

    def __init__(self, folder: Path, record: RunRecord, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._record = record
        self._say = say

    def hear(self, event: events.Event) -> None:
        """Raises AwsError at the last event where something cannot be written."""
        self._record.hear(event)
        if isinstance(event, events.Finished):
            try:
                self._write()
            except OSError as error:
                raise AwsError(
                    f"Cannot write into {self._folder}: {error.strerror}.", "Name another --output-dir."
                ) from None

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._put(NAME, json.dumps(self._record.document, indent=2, ensure_ascii=False) + "\n")
        self._put(markdown.NAME, markdown.render(self._record.document))
        if html.available():
            page = html.write(self._record.document, self._folder)
            self._say(f"Report: {page}; as data: {self._folder / NAME}")
        else:
            self._say(f"Report: {self._folder / markdown.NAME}; as data: {self._folder / NAME}")
            self._say(html.HOW_TO_GET)

    def _put(self, name: str, text: str) -> None:
        """It takes its name when it is whole."""
        part = self._folder / f".{name}.part"
        try:
            part.write_text(text, "utf-8", errors="replace")
            part.replace(self._folder / name)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
