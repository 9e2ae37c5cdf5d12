"""Executions of the pipeline: find, start, read and follow them, and read the function's log of that time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..aws import secrets
from ..aws.not_found import none_if_not_found
from ..aws.parallel import in_background
from ..aws.poll import StateTable, TimedOut
from ..aws.retry import NOT_YET_ALLOWED, ROLE_NOT_READY
from ..kinds.sagemaker_pipeline import normalize_definition
from .definition import StepOutline, outline
from .run_id import client_request_token, is_run_id

if TYPE_CHECKING:
    from ..aws.clients import Aws

T = TypeVar("T")

_LOGGED_LATE = timedelta(seconds=5)

# Seconds within which a line of a function's log shows up; AWS gives no sign of it.
_LOG_DELAY = 15.0

# Seconds that a read may take at least, also when the time for the execution is nearly over.
_SHORTEST_READ = 5.0

EXECUTION_STATES = StateTable(
    thing="pipeline execution",
    running=frozenset({"Executing", "Stopping"}),
    succeeded=frozenset({"Succeeded"}),
    failed=frozenset({"Failed", "Stopped", "CompletedWithFailures"}),
)


@dataclass(frozen=True)
class StepView:
    """One step as ListPipelineExecutionSteps shows it. `token` is a callback's, and a secret."""

    name: str
    kind: str
    status: str
    started: datetime | None
    ended: datetime | None
    failure: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    target: str = ""
    """The ARN of the function that it calls, or the URL of the queue that it sends to."""


@dataclass(frozen=True)
class ExecutionInput:
    """What an execution was started with: parameters, some of them secrets, and the steps of the definition."""

    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    steps: tuple[StepOutline, ...] = ()


@dataclass(frozen=True)
class ExecutionView:
    """An execution as DescribePipelineExecution shows it, with its steps in the order in which they started."""

    arn: str
    status: str
    run_id: str
    started: datetime | None = None
    failure: str = ""
    steps: tuple[StepView, ...] = ()
    modified: datetime | None = None
    """When its status last changed; for one that has ended, its end. None where it comes from a listing."""

    @property
    def succeeded(self) -> bool:
        return self.status in EXECUTION_STATES.succeeded

    @property
    def outputs(self) -> dict[str, str]:
        """All steps' outputs together."""
        return {name: value for step in self.steps for name, value in step.outputs.items()}


def start(aws: Aws, pipeline: str, run_id: str, parameters: Mapping[str, str]) -> str:
    """Start an execution and return its ARN, as soon as its role and the tags just written are effective."""
    sagemaker = aws.client("sagemaker")

    def start_once() -> str:
        return start_pipeline_execution(sagemaker, pipeline, run_id, parameters)

    return aws.retrier.call(NOT_YET_ALLOWED, lambda: aws.retrier.call(ROLE_NOT_READY, start_once))


# snippet-start:[python.example_code.sagemaker.StartPipelineExecution]
def start_pipeline_execution(sagemaker_client: Any, pipeline: str, run_id: str, parameters: Mapping[str, str]) -> str:
    """Start an execution and return its ARN. With the same token, SageMaker returns the execution it has started."""
    response = sagemaker_client.start_pipeline_execution(
        PipelineName=pipeline,
        PipelineExecutionDisplayName=run_id,
        PipelineParameters=[{"Name": name, "Value": value} for name, value in parameters.items()],
        ClientRequestToken=client_request_token(run_id),
    )
    return str(response["PipelineExecutionArn"])


# snippet-end:[python.example_code.sagemaker.StartPipelineExecution]


def every(aws: Aws, pipeline: str) -> Iterator[ExecutionView]:
    """Yields all executions of `pipeline`, newest first, without their steps; none where there is no pipeline."""
    pages = aws.client("sagemaker").get_paginator("list_pipeline_executions")
    listing = iter(pages.paginate(PipelineName=pipeline, SortBy="CreationTime", SortOrder="Descending"))
    while page := none_if_not_found(lambda: next(listing, None)):
        for found in page["PipelineExecutionSummaries"]:
            yield ExecutionView(
                arn=found["PipelineExecutionArn"],
                status=found["PipelineExecutionStatus"],
                run_id=found.get("PipelineExecutionDisplayName", ""),
                started=found.get("StartTime"),
            )


def unfinished(aws: Aws, pipeline: str) -> Iterator[ExecutionView]:
    """Returns the executions that have not ended."""
    return (found for found in every(aws, pipeline) if not EXECUTION_STATES.is_final(found.status))


def is_same_work(
    aws: Aws, execution: ExecutionView, definition: Mapping[str, Any], parameters: Mapping[str, str]
) -> bool:
    """Whether `execution` is one of our runs and does the same as a new one with these `parameters` would."""
    if not is_run_id(execution.run_id) or execution.status != "Executing":
        return False
    if normalize_definition(_definition(aws, execution.arn)) != normalize_definition(definition):
        return False
    running = _parameters(aws, execution.arn)
    return all(running.get(name) == value for name, value in parameters.items())


