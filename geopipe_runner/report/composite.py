"""Several reports as one: one speaks with the user, the others only collect what happens."""

from __future__ import annotations

from pathlib import Path

from ..documents import plan_document
from ..errors import AwsError, GeopipeError
from ..events import Event, Failed, Finished, Planned, Report
from ..reconcile.model import PlannedChange
from ..whole_files import write_named
from .escape import to_json


class EventHandler:
    """Receives events; never asks and never prints."""

    def handle(self, event: Event) -> None:
        """Take one event."""


class CompositeReport:
    """Passes each event to `first` and then to `handlers`; only `first` asks."""

    def __init__(self, first: Report, *handlers: EventHandler) -> None:
        self._first = first
        self._handlers = handlers
        self._reported: set[str] = set()

    def emit(self, event: Event) -> None:
        """Pass the event to everyone, then raise what one of the handlers raised.

        Handlers write their files at the last event. They may fail then, and after the last event nothing can be
        reported any more; so `first` gets it last, with the exit code that results.
        """
        is_last = isinstance(event, Finished)
        if not is_last:
            self._first.emit(event)
        if isinstance(event, Failed):
            self._reported.add(event.error.message)
        errors: list[GeopipeError] = []
        for handler in self._handlers:
            try:
                handler.handle(event)
            except GeopipeError as error:
                errors.append(error)
                if is_last and error.message not in self._reported:
                    self._first.emit(Failed(error))
        if isinstance(event, Finished):
            code = event.exit_code or max((error.exit_code for error in errors), default=0)
            self._first.emit(Finished(code))
        if errors:
            raise errors[0]

    def ask(self, question: str, about: PlannedChange | None = None) -> bool:
        return self._first.ask(question, about)

    def confirm(self, question: str, name: str) -> bool:
        return self._first.confirm(question, name)

    def close(self) -> None:
        self._first.close()


class PlanFile(EventHandler):
    """`--plan-out FILE`: writes the plan as JSON when there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def handle(self, event: Event) -> None:
        """Write the plan.

        Raises:
            AwsError: The file cannot be written; the command must not continue without the plan the user wants.
        """
        if isinstance(event, Planned):
            document = event.saved() if event.saved else plan_document(event.config, event.account.region, event.plan)
            text = to_json(document, indent=2)
            try:
                write_named(self._path, text + "\n")
            except OSError as error:
                raise AwsError(f"Cannot write {self._path}: {error.strerror}.", "Name another file.") from None
