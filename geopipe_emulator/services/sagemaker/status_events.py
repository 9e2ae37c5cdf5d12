"""Reports the status changes of executions and steps to EventBridge.

The shapes are those of the SageMaker developer guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge". It
does not show the first event of an execution or a step: here, that one has no previous status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ...service import ServiceEvent
from .execution import PipelineExecution, StepRun

_EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"


class StatusEvents:
    """Compares an execution with what was last reported of it. It is called under the execution's lock."""

    def __init__(self, emit: Callable[[ServiceEvent], None]) -> None:
        self._emit = emit
        self._status = ""
        self._steps: dict[int, str] = {}

    def skip(self, execution: PipelineExecution) -> None:
        """Take the present state as reported: an earlier process has done so."""
        self._status = execution.status
        self._steps = {run.number: run.status for run in execution.runs()}

    def note(self, execution: PipelineExecution, runs: list[StepRun]) -> None:
        """Report what has changed: first the steps, then the execution, unless it has just begun."""
        is_new = not self._status
        if is_new:
            self._note_execution(execution)
        for run in runs:
            self._note_step(execution, run)
        self._note_execution(execution)

    def _note_execution(self, execution: PipelineExecution) -> None:
        if execution.status == self._status:
            return
        detail = {
            "pipelineExecutionDescription": execution.description,
            "pipelineExecutionDisplayName": execution.display_name,
            "currentPipelineExecutionStatus": execution.status,
            "previousPipelineExecutionStatus": self._status or None,
            "executionStartTime": _text(execution.created),
            "executionEndTime": _text(execution.modified) if execution.finished else None,
        }
        self._status = execution.status
        self._send(_EXECUTION, execution, detail)

    def _note_step(self, execution: PipelineExecution, run: StepRun) -> None:
        before = self._steps.get(run.number, "")
        if run.status == before or run.selected_from:
            return
        self._steps[run.number] = run.status
        detail = {
            "failureReason": run.reason or None,
            "cacheHitResult": {"sourcePipelineExecutionArn": run.cache_source} if run.cache_source else None,
            "metadata": {_lower(kind): _lowered(entry) for kind, entry in run.metadata.items()},
            "stepStartTime": _text(run.started),
            "stepEndTime": _text(run.ended) if run.ended else None,
            "stepName": run.step.name,
            "stepType": run.step.type.name,
            "previousStepStatus": before or None,
            "currentStepStatus": run.status,
        }
        self._send(_STEP, execution, detail)

    def _send(self, detail_type: str, execution: PipelineExecution, detail: Mapping[str, Any]) -> None:
        request = execution.request
        arns = {"pipelineArn": request.pipeline_arn, "pipelineExecutionArn": request.arn}
        given = {name: value for name, value in detail.items() if value is not None}
        self._emit(ServiceEvent("aws.sagemaker", detail_type, request.region, tuple(arns.values()), {**given, **arns}))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lowered(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    # A callback's token is not part of the event: any reader could answer with it.
    return {_lower(name): _lowered(value) for name, value in entry.items() if name != "CallbackToken"}


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