def asked(aws: Aws, arn: str) -> ExecutionInput:
    """Returns what an execution was started with."""
    return ExecutionInput(_parameters(aws, arn), outline(_definition(aws, arn)))


def _definition(aws: Aws, arn: str) -> dict[str, Any]:
    answer = aws.client("sagemaker").describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    found: dict[str, Any] = json.loads(answer["PipelineDefinition"])
    return found


def _parameters(aws: Aws, arn: str) -> dict[str, str]:
    pages = aws.client("sagemaker").get_paginator("list_pipeline_parameters_for_execution")
    listing = pages.paginate(PipelineExecutionArn=arn)
    return {entry["Name"]: entry["Value"] for page in listing for entry in page["PipelineParameters"]}


def view(aws: Aws, arn: str, *, with_steps: bool) -> ExecutionView:
    """Returns an execution as it is now."""
    now = describe_pipeline_execution(aws.client("sagemaker"), arn)
    return replace(now, steps=steps(aws, arn)) if with_steps else now


# snippet-start:[python.example_code.sagemaker.DescribePipelineExecution]
def describe_pipeline_execution(sagemaker_client: Any, arn: str) -> ExecutionView:
    """Returns an execution's status (Executing, Stopping, Succeeded, Failed or Stopped), and why it failed."""
    response = sagemaker_client.describe_pipeline_execution(PipelineExecutionArn=arn)
    return ExecutionView(
        arn=arn,
        status=response["PipelineExecutionStatus"],
        run_id=response.get("PipelineExecutionDisplayName", ""),
        started=response.get("CreationTime"),
        failure=response.get("FailureReason", ""),
        modified=response.get("LastModifiedTime"),
    )


# snippet-end:[python.example_code.sagemaker.DescribePipelineExecution]


def steps(aws: Aws, arn: str) -> tuple[StepView, ...]:
    """Returns the steps of an execution that have started, in that order."""
    pages = aws.client("sagemaker").get_paginator("list_pipeline_execution_steps")
    listing = pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
    return tuple(_step(found) for page in listing for found in page["PipelineExecutionSteps"])


# snippet-start:[python.example_code.sagemaker.FollowPipelineExecution]
def follow(
    aws: Aws, arn: str, *, every: float, within: float, with_steps: bool, seen: Callable[[ExecutionView], None]
) -> ExecutionView:
    """Poll until the execution has ended, passing each view to `seen`. Raises poll.TimedOut after `within` s."""
    deadline = aws.retrier.time.clock() + within

    def read() -> ExecutionView:
        now = read_within(deadline - aws.retrier.time.clock(), lambda: view(aws, arn, with_steps=with_steps))
        seen(now)
        return now

    def is_terminal(now: ExecutionView) -> bool:
        return EXECUTION_STATES.is_final(now.status)

    return aws.retrier.poll(read, is_terminal, every=every, within=within)


# snippet-end:[python.example_code.sagemaker.FollowPipelineExecution]


def read_within(seconds: float, read: Callable[[], T]) -> T:
    """Returns what `read` returns. Raises poll.TimedOut when that takes longer, as with an endpoint that hangs."""
    try:
        return in_background(read).result(max(seconds, _SHORTEST_READ))
    except TimeoutError:
        raise TimedOut(None) from None


def log_lines(
    aws: Aws, log_group: str, since: datetime | None, count: int, until: datetime | None = None
) -> tuple[str, ...]:
    """Returns the last `count` lines that the function logged in that time; none where there is no log group."""
    times = {"startTime": _milliseconds(since)} if since else {}
    # What is logged about an end comes a moment after it.
    times |= {"endTime": _milliseconds(until + _LOGGED_LATE)} if until else {}
    pages = aws.client("logs").get_paginator("filter_log_events")
    listing = pages.paginate(logGroupName=log_group, **times)
    messages = (event["message"].rstrip("\n") for page in listing for event in page["events"])
    return tuple(none_if_not_found(lambda: deque(messages, count)) or ())


def was_invoked(aws: Aws, log_group: str, step: StepView) -> bool:
    """Whether the function has logged anything since a step began; log lines may take a few seconds to show up."""

    def logged() -> bool:
        return bool(log_lines(aws, log_group, step.started, 1))

    try:
        return aws.retrier.poll(logged, bool, every=0.5, within=_LOG_DELAY)
    except TimedOut:
        return False


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _step(found: Mapping[str, Any]) -> StepView:
    described: dict[str, dict[str, Any]] = found.get("Metadata", {})
    kind, metadata = next(iter(described.items()), ("", {}))
    outputs = {entry["Name"]: entry["Value"] for entry in metadata.get("OutputParameters", [])}
    secrets.register(metadata.get("CallbackToken"))
    return StepView(
        name=found["StepName"],
        kind=kind,
        status=found["StepStatus"],
        started=found.get("StartTime"),
        ended=found.get("EndTime"),
        failure=found.get("FailureReason", ""),
        outputs=outputs,
        target=metadata.get("Arn") or metadata.get("SqsQueueUrl") or "",
        token=metadata.get("CallbackToken", ""),
    )
