"""Starting and stopping executions while AWS, the function and other people do things too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_runner.aws.poll import TimedOut
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.pipeline import execution, execution_actions
from geopipe_runner.pipeline.execution import ExecutionView
from tests.support.runner_fakes import FakeTime, answer_error

ARN = "arn:aws:sagemaker:us-west-2:123456789012:pipeline/p/execution/abcdefghijkl"
RUN = "20260101T000000-00000000"
START = datetime(2026, 1, 1, tzinfo=UTC)
NOT_ASSUMED = "Could not assume role arn:aws:iam::1:role/r. Please ensure that the role exists"


@dataclass
class FakeSageMaker:
    """An execution that takes on the statuses of `script`, the last one for ever, with one callback open."""

    script: list[str]
    failures: dict[str, list[ClientError]] = field(default_factory=dict)
    """The first responses of each operation."""
    tokens: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    time: FakeTime = field(default_factory=FakeTime)
    said: list[str] = field(default_factory=list)

    @property
    def aws(self) -> Any:
        return SimpleNamespace(client=lambda _service: self, retrier=Retrier(self.said.append, time=self.time))

    def _call(self, operation: str) -> None:
        self.calls.append(operation)
        if self.failures.get(operation):
            raise self.failures[operation].pop(0)

    def start_pipeline_execution(self, **parameters: Any) -> dict[str, str]:
        self._call("start")
        self.tokens.append(parameters["ClientRequestToken"])
        return {"PipelineExecutionArn": ARN}

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict[str, str]:  # noqa: N803
        self._call("describe")
        status = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return {"PipelineExecutionStatus": status, "PipelineExecutionDisplayName": RUN}

    def stop_pipeline_execution(self, PipelineExecutionArn: str) -> None:  # noqa: N803
        self._call("stop")

    def send_pipeline_execution_step_failure(self, CallbackToken: str, FailureReason: str) -> None:  # noqa: N803
        self._call("answer")
        self.answered.append(CallbackToken)

    def get_paginator(self, operation: str) -> FakeSageMaker:
        assert operation == "list_pipeline_execution_steps"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        done = {"StepName": "a", "StepStatus": "Succeeded", "StartTime": START, "EndTime": START, "Metadata": {}}
        open_ = {
            "StepName": "b",
            "StepStatus": "Executing",
            "StartTime": START,
            "Metadata": {"Callback": {"CallbackToken": "a1b2c3d4e5", "SqsQueueUrl": "u"}},
        }
        return [{"PipelineExecutionSteps": [done, open_]}]


def start(fake: FakeSageMaker) -> str:
    return execution.start(fake.aws, "p", RUN, {"name": "value"})


def stop(fake: FakeSageMaker, within: float = 900) -> ExecutionView:
    return execution_actions.stop(fake.aws, ARN, every=1, patience=5, within=within)


def test_starting_waits_for_a_new_role_with_the_same_token() -> None:
    early = [answer_error("ValidationException", NOT_ASSUMED, "StartPipelineExecution") for _ in range(3)]
    fake = FakeSageMaker([], {"start": early})
    assert start(fake) == ARN
    assert fake.calls == ["start"] * 4
    assert fake.said == ["Waiting up to 300 s: the new role has not reached all of AWS yet."]
    again = FakeSageMaker([])
    start(again)
    assert again.tokens == fake.tokens


def test_another_error_at_the_start_comes_out_immediately() -> None:
    fake = FakeSageMaker([], {"start": [answer_error("ValidationException", "Unknown parameter name")]})
    with pytest.raises(ClientError, match="Unknown parameter"):
        start(fake)
    assert fake.time.slept == []


DENIED = "User: x is not authorized to perform: sagemaker:StartPipelineExecution"


def denied(text: str = DENIED) -> list[ClientError]:
    return [answer_error("AccessDeniedException", text, "StartPipelineExecution") for _ in range(2)]


def start_after_tags_were_written(fake: FakeSageMaker) -> str:
    aws = fake.aws
    aws.retrier.recent.record("sagemaker", "CreatePipeline", {"Tags": [{"Key": "k", "Value": "v"}]}, fake.time.clock())
    return execution.start(aws, "p", RUN, {})


def test_a_denied_start_is_repeated_after_tags_were_written() -> None:
    fake = FakeSageMaker([], {"start": denied()})
    assert start_after_tags_were_written(fake) == ARN
    assert fake.calls == ["start"] * 3
    assert fake.said == ["Waiting up to 300 s: new tags and permissions have not reached all of AWS yet."]


@pytest.mark.parametrize("text", [f"{DENIED} with an explicit deny in a service control policy"])
def test_an_explicit_deny_at_the_start_comes_out_immediately(text: str) -> None:
    fake = FakeSageMaker([], {"start": denied(text)})
    with pytest.raises(ClientError, match="explicit deny"):
        start_after_tags_were_written(fake)
    assert fake.time.slept == []


def test_a_denied_start_without_a_change_comes_out_immediately() -> None:
    fake = FakeSageMaker([], {"start": denied()})
    with pytest.raises(ClientError, match="not authorized"):
        start(fake)
    assert fake.time.slept == []


def test_an_unknown_refusal_of_a_role_is_repeated_after_rights_were_written() -> None:
    refusal = answer_error("ValidationException", "arn:aws:iam::1:role/r is not usable.", "StartPipelineExecution")
    fake = FakeSageMaker([], {"start": [refusal]})
    aws = fake.aws
    aws.retrier.recent.record("iam", "CreateRole", {}, fake.time.clock())
    assert execution.start(aws, "p", RUN, {}) == ARN
    assert fake.said == ["Waiting up to 300 s: the new role has not reached all of AWS yet."]


@pytest.mark.parametrize("code", ["ConflictException", "ResourceNotFound"])
def test_an_execution_that_ended_meanwhile_needs_no_stopping(code: str) -> None:
    fake = FakeSageMaker(["Executing", "Succeeded"], {"stop": [answer_error(code)]})
    assert stop(fake).status == "Succeeded"
    assert fake.answered == []


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Stopped", "CompletedWithFailures"])
def test_an_execution_that_has_ended_is_not_stopped(status: str) -> None:
    fake = FakeSageMaker([status])
    assert stop(fake).status == status
    assert "stop" not in fake.calls


def test_the_function_gets_its_time_to_answer_callbacks() -> None:
    fake = FakeSageMaker(["Executing", "Stopping", "Stopping", "Stopping", "Stopped"])
    assert stop(fake).status == "Stopped"
    assert fake.answered == []
    assert fake.time.slept == [1, 1, 1]


def test_what_it_does_not_answer_is_answered_for_it() -> None:
    fake = FakeSageMaker(["Executing", *["Stopping"] * 7, "Stopped"])
    assert stop(fake).status == "Stopped"
    assert set(fake.answered) == {"a1b2c3d4e5"}


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException", "ResourceNotFound"])
def test_a_callback_that_was_answered_first_is_no_failure(code: str) -> None:
    refusals = [answer_error(code) for _ in range(9)]
    fake = FakeSageMaker(["Executing", *["Stopping"] * 7, "Stopped"], {"answer": refusals})
    assert stop(fake).status == "Stopped"
    assert "answer" in fake.calls


@pytest.mark.parametrize(("operation", "code"), [("stop", "AccessDeniedException"), ("answer", "Throttling")])
def test_other_refusals_come_out(operation: str, code: str) -> None:
    fake = FakeSageMaker(["Executing", "Stopping"], {operation: [answer_error(code)]})
    with pytest.raises(ClientError, match=code):
        stop(fake)


def test_waiting_for_the_end_has_an_end() -> None:
    fake = FakeSageMaker(["Executing", "Stopping"])
    with pytest.raises(TimedOut):
        stop(fake, within=20)
    assert sum(fake.time.slept) == 20


def test_a_token_is_no_part_of_what_is_printed() -> None:
    (_, callback) = execution.steps(FakeSageMaker(["Executing"]).aws, ARN)
    assert callback.token == "a1b2c3d4e5"
    assert "a1b2c3d4e5" not in repr(callback)


@dataclass
class FakeLogs:
    """A log group in pages of three lines; none at all where there is no group."""

    lines: int
    there: bool = True

    def client(self, _service: str) -> FakeLogs:
        return self

    def get_paginator(self, _operation: str) -> FakeLogs:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        if not self.there:
            raise answer_error("ResourceNotFoundException")
        for first in range(0, self.lines, 3):
            yield {"events": [{"message": f"{n}\n"} for n in range(first, min(first + 3, self.lines))]}


@pytest.mark.parametrize(
    ("logs", "count", "last"),
    [
        (FakeLogs(7), 4, ("3", "4", "5", "6")),
        (FakeLogs(2), 4, ("0", "1")),
        (FakeLogs(7), 0, ()),
        (FakeLogs(0), 4, ()),
        (FakeLogs(7, there=False), 4, ()),
    ],
)
def test_the_last_lines_of_a_log(logs: Any, count: int, last: tuple[str, ...]) -> None:
    assert execution.log_lines(logs, "group", None, count) == last
