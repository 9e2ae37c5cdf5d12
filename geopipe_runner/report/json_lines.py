"""`--output json`: one JSON object per event and line on standard output, and nothing else there."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from typing import TextIO

from ..errors import InterruptedByUser
from ..events import Event, Failed, Transferred
from ..json_shape import JsonDocument
from ..reconcile.model import PlannedChange
from .escape import to_json
from .text.error import print_error
from .text.stdio import lost_output


class JsonReport:
    """Writes each event as it comes, with the time (UTC). Errors go to standard error as well."""

    def __init__(
        self, out: TextIO, err: TextIO, place: JsonDocument | None = None, lock: threading.Lock | None = None
    ) -> None:
        """`place` is part of each event, and `lock` keeps lines whole, where several deployments share the output."""
        self._out = out
        self._err = err
        self._place = place or {}
        self._lock = lock or threading.Lock()

    def emit(self, event: Event) -> None:
        """Write one line."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = to_json({"time": time, **self._place, **event.document()})
        with self._lock:
            try:
                print(line, file=self._out, flush=True)
            except OSError as error:
                if isinstance(event, Transferred):
                    return  # a transfer must not fail because its progress has no reader; the next event will
                self._out = io.StringIO()  # there is no reader any more for what follows
                raise lost_output(error) from None
            if isinstance(event, Failed):
                print_error(event.error, self._err)  # people who read the log of a CI job look there

    def ask(self, question: str, about: PlannedChange | None = None) -> bool:
        """Raise InterruptedByUser: a program reads this, so no one can answer."""
        raise InterruptedByUser(
            f"--output json does not ask questions. This one needs an answer: {question}",
            "Leave out --output json, and the command asks.",
        )

    def confirm(self, question: str, name: str) -> bool:
        """Raise InterruptedByUser, like `ask`."""
        return self.ask(question)

    def close(self) -> None:
        """Nothing is left to write."""
