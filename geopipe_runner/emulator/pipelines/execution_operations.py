"""The operations on executions: start, look, stop, retry, and the answers to callbacks."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ServiceError
from ..service import Environment, Handler, RequestContext
from .definition import CONDITION, FAIL, Definition, DefinitionError
from .engine import Engine
from .execution import Clock, Execution, ExecutionRequest, StepRun
from .paging import created_between, descending, page
from .pipeline_operations import version_of
from .requests import pipeline_arn, refuse_unsupported
from .roles import require_assumable
from .steps.base import Outcome
from .store import ClientToken, Pipeline, Store
from .values import to_text

Answer = Callable[[str, str, Outcome, str], str]
"""(region, callback token, outcome, client request token) -> ARN of the execution that waited."""

_ID_ALPHABET = string.ascii_lowercase + string.digits


class ExecutionOperations:
    def __init__(self, environment: Environment, store: Store, engine: Engine, answer: Answer, clock: Clock) -> None:
        self._environment = environment
        self._store = store
        self._engine = engine
        self._answer = answer
        self._clock = clock

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
            "SendPipelineExecutionStepSuccess": self.send_success,
            "SendPipelineExecutionStepFailure": self.send_failure,
        }

    def start(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        refuse_unsupported(request, "PipelineVersionAlias", "SelectiveExecutionConfig", "MlflowExperimentName")
        if "RoleArn" in request:
            raise ServiceError("ValidationException", "RoleArn is for pipelines managed by AWS only.")
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        require_assumable(self._environment, pipeline.role_arn, context)
        token = ClientToken.of(f"StartPipelineExecution {pipeline.arn}", context.region, request)
        proposed = self._execution(request, pipeline)
        execution = self._store.add_execution(proposed, token)
        if execution is proposed:
            self._engine.begin(execution)
        return {"PipelineExecutionArn": execution.request.arn}

    def describe(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        with execution.changed:
            shown = {
                "PipelineArn": execution.request.pipeline_arn,
                "PipelineExecutionArn": execution.request.arn,
                "PipelineExecutionDisplayName": execution.display_name,
                "PipelineExecutionStatus": execution.status,
                "PipelineExecutionDescription": execution.description,
                "FailureReason": execution.reason or None,
                "CreationTime": execution.created,
                "LastModifiedTime": execution.modified,
                "PipelineVersionId": execution.request.version,
                "RoleArn": execution.request.role_arn,
                "ParallelismConfiguration": execution.max_parallel
                and {"MaxParallelExecutionSteps": execution.max_parallel},
            }
        return _given(shown)

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        refuse_unsupported(request, "PipelineVersionAlias")
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        found = [e for e in self._store.executions(pipeline.arn) if created_between(e.created, request)]
        if request.get("SortBy") == "PipelineExecutionArn":
            found.sort(key=lambda execution: execution.request.arn)
        if descending(request):
            found.reverse()
        shown, following = page(found, lambda execution: execution.request.arn, request)
        return {"PipelineExecutionSummaries": [_execution_summary(execution) for execution in shown], **following}

    def list_steps(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Steps that have started; one that waits for others, or will never start, is not in the list."""
        runs = self._find(request).runs()
        if descending(request):
            runs.reverse()
        shown, following = page(runs, lambda run: run.step.name, request)
        return {"PipelineExecutionSteps": [_step_summary(run) for run in shown], **following}

    def list_parameters(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Every declared parameter with the value in force, defaults included."""
        values = list(self._find(request).request.parameters.items())
        shown, following = page(values, lambda entry: entry[0], request)
        return {"PipelineParameters": [{"Name": n, "Value": to_text(v)} for n, v in shown], **following}

    def describe_definition(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        return {"PipelineDefinition": execution.request.definition.text, "CreationTime": execution.created}

    def stop(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """AWS's answer for a finished execution is not documented; ConflictException is the one its model has."""
        execution = self._find(request)
        if execution.finished:
            raise ServiceError(
                "ConflictException",
                f"Pipeline execution {execution.request.arn} has already finished with status {execution.status}.",
            )
        self._engine.stop_execution(execution)
        return {"PipelineExecutionArn": execution.request.arn}

    def retry(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """The same execution goes on, with the definition and the parameters that it began with."""
        execution = self._find(request)
        require_assumable(self._environment, execution.request.role_arn, context)
        token = ClientToken.of(f"RetryPipelineExecution {execution.request.arn}", context.region, request)
        limit = request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps")
        self._store.once(execution, token, lambda: self._engine.retry(execution, limit))
        return {"PipelineExecutionArn": execution.request.arn}

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        execution = self._find(request)
        self._engine.update(
            execution,
            display_name=request.get("PipelineExecutionDisplayName"),
            description=request.get("PipelineExecutionDescription"),
            max_parallel=request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps"),
        )
        return {"PipelineExecutionArn": execution.request.arn}

    def send_success(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        outputs = {output["Name"]: output["Value"] for output in request.get("OutputParameters", [])}
        return self._send(request, context, Outcome(True, outputs))

    def send_failure(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._send(request, context, Outcome.failure(request.get("FailureReason", "")))

    def _send(self, request: Mapping[str, Any], context: RequestContext, outcome: Outcome) -> dict[str, Any]:
        client_token = request.get("ClientRequestToken", "")
        return {"PipelineExecutionArn": self._answer(context.region, request["CallbackToken"], outcome, client_token)}

    def _find(self, request: Mapping[str, Any]) -> Execution:
        if "PipelineExecutionArn" not in request:
            raise ServiceError("ValidationException", "PipelineExecutionArn is required.")
        return self._store.execution(request["PipelineExecutionArn"])

    def _execution(self, request: Mapping[str, Any], pipeline: Pipeline) -> Execution:
        definition = version_of(pipeline, request.get("PipelineVersionId"))
        parallelism = request.get("ParallelismConfiguration", {})
        return Execution(
            ExecutionRequest(
                arn=f"{pipeline.arn}/execution/{''.join(secrets.choice(_ID_ALPHABET) for _ in range(12))}",
                pipeline_arn=pipeline.arn,
                pipeline_name=pipeline.name,
                region=pipeline.region,
                role_arn=pipeline.role_arn,
                definition=definition,
                version=request.get("PipelineVersionId", len(pipeline.versions)),
                parameters=_bind(definition, request.get("PipelineParameters", [])),
            ),
            self._engine.open_step,
            self._clock,
            display_name=request.get("PipelineExecutionDisplayName", ""),
            description=request.get("PipelineExecutionDescription"),
            max_parallel=parallelism.get("MaxParallelExecutionSteps", pipeline.max_parallel),
        )


def _bind(definition: Definition, given: list[Mapping[str, str]]) -> dict[str, Any]:
    names = [entry["Name"] for entry in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ServiceError("ValidationException", f"Pipeline parameters given more than once: {', '.join(twice)}")
    try:
        return definition.bind({entry["Name"]: entry["Value"] for entry in given})
    except DefinitionError as error:
        raise ServiceError("ValidationException", str(error)) from None


def _execution_summary(execution: Execution) -> dict[str, Any]:
    return _given(
        {
            "PipelineExecutionArn": execution.request.arn,
            "StartTime": execution.created,
            "PipelineExecutionStatus": execution.status,
            "PipelineExecutionDescription": execution.description,
            "PipelineExecutionDisplayName": execution.display_name,
            "PipelineExecutionFailureReason": execution.reason or None,
        }
    )


def _step_summary(run: StepRun) -> dict[str, Any]:
    return _given(
        {
            "StepName": run.step.name,
            "StepDisplayName": run.step.display_name,
            "StepDescription": run.step.description,
            "StartTime": run.started,
            "EndTime": run.ended,
            "StepStatus": run.status,
            "FailureReason": run.reason or None,
            "AttemptCount": run.attempt,
            "Metadata": {kind: _metadata(entry, run) for kind, entry in run.metadata.items()},
        }
    )


def _metadata(entry: Mapping[str, Any], run: StepRun) -> Mapping[str, Any]:
    if run.step.type in (CONDITION, FAIL):
        return entry
    return {**entry, "OutputParameters": [{"Name": name, "Value": value} for name, value in run.outputs.items()]}


def _given(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if value is not None}
