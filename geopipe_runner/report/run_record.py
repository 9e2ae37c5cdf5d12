"""What a command did, as one document: the content of `run.json`, from which the reports are made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .. import __version__, events
from ..documents import (
    PLACE,
    RESULTS,
    change_result_document,
    execution_input_document,
    failure_document,
    plan_document,
    resource_documents,
    step_documents,
)
from ..json_shape import JsonDocument
from ..pipeline.execution import ExecutionInput, ExecutionView
from .composite import EventHandler
from .escape import redact_all

# Of the document's form. Fields may be added without a new version.
VERSION = 1


def _now() -> datetime:
    return datetime.now(UTC)


class RunRecord(EventHandler):
    """Collects events. What a command did not reach is null or empty: without credentials there is no plan."""

    def __init__(self, config: Path, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._document: JsonDocument = {
            "version": VERSION,
            "geopipe": __version__,
            **dict.fromkeys(("deployment", "account_id", "region", "endpoint")),
            "config": config.name,
            "began": now().isoformat(),
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

    @property
    def document(self) -> JsonDocument:
        """Returns what was collected so far, without secrets."""
        document: JsonDocument = redact_all(self._document)
        return document

    def handle(self, event: events.Event) -> None:
        """Take one event."""
        document = self._document
        match event:
            case events.Connected():
                document |= PLACE.build((event.config, event.account))

            case events.Planned():
                document |= PLACE.build((event.config, event.account))
                document["plan"] = plan_document(event.config, event.account.region, event.plan)

            case events.StepDone():
                document["applied"].append(change_result_document(event.outcome))

            case events.Note():
                document["notes"].append(event.text)

            case events.ExecutionStarted():
                # Where the first execution came too early, a second one starts: that is the one that counts.
                document |= {"run_id": event.run_id, "execution_arn": event.arn, "status": "Executing", "steps": []}
                document |= execution_input_document(event.execution_input)

            case events.ExecutionSeen() | events.ExecutionEnded():
                self._update_execution(event.view)

            case events.ExecutionShown():
                document |= {"run_id": event.view.run_id, "execution_arn": event.view.arn}
                document |= execution_input_document(event.execution_input or ExecutionInput())
                self._update_execution(event.view)

            case events.ResultsRead():
                results = RESULTS.build(event.results)
                document["notes"] += [f"Warning: {warning}" for warning in results.pop("warnings")]
                document["results"] = results

            case events.Failed():
                # A cleanup may fail after a run has failed: the first failure is the one that counts.
                document["failure"] = document["failure"] or failure_document(event.error)

            case events.Complete():
                document["remaining"] = resource_documents(event.remaining)

            case events.Finished():
                document["ended"] = self._now().isoformat()

    def _update_execution(self, view: ExecutionView) -> None:
        self._document["status"] = view.status
        if view.steps:
            self._document["steps"] = step_documents(view)
