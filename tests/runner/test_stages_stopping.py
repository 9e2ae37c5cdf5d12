"""Stopping: executions first, then the jobs that they leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.context import Context, Options, State
from geopipe_runner.deployment import Deployment, JobRights
from geopipe_runner.pipeline import execution
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.stages.stop import stop_executions, stop_one
from tests.support.reports import Recorder
from tests.support.runner_fakes import FakeTime, answer_error, config

PIPELINE = "arn:aws:sagemaker:us-west-2:123456789012:pipeline/p"
RUN_ID = "20261122T113005-1f2e3d4c"
JOB = "arn:aws:sagemaker-geospatial:us-west-2:123456789012:vector-enrichment-job/abcdefghijkl"


@dataclass
class ExecutionsAndJobs:
    """SageMaker and its geospatial service together: executions by name with a status, each with a job of its own."""

    executions: dict[str, str]
    jobs: dict[str, str]
    stop_job_fails_with: str = ""
    listing_fails_with: str = ""
    run_id: str = RUN_ID
    calls: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> Any:
        return type("Paginator", (), {"paginate": staticmethod(getattr(self, operation))})

    def list_pipeline_executions(self, **_: str) -> Any:
        summaries = [
            {
                "PipelineExecutionArn": f"{PIPELINE}/execution/{name}",
                "PipelineExecutionStatus": status,
                "PipelineExecutionDisplayName": self.run_id,
            }
            for name, status in self.executions.items()
        ]
        return iter([{"PipelineExecutionSummaries": summaries}])

    def list_pipeline_execution_steps(self, **request: str) -> Any:
        name = request["PipelineExecutionArn"].rsplit("/", 1)[-1]
        outputs = [{"Name": "statusCode", "Value": "200"}, {"Name": "vej_arn", "Value": f"{JOB}-{name}"}]
        metadata = {"Lambda": {"OutputParameters": outputs}}
        return iter([{"PipelineExecutionSteps": [{"StepName": "s", "StepStatus": "Succeeded", "Metadata": metadata}]}])

    def describe_pipeline_execution(self, **request: str) -> dict[str, Any]:
        status = self.executions[request["PipelineExecutionArn"].rsplit("/", 1)[-1]]
        return {"PipelineExecutionStatus": status, "CreationTime": datetime(2026, 11, 22, tzinfo=UTC)}

    def stop_pipeline_execution(self, **request: str) -> None:
        name = request["PipelineExecutionArn"].rsplit("/", 1)[-1]
        self.executions[name] = "Stopped"
        self.calls.append(f"stop execution {name}")

    def list_vector_enrichment_jobs(self, **request: str) -> Any:
        self.calls.append(f"list {request['StatusEquals']}")
        if self.listing_fails_with:
            raise answer_error(self.listing_fails_with)
        found = [{"Arn": f"{JOB}-{name}"} for name, status in self.jobs.items() if status == request["StatusEquals"]]
        return iter([{"VectorEnrichmentJobSummaries": found}])

    def stop_vector_enrichment_job(self, **request: str) -> None:
        self.calls.append(f"stop job {request['Arn'].rsplit('-', 1)[-1]}")
        if self.stop_job_fails_with:
            raise answer_error(self.stop_job_fails_with)


class OneServiceAws:
    def __init__(self, service: ExecutionsAndJobs) -> None:
        self.account = Account("123456789012", "us-west-2")
        self.retrier = Retrier(on_wait=lambda _text: None, time=FakeTime())
        self._service = service

    def client(self, _service: str) -> Any:
        return self._service


def work(service: ExecutionsAndJobs) -> tuple[Context, Recorder]:
    aws: Any = OneServiceAws(service)
    time: Any = FakeTime()
    report = Recorder()
    drawn = build_blueprint(Deployment(config(), aws.account, JobRights()))
    return Context(config(), Options(interactive=False), report, time, aws, drawn, State()), report


def stops(service: ExecutionsAndJobs) -> list[str]:
    return [call for call in service.calls if call.startswith("stop")]


def test_a_job_whose_execution_was_stopped_before_its_callback_is_stopped_too() -> None:
    service = ExecutionsAndJobs({"a": "Executing", "b": "Succeeded"}, {"a": "IN_PROGRESS", "b": "COMPLETED"})
    here, report = work(service)
    stop_executions(here, "p")
    assert stops(service) == ["stop execution a", "stop job a"]
    assert "because no execution waits for it" in str(report.events[-1])


def test_the_job_of_an_execution_that_an_earlier_command_stopped_is_stopped_too() -> None:
    service = ExecutionsAndJobs({"a": "Stopped", "b": "Failed"}, {"a": "INITIALIZING", "b": "STOPPED"})
    stop_executions(work(service)[0], "p")
    assert stops(service) == ["stop job a"]


@pytest.mark.parametrize("status", ["Executing", "Succeeded", "Failed", "Stopped"])
def test_no_execution_continues_after_it_was_stopped_or_ended_by_itself(status: str) -> None:
    """An interrupted command says which execution continues, and how to follow it."""
    here, _ = work(ExecutionsAndJobs({"a": status}, {}))
    here.state.running = f"{PIPELINE}/execution/a"
    stop_executions(here, "p")
    assert here.state.running == ""


def test_jobs_of_others_are_not_stopped() -> None:
    service = ExecutionsAndJobs({"a": "Stopped"}, {"a": "STOPPED", "stranger": "IN_PROGRESS"})
    stop_executions(work(service)[0], "p")
    assert stops(service) == []
    named = ExecutionsAndJobs({"a": "Stopped"}, {"a": "IN_PROGRESS"}, run_id="a-run-of-others")
    stop_executions(work(named)[0], "p", only_ours=True)
    assert named.calls == []


def test_where_all_succeeded_no_jobs_are_read() -> None:
    service = ExecutionsAndJobs({"a": "Succeeded"}, {"a": "COMPLETED"})
    stop_executions(work(service)[0], "p")
    assert service.calls == []


@pytest.mark.parametrize(("code", "warns"), [("ConflictException", False), ("AccessDeniedException", True)])
def test_a_job_that_cannot_be_stopped_does_not_keep_the_rest(code: str, warns: bool) -> None:
    """A job that has ended by then is no failure."""
    service = ExecutionsAndJobs({"a": "Executing"}, {"a": "IN_PROGRESS"}, stop_job_fails_with=code)
    here, report = work(service)
    (view,) = execution.every(here.aws, "p")
    stop_one(here, view)
    assert stops(service) == ["stop execution a", "stop job a"]
    assert ("Warning: job" in str(report.events[-1])) == warns


@pytest.mark.parametrize(("code", "warns"), [("AccessDeniedException", False), ("InternalServerException", True)])
def test_jobs_that_cannot_be_seen_do_not_keep_the_rest(code: str, warns: bool) -> None:
    """A caller that may not see them is most often not enrolled, and has none."""
    service = ExecutionsAndJobs({"a": "Failed"}, {}, listing_fails_with=code)
    here, report = work(service)
    stop_executions(here, "p")
    assert ["left running is unknown" in str(event) for event in report.events] == [True] * warns
