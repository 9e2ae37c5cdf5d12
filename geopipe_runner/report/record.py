"""What a command did, as one document: the content of `run.json`, and what the reports are made from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import GeopipeError
from ..pipeline.execution import Asked, ExecutionView
from . import events
from .documents import (
    Document,
    asked_document,
    failure_document,
    outcome_document,
    place_document,
    plan_document,
    resource_documents,
    results_document,
    step_documents,
)
from .several import Listener

VERSION = 1
"""Of the document's form; it grows by fields without a new one."""


def _now() -> datetime:
    return datetime.now(UTC)


class RunRecord(Listener):
    """Hears everything. What never came about is null or empty: there is no plan where the credentials were wrong."""

    def __init__(self, config: Path, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._document: Document = {
            "version": VERSION,
            "geopipe": __version__,
            **dict.fromkeys(("deployment", "account_id", "region", "endpoint")),
            "config": config.name,
            "began": clock().isoformat(),
            "ended": None,
            **dict.fromkeys(("run_id", "execution_arn", "status", "plan")),
            "applied": [],
            "definition": [],
            "steps": [],
            "parameters": {},
            "results": None,
            "failure": None,
            "notes": [],
            "remaining": None,
        }
        self._hearers: dict[type, Callable[[Any], None]] = {
            events.Connected: lambda e: self._document.update(place_document(e.config, e.account)),
            events.Planned: self._planned,
            events.StepDone: lambda e: self._document["applied"].append(outcome_document(e.outcome)),
            events.Note: lambda e: self._document["notes"].append(e.text),
            events.ExecutionStarted: self._started,
            events.ExecutionSeen: lambda e: self._seen(e.view),
            events.ExecutionEnded: lambda e: self._seen(e.view),
            events.ExecutionShown: self._shown,
            events.ResultsRead: lambda e: self._document.update(results=results_document(e.results)),
            events.Failed: lambda e: self._failed(e.error),
            events.Complete: lambda e: self._document.update(remaining=resource_documents(e.remaining)),
            events.Finished: lambda e: self._document.update(ended=self._clock().isoformat()),
        }

    @property
    def document(self) -> Document:
        """What has been heard so far."""
        return self._document

    def hear(self, event: events.Event) -> None:
        """One event."""
        hearer = self._hearers.get(type(event))
        if hearer:
            hearer(event)

    def _planned(self, event: events.Planned) -> None:
        plan = plan_document(event.config, event.account.region, event.plan)
        self._document.update(place_document(event.config, event.account), plan=plan)

    def _started(self, event: events.ExecutionStarted) -> None:
        """Another execution than before where the first try came too early; this is the one that counts."""
        self._document.update(run_id=event.run_id, execution_arn=event.arn, status="Executing", steps=[])
        self._document.update(asked_document(event.asked))

    def _seen(self, view: ExecutionView) -> None:
        self._document["status"] = view.status
        if view.steps:
            self._document["steps"] = step_documents(view)

    def _shown(self, event: events.ExecutionShown) -> None:
        self._document.update(run_id=event.view.run_id, execution_arn=event.view.arn)
        self._document.update(asked_document(event.asked or Asked()))
        self._seen(event.view)

    def _failed(self, error: GeopipeError) -> None:
        """The first failure is the one that counts; what has no code has a reason, and advice."""
        if self._document["failure"] is None:
            self._document["failure"] = failure_document(error.failure) or _uncoded(error)


def _uncoded(error: GeopipeError) -> Document:
    return {
        "code": "",
        "step": None,
        "reason": error.message,
        "job_error": None,
        "log_lines": [],
        "advice": error.hint,
    }
