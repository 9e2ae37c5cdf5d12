"""What the tests of stages stand on: AWS with canned responses, and a pipeline with one execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.config.model import Provider
from geopipe_runner.context import Context, Options, State
from geopipe_runner.deployment import Deployment
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.reconcile.blueprint import build_blueprint
from tests.support.reports import Recorder
from tests.support.runner_fakes import FakeTime, config

PIPELINE_ARN = "arn:aws:sagemaker:us-west-2:123456789012:pipeline/sagemaker-sdk-example-pipeline"
EXECUTION_ARN = f"{PIPELINE_ARN}/execution/abcdefghijkl"
RUN_ID = "20261122T113005-1f2e3d4c"
JOB_ARN = "arn:aws:sagemaker-geospatial:us-west-2:123456789012:vector-enrichment-job/abcdefghijkl"
TOKEN = "a1b2c3d4e5"


@dataclass
class CannedAws:
    """All services in one. A response is a value, an error to raise, or a function of the request."""

    responses: dict[str, Any]
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    account: Account = field(default_factory=lambda: Account("123456789012", "us-west-2"))
    retrier: Retrier = field(default_factory=lambda: Retrier(on_wait=lambda _text: None, time=FakeTime()))

    def client(self, _service: str) -> CannedAws:
        return self

    def get_paginator(self, operation: str) -> Any:
        def paginate(**request: Any) -> Iterator[Any]:
            yield self._respond(operation, request)

        return type("Paginator", (), {"paginate": staticmethod(paginate)})

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda **request: self._respond(operation, request)

    def _respond(self, operation: str, request: dict[str, Any]) -> Any:
        self.requests.append((operation, request))
        response = self.responses[operation]
        if isinstance(response, Exception):
            raise response
        return response(**request) if callable(response) else response

    def requests_of(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.requests if name == operation]


def callback_step(name: str = "vej-callback-step", minutes: float = 30, token: str = TOKEN) -> dict[str, Any]:
    """A callback step that has waited for some time, as ListPipelineExecutionSteps shows it."""
    return {
        "StepName": name,
        "StepStatus": "Executing",
        "StartTime": datetime.now(UTC) - timedelta(minutes=minutes),
        "Metadata": {"Callback": {"CallbackToken": token}},
    }


def start_step() -> dict[str, Any]:
    """A Lambda step that has started the job."""
    outputs = [{"Name": "vej_arn", "Value": JOB_ARN}]
    now = datetime.now(UTC)
    return {
        "StepName": "vej-processing-step",
        "StepStatus": "Succeeded",
        "StartTime": now - timedelta(minutes=31),
        "EndTime": now - timedelta(minutes=30),
        "Metadata": {"Lambda": {"OutputParameters": outputs}},
    }


def waiting_pipeline(**changed: Any) -> CannedAws:
    """A pipeline whose execution waits for a callback; everything about it is in order, unless it is `changed`."""
    started = datetime.now(UTC) - timedelta(minutes=31)
    summary = {
        "PipelineExecutionArn": EXECUTION_ARN,
        "PipelineExecutionStatus": "Executing",
        "PipelineExecutionDisplayName": RUN_ID,
        "StartTime": started,
    }
    responses: dict[str, Any] = {
        "list_pipeline_executions": {"PipelineExecutionSummaries": [summary]},
        "describe_pipeline_execution": {
            "PipelineExecutionStatus": "Executing",
            "PipelineExecutionDisplayName": RUN_ID,
            "CreationTime": started,
        },
        "list_pipeline_execution_steps": {"PipelineExecutionSteps": [start_step(), callback_step()]},
        "get_function": {"Configuration": {"State": "Active"}},
        "list_event_source_mappings": {"EventSourceMappings": [{"UUID": "u", "State": "Enabled"}]},
        "get_queue_attributes": queue_numbers(in_flight=1),
        "filter_log_events": {"events": []},
        "get_vector_enrichment_job": {"Status": "IN_PROGRESS"},
        "list_vector_enrichment_jobs": lambda **request: {
            "VectorEnrichmentJobSummaries": [{"Arn": JOB_ARN}] if request["StatusEquals"] == "IN_PROGRESS" else []
        },
        "send_pipeline_execution_step_failure": {},
        "send_pipeline_execution_step_success": {},
    }
    return CannedAws(responses | changed)


def queue_numbers(visible: int = 0, in_flight: int = 0, delayed: int = 0, dead: int = 0) -> Callable[..., Any]:
    """GetQueueAttributes of the queue, with `dead` messages in the dead-letter queue."""

    def respond(**request: Any) -> dict[str, Any]:
        numbers = (dead, 0, 0) if request["QueueUrl"].endswith("-dlq") else (visible, in_flight, delayed)
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        return {"Attributes": {name: str(number) for name, number in zip(names, numbers, strict=True)}}

    return respond


def stage_context(
    aws: Any, answer: bool = False, provider: Provider = "sagemaker_geospatial", **options: Any
) -> tuple[Context, Recorder]:
    """The context of a command on the shipped configuration, and what it reports."""
    configuration = config(endpoint="http://127.0.0.1:4599", cleanup="none", job={"provider": provider})
    report = Recorder(answer)
    time: Any = FakeTime()
    rights = job_of(configuration.job).rights
    blueprint = build_blueprint(Deployment(configuration, aws.account, rights))
    return Context(configuration, Options(**options), report, time, aws, blueprint, State()), report
