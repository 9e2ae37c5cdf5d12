"""The operations on executions: start, describe, list, stop, retry and update."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

from ...protocol.errors import ServiceError
from ...service import CallerIdentity, Environment, Handler, RequestContext
from .definition import Definition, DefinitionError
from .engine import Engine
from .execution import ExecutionRequest, Now, PipelineExecution, StepRun
from .paging import created_between, descending, page
from .requests import described_caller, pipeline_arn, refuse_unsupported
from .roles import require_assumable
from .selection import StepSelection, select
from .status_events import StatusEvents
from .store import ClientToken, Pipeline, Store
from .values import to_text
from .version_operations import aliases_of, version_number

_ID_ALPHABET = string.ascii_lowercase + string.digits


class ExecutionOperations:
    def __init__(self, environment: Environment, store: Store, engine: Engine, now: Now) -> None:
        self._environment = environment
        self._store = store
        self._engine = engine
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        return {
            "StartPipelineExecution": self.start,
            "DescribePipelineExecution": self.describe,
            "ListPipelineExecutions": self.list,
            "ListPipelineExecutionSteps": self.list_steps,
            "ListPipelineParametersForExecution": self.list_parameters,
            "DescribePipelineDefinitionForExecution": self.describe_definition,
            "StopPipelineExecution": self.stop,
            "RetryPipelineExecution": self.retry,
            "UpdatePipelineExecution": self.update,
        }

    def start(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        refuse_unsupported(request, "MlflowExperimentName")
        if "RoleArn" in request:
            raise ServiceError("ValidationException", "RoleArn is for pipelines managed by AWS only.")
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        require_assumable(self._environment, pipeline.role_arn, context)
        token = ClientToken.of(f"StartPipelineExecution {pipeline.arn}", context.region, request)
        proposed = self._execution(request, pipeline, self._environment.identify(context))
        execution = self._store.add_execution(proposed, token)
        if execution is proposed:
            self._engine.begin(execution)
        return {"PipelineExecutionArn": execution.request.arn}

    def describe(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        aliases = list(aliases_of(self._store.pipeline(execution.request.pipeline_arn), execution))
        with execution.lock:
            description = {
                "PipelineArn": execution.request.pipeline_arn,
                "PipelineExecutionArn": execution.request.arn,
                "PipelineExecutionDisplayName": execution.display_name,
                "PipelineExecutionStatus": execution.status,
                "PipelineExecutionDescription": execution.description,
                "FailureReason": execution.reason or None,
                "CreationTime": execution.created,
                "LastModifiedTime": execution.modified,
                "PipelineVersionId": execution.request.version,
                "PipelineVersionAliases": aliases or None,
                "CreatedBy": described_caller(execution.request.caller),
                "LastModifiedBy": described_caller(execution.modified_by),
                "RoleArn": execution.request.role_arn,
                "ParallelismConfiguration": execution.max_parallel
                and {"MaxParallelExecutionSteps": execution.max_parallel},
                "SelectiveExecutionConfig": execution.request.selection,
            }
        return _without_none(description)

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        executions = [e for e in self._store.executions(pipeline.arn) if created_between(e.created, request)]
        if request.get("PipelineVersionAlias"):
            version = version_number(pipeline, request)
            executions = [execution for execution in executions if execution.request.version == version]
        if request.get("SortBy") == "PipelineExecutionArn":
            executions.sort(key=lambda execution: execution.request.arn)
        if descending(request):
            executions.reverse()
        items, next_token = page(executions, lambda execution: execution.request.arn, request)
        summaries = [_execution_summary(execution, aliases_of(pipeline, execution)) for execution in items]
        return {"PipelineExecutionSummaries": summaries, **next_token}

    def list_steps(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """List the steps that have started. A step that waits for others, or never starts, is not in the list."""
        runs = self._find(request).runs()
        if descending(request):
            runs.reverse()
        items, next_token = page(runs, lambda run: run.step.name, request)
        return {"PipelineExecutionSteps": [_step_summary(run) for run in items], **next_token}

    def list_parameters(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """List every declared parameter with its value, including defaults."""
        values = list(self._find(request).request.parameters.items())
        items, next_token = page(values, lambda entry: entry[0], request)
        return {"PipelineParameters": [{"Name": n, "Value": to_text(v)} for n, v in items], **next_token}

    def describe_definition(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        return {"PipelineDefinition": execution.request.definition.text, "CreationTime": execution.created}

    def stop(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Stop an execution. AWS does not document its error for a finished one; its model has ConflictException."""
        execution = self._find(request)
        if execution.finished:
            raise ServiceError(
                "ConflictException",
                f"Pipeline execution {execution.request.arn} has already finished with status {execution.status}.",
            )
        self._engine.stop_execution(execution)
        execution.note_modifier(self._environment.identify(context))
        return {"PipelineExecutionArn": execution.request.arn}

    def retry(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Continue the same execution, with the definition and the parameters of its start."""
        execution = self._find(request)
        require_assumable(self._environment, execution.request.role_arn, context)
        token = ClientToken.of(f"RetryPipelineExecution {execution.request.arn}", context.region, request)
        limit = request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps")
        self._store.once(execution, token, lambda: self._engine.retry(execution, limit))
        execution.note_modifier(self._environment.identify(context))
        return {"PipelineExecutionArn": execution.request.arn}

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        self._engine.update(
            execution,
            display_name=request.get("PipelineExecutionDisplayName"),
            description=request.get("PipelineExecutionDescription"),
            max_parallel=request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps"),
        )
        execution.note_modifier(self._environment.identify(context))
        return {"PipelineExecutionArn": execution.request.arn}

    def _find(self, request: Mapping[str, Any]) -> PipelineExecution:
        if "PipelineExecutionArn" not in request:
            raise ServiceError("ValidationException", "PipelineExecutionArn is required.")
        return self._store.execution(request["PipelineExecutionArn"])

    def _execution(self, request: Mapping[str, Any], pipeline: Pipeline, caller: CallerIdentity) -> PipelineExecution:
        number = version_number(pipeline, request)
        definition = pipeline.versions[number - 1].definition
        selection = self._selection(request, pipeline, definition)
        selected = selection.steps if selection else None
        _refuse_unanswered(definition, selected)
        parallelism = request.get("ParallelismConfiguration", {})
        return PipelineExecution(
            ExecutionRequest(
                arn=f"{pipeline.arn}/execution/{''.join(secrets.choice(_ID_ALPHABET) for _ in range(12))}",
                pipeline_arn=pipeline.arn,
                pipeline_name=pipeline.name,
                region=pipeline.region,
                role_arn=pipeline.role_arn,
                definition=definition,
                version=number,
                caller=caller,
                parameters=_bind(definition, request.get("PipelineParameters", [])),
                selection=selection.config if selection else None,
            ),
            self._engine.open_step,
            self._now,
            display_name=request.get("PipelineExecutionDisplayName", ""),
            description=request.get("PipelineExecutionDescription"),
            max_parallel=parallelism.get("MaxParallelExecutionSteps", pipeline.max_parallel),
            selected=selected,
            reused=selection.reused if selection else (),
            report=StatusEvents(self._environment.emit).note,
        )

    def _selection(
        self, request: Mapping[str, Any], pipeline: Pipeline, definition: Definition
    ) -> StepSelection | None:
        config = request.get("SelectiveExecutionConfig")
        if config is None:
            return None
        arn = config.get("SourcePipelineExecutionArn")
        source = self._store.execution(arn) if arn else None
        if source is not None and source.request.pipeline_arn != pipeline.arn:
            raise ServiceError("ValidationException", f"{arn} is not an execution of pipeline {pipeline.name}.")
        return select(config, definition, source)


def _refuse_unanswered(definition: Definition, selected: frozenset[str] | None) -> None:
    """Refuse a start with steps that AWS could run and this endpoint cannot."""
    steps = [step for step in definition.steps if selected is None or step.name in selected]
    if refusals := [refusal for step in steps if (refusal := step.type.refusal(step))]:
        raise ServiceError("NotImplemented", f"Not supported by this endpoint: {'; '.join(refusals)}", 501)


def _bind(definition: Definition, parameters: list[Mapping[str, str]]) -> dict[str, Any]:
    names = [entry["Name"] for entry in parameters]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ServiceError("ValidationException", f"Pipeline parameters given more than once: {', '.join(repeated)}")
    if empty := [entry["Name"] for entry in parameters if not entry["Value"]]:
        # The service's words (aws/sagemaker-python-sdk 4016), although its model allows empty values.
        reason = 'string "" is too short (length: 0, required minimum: 1)'
        raise ServiceError("ValidationException", f"Value of pipeline parameter '{empty[0]}': [{reason}]")
    try:
        return definition.bind({entry["Name"]: entry["Value"] for entry in parameters})
    except DefinitionError as error:
        raise ServiceError("ValidationException", str(error)) from None


def _execution_summary(execution: PipelineExecution, aliases: Sequence[str]) -> dict[str, Any]:
    return _without_none(
        {
            "PipelineExecutionArn": execution.request.arn,
            "StartTime": execution.created,
            "PipelineExecutionStatus": execution.status,
            "PipelineExecutionDescription": execution.description,
            "PipelineExecutionDisplayName": execution.display_name,
            "PipelineExecutionFailureReason": execution.reason or None,
            "PipelineVersionAliases": list(aliases) or None,
        }
    )


def _step_summary(run: StepRun) -> dict[str, Any]:
    return _without_none(
        {
            "StepName": run.step.name,
            "StepDisplayName": run.step.display_name,
            "StepDescription": run.step.description,
            "StartTime": run.started,
            "EndTime": run.ended,
            "StepStatus": run.status,
            "FailureReason": run.reason or None,
            "AttemptCount": run.attempt,
            "CacheHitResult": _source(run.cache_source),
            "SelectiveExecutionResult": _source(run.selected_from),
            "Metadata": {kind: _metadata(entry, run) for kind, entry in run.metadata.items()},
        }
    )


def _source(execution_arn: str) -> dict[str, str] | None:
    return {"SourcePipelineExecutionArn": execution_arn} if execution_arn else None


def _metadata(entry: Mapping[str, Any], run: StepRun) -> Mapping[str, Any]:
    if not run.step.type.has_outputs:
        return entry
    return {**entry, "OutputParameters": [{"Name": name, "Value": value} for name, value in run.outputs.items()]}


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
