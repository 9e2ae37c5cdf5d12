"""Plans and events as plain data, the form in which programs read them (`events.schema.json`).

Field by field on purpose: what is not named here, a callback's token above all, cannot get out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ..aws.account import Account
from ..config.model import Config
from ..errors import ConfigError
from ..failure_codes import Failure
from ..kinds.base import MISSING, Change
from ..pipeline.execution import Asked, ExecutionView, StepView
from ..pipeline.results import Results
from ..reconcile.applier import Outcome
from ..reconcile.model import Action, Plan, Step
from . import events
from .secrets import hidden, sides

Document = dict[str, Any]


def plan_document(config: Config, region: str, plan: Plan) -> Document:
    """A whole plan."""
    return {
        "deployment": config.deployment,
        "account_id": config.account_id,
        "region": region,
        "summary": {action.value: len(plan.having(action)) for action in Action},
        "steps": [_step(step) for step in plan],
    }


def place_document(config: Config, account: Account) -> Document:
    """Which deployment, and where."""
    return {
        "deployment": config.deployment,
        "account_id": account.account_id,
        "region": account.region,
        "endpoint": account.endpoint_url,
        "config": config.path.name,
    }


def asked_document(asked: Asked) -> Document:
    """What an execution was started with. What a parameter's name says is a secret stays one."""
    return {
        "parameters": {name: hidden(name, value) for name, value in asked.parameters.items()},
        "definition": [
            {"name": step.name, "type": step.kind, "depends_on": list(step.depends_on)} for step in asked.steps
        ],
    }


def event_document(event: events.Event) -> Document:
    """One event; `event` names its kind."""
    name, fields = _EVENTS[type(event)]
    return {"event": name, **fields(event)}


def failure_document(failure: Failure | None) -> Document | None:
    """Why a set-up or an execution failed."""
    if failure is None:
        return None
    return {
        "code": failure.code,
        "step": failure.step,
        "reason": failure.reason,
        "job_error": failure.job_error,
        "log_lines": list(failure.log_lines),
        "advice": failure.advice,
    }


def step_documents(view: ExecutionView) -> list[Document]:
    """An execution's steps that have begun."""
    return [_execution_step(step) for step in view.steps]


def _step(step: Step) -> Document:
    document = _resource(step) | {"action": step.action.value, "changes": [_change(change) for change in step.changes]}
    if step.action is Action.CREATE:
        document["identity"] = "known after apply"
    elif step.observed is not None:
        document["identity"] = step.observed.identity
    return document | ({"reason": step.reason} if step.reason else {})


def _resource(step: Step) -> Document:
    resource = step.resource
    return {"key": resource.key, "kind": resource.kind.name, "name": resource.name, "group": resource.group}


def _change(change: Change) -> Document:
    told = zip(("old", "new"), sides(change), strict=True)
    return {"path": change.path, **{side: value for side, value in told if value is not MISSING}}


def outcome_document(outcome: Outcome) -> Document:
    """What was done to one resource."""
    document = _resource(outcome.step) | {"action": outcome.step.action.value}
    if outcome.identity:
        document["identity"] = outcome.identity
    return document | ({"error": str(outcome.error)} if outcome.error is not None else {})


def _execution(view: ExecutionView) -> Document:
    return {
        "arn": view.arn,
        "status": view.status,
        "run_id": view.run_id,
        "failure": view.failure,
        "steps": step_documents(view),
    }


def _execution_step(step: StepView) -> Document:
    return {
        "name": step.name,
        "type": step.kind,
        "status": step.status,
        "started": _time(step.started),
        "ended": _time(step.ended),
        "failure": step.failure,
        "outputs": {name: hidden(name, value) for name, value in step.outputs.items()},
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def results_document(results: Results) -> Document:
    """What a run left, without its rows."""
    return {
        "bucket": results.bucket,
        "keys": list(results.keys),
        "size": results.size,
        "header": list(results.header),
        "rows": results.rows,
        "valid": results.valid,
        "saved": str(results.saved) if results.saved else None,
        "files": [str(path) for path in results.files],
    }


def _results(event: events.ResultsRead) -> Document:
    return results_document(event.results) | {"first_rows": [list(row) for row in event.results.first]}


def _failed(event: events.Failed) -> Document:
    error = event.error
    document: Document = {
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "failure": failure_document(error.failure),
    }
    if isinstance(error, ConfigError):
        document["problems"] = [
            {"file": p.file, "line": p.line, "column": p.column, "what": p.what, "valid": p.valid}
            for p in error.problems
        ]
    return document


def resource_documents(steps: Iterable[Step]) -> list[Document]:
    """Which resources."""
    return [_resource(step) for step in steps]


_EVENTS: dict[type, tuple[str, Callable[[Any], Document]]] = {
    events.Welcome: ("welcome", lambda e: {}),
    events.Valid: ("valid", lambda e: {"path": e.path}),
    events.Connected: ("connected", lambda e: place_document(e.config, e.account)),
    events.Planned: ("planned", lambda e: {"plan": plan_document(e.config, e.account.region, e.plan)}),
    events.SetupBegins: ("setup_started", lambda e: {}),
    events.StepDone: ("resource", lambda e: outcome_document(e.outcome)),
    events.Note: ("note", lambda e: {"text": e.text}),
    events.ExecutionStarted: (
        "execution_started",
        lambda e: {"arn": e.arn, "run_id": e.run_id, "resumed": e.resumed, **asked_document(e.asked)},
    ),
    events.ExecutionSeen: ("execution_status", lambda e: _execution(e.view)),
    events.ExecutionEnded: ("execution_ended", lambda e: _execution(e.view)),
    events.ExecutionShown: (
        "execution",
        lambda e: _execution(e.view) | {"explanation": failure_document(e.failure)},
    ),
    events.CallbackWaiting: (
        "callback_waiting",
        lambda e: {
            "execution_arn": e.execution_arn,
            "step": e.step,
            "since": _time(e.since),
            "job_state": e.job_state,
            "answered": e.answered,
        },
    ),
    events.LogRead: ("log", lambda e: {"execution_arn": e.execution_arn, "lines": list(e.lines)}),
    events.ResultsRead: ("results", _results),
    events.Transferred: ("transfer", lambda e: {"what": e.what, "done": e.done, "total": e.total}),
    events.StudioInstructions: ("studio", lambda e: {"pipeline": e.pipeline, "region": e.region}),
    events.Failed: ("failed", _failed),
    events.CleanupBegins: ("cleanup_started", lambda e: {}),
    events.CleanupPlanned: ("cleanup_planned", lambda e: {"steps": [_step(step) for step in e.plan]}),
    events.Deleted: ("deleted", lambda e: outcome_document(e.outcome)),
    events.Complete: ("complete", lambda e: {"remaining": resource_documents(e.remaining)}),
    events.Finished: ("finished", lambda e: {"exit_code": e.exit_code}),
}
