"""Reports that listen in: a plan saved as a file, a summary for a CI job; and several reports as one."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import AwsError, GeopipeError
from ..reconcile.model import Step
from .documents import plan_document
from .events import Event, Failed, Finished, Planned, Report


class Several:
    """Tells each of `others` what it tells `first`; only `first` asks."""

    def __init__(self, first: Report, *others: Listener) -> None:
        self._first = first
        self._others = others
        self._told: set[str] = set()

    def tell(self, event: Event) -> None:
        """Everyone hears it, then raises what one of them raised."""
        if isinstance(event, Finished):
            self._finish(event)
            return
        self._first.tell(event)
        if isinstance(event, Failed):
            self._told.add(event.error.message)
        failed: list[GeopipeError] = []
        for other in self._others:
            try:
                other.hear(event)
            except GeopipeError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _finish(self, event: Finished) -> None:
        """Listeners write when it is over, and may fail or have to say something, after which nothing may come."""
        failed: list[GeopipeError] = []
        for other in self._others:
            try:
                other.hear(event)
            except GeopipeError as error:
                failed.append(error)
                if error.message not in self._told:  # the folder was of no use from the beginning
                    self._first.tell(Failed(error))
        code = event.exit_code or max((error.exit_code for error in failed), default=0)
        self._first.tell(Finished(code))
        if failed:
            raise failed[0]

    def ask(self, question: str, about: Step | None = None) -> bool:
        """As the first does."""
        return self._first.ask(question, about)

    def close(self) -> None:
        """As the first does."""
        self._first.close()


class Listener:
    """Hears events, never asks and never prints."""

    def hear(self, event: Event) -> None:
        """One event."""


class PlanFile(Listener):
    """`--plan-out FILE`: the plan as JSON, written when it is made."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hear(self, event: Event) -> None:
        """Raises AwsError when the file cannot be written: a plan asked for and not saved is no plan."""
        if not isinstance(event, Planned):
            return
        text = json.dumps(plan_document(event.config, event.account.region, event.plan), indent=2) + "\n"
        try:
            self._path.write_text(text, "utf-8")
        except OSError as error:
            raise AwsError(f"Cannot write {self._path}: {error.strerror}.", "Name another --plan-out.") from None
