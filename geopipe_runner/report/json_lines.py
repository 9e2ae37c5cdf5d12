"""`--output json`: one JSON object per event and line on standard output, and nothing else there."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime
from typing import TextIO

from ..errors import InterruptedByUser
from ..reconcile.model import Step
from . import error_text
from .documents import event_document
from .events import Event, Failed, Transferred
from .streams import lost_output


class JsonReport:
    """Writes each event as it comes, with the time (UTC); errors on standard error as well."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """One line."""
        document = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event_document(event)}
        line = json.dumps(document, ensure_ascii=False)
        with self._lock:
            try:
                print(line, file=self._out, flush=True)
            except OSError as error:
                if isinstance(event, Transferred):
                    return  # told in the midst of a call, which must not fail by that; what is told next will
                self._out = io.StringIO()  # what follows is said to nobody
                raise lost_output(error) from None
            if isinstance(event, Failed):
                error_text.show(event.error, self._err)  # whoever reads the log of a job looks there

    def ask(self, question: str, about: Step | None = None) -> bool:
        """A program reads this: there is nobody to ask."""
        raise InterruptedByUser(f"Nobody is there to answer: {question}", "Leave --output json away to be asked.")

    def close(self) -> None:
        """Everything is written already."""
