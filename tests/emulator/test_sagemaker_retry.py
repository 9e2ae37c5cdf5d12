"""Retrying an execution: what is kept, what runs again, and what cannot be retried."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.services.sagemaker.store import ClientToken
from tests.support.pipelines import (
    PATIENCE,
    Gate,
    HandlerError,
    PipelinesWorld,
    callback,
    condition,
    creation,
    equals,
    failing,
    function,
    output,
    refused,
)

REFUSAL = HandlerError({"errorType": "Busy", "errorMessage": "try again"})


@pytest.fixture
def world() -> Iterator[PipelinesWorld]:
    world = PipelinesWorld()
    yield world
    world.service.stop()


class Sequence:
    """A function that answers differently every time."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def __call__(self, payload: dict[str, Any]) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, HandlerError):
            raise answer
        return answer


def attempts(world: PipelinesWorld, arn: str) -> dict[str, int]:
    return {name: step["AttemptCount"] for name, step in world.steps(arn).items()}


def test_a_retry_keeps_what_succeeded_and_runs_the_rest(world: PipelinesWorld) -> None:
    functions = world.functions.functions
    functions["first"] = Sequence({"job": "j-1"})
    functions["second"] = Sequence(REFUSAL, REFUSAL, {"n": "2"})
    functions["third"] = Sequence({})
    world.create(
        function("first", "job"),
        function("second", "n", Arguments={"job": output("first", "job"), "who": {"Get": "Parameters.who"}}),
        function("third", Arguments={"n": output("second", "n")}),
    )
    arn = world.start(given={"who": "moon"})
    before = world.ended(arn)
    kept = world.steps(arn)["first"]
    for _ in range(2):
        assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
        assert world.retry(arn) == {"PipelineExecutionArn": arn}
    after = world.ended(arn)
    assert after["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in after
    assert after["CreationTime"] == before["CreationTime"] and after["LastModifiedTime"] > before["LastModifiedTime"]
    assert attempts(world, arn) == {"first": 1, "second": 3, "third": 1}
    steps = world.steps(arn)
    assert steps["first"] == kept
    assert "FailureReason" not in steps["second"]
    assert steps["second"]["StartTime"] > before["LastModifiedTime"]
    second = ("second", {"job": "j-1", "who": "moon"})
    assert world.functions.payloads == [("first", {}), second, second, second, ("third", {"n": "2"})]
    assert len(world.call("ListPipelineExecutions", PipelineName="Pipe")["PipelineExecutionSummaries"]) == 1


def test_a_callback_gets_a_fresh_token(world: PipelinesWorld) -> None:
    arn = world.run(callback("wait", "state"))
    first = world.sqs.next()
    world.fail(first["token"], "job FAILED")
    world.ended(arn)
    world.retry(arn)
    second = world.sqs.next()
    assert second == {**first, "token": second["token"]} and second["token"] != first["token"]
    refused("ConflictException", lambda: world.succeed(first["token"]))
    assert world.steps(arn)["wait"]["Metadata"]["Callback"]["CallbackToken"] == second["token"]
    world.succeed(second["token"], {"state": "ok"})
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"wait": 2}


def test_a_stopped_execution_continues(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = Sequence({})
    world.functions.functions["b"] = Sequence({})
    arn = world.run(function("a"), callback("wait", DependsOn=["a"]), function("b", DependsOn=["wait"]))
    token = world.sqs.next()["token"]
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    world.succeed(token)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    world.retry(arn)
    messages = [world.sqs.next(), world.sqs.next()]
    assert [message["status"] for message in messages] == ["Stopping", "Executing"]
    world.succeed(messages[1]["token"])
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"a": 1, "wait": 2, "b": 1}


def test_a_stop_that_left_nothing_to_do_is_a_success_when_retried(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate({})
    arn = world.run(function("a"))
    assert gate.entered.wait(PATIENCE)
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    world.retry(arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"a": 1}


def test_what_cannot_be_retried(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate({})
    arn = world.run(function("a"))
    assert "is Executing" in refused("ConflictException", lambda: world.retry(arn))
    assert gate.entered.wait(PATIENCE)
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    assert "is Stopping" in refused("ConflictException", lambda: world.retry(arn))
    gate.open.set()
    world.ended(arn)
    world.retry(arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert "has succeeded" in refused("ValidationException", lambda: world.retry(arn))
    refused("ResourceNotFound", lambda: world.retry(arn[:-1]))
    world.call("DeletePipeline", PipelineName="Pipe")
    refused("ResourceNotFound", lambda: world.retry(arn))


def test_an_execution_that_ended_with_a_fail_step_is_final(world: PipelinesWorld) -> None:
    gate = world.functions.functions["bad"] = Gate(REFUSAL)
    arn = world.run(function("bad"), condition("c", [equals(1, 1)], [failing("f", "enough")]))
    world.wait_for_step(arn, "f", "Failed")
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert "ended with Fail step f" in refused("ValidationException", lambda: world.retry(arn))
    assert world.call("DescribePipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Failed"


def test_the_same_request_token_retries_once(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = Sequence(REFUSAL, REFUSAL, {})
    arn = world.run(function("a"))
    world.ended(arn)
    token = {"ClientRequestToken": "t" * 32}
    for _ in range(3):
        assert world.retry(arn, **token) == {"PipelineExecutionArn": arn}
        assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert attempts(world, arn) == {"a": 2}
    limit = {"MaxParallelExecutionSteps": 1}
    refused("ConflictException", lambda: world.retry(arn, ParallelismConfiguration=limit, **token))
    world.retry(arn, ClientRequestToken="u" * 32)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"a": 3}


def test_a_refused_retry_does_not_use_its_token_up(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate(REFUSAL)
    arn = world.run(function("a"))
    token = {"ClientRequestToken": "t" * 32}
    refused("ConflictException", lambda: world.retry(arn, **token))
    gate.open.set()
    world.ended(arn)
    world.functions.functions["a"] = Sequence({})
    world.retry(arn, **token)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_a_retry_keeps_the_definition_and_may_change_the_parallelism(world: PipelinesWorld) -> None:
    for name in "ab":
        world.functions.functions[name] = Sequence(REFUSAL, {})
    arn = world.run(function("a"), function("b"))
    world.ended(arn)
    changed = creation(function("other"))["PipelineDefinition"]
    world.call("UpdatePipeline", PipelineName="Pipe", PipelineDefinition=changed)
    gate = world.functions.functions["a"] = Gate({})
    world.functions.functions["b"] = Sequence({})
    limit = {"MaxParallelExecutionSteps": 1}
    world.retry(arn, ParallelismConfiguration=limit)
    assert gate.entered.wait(PATIENCE)
    assert world.statuses(arn) == {"a": "Executing"}
    described = world.call("DescribePipelineExecution", PipelineExecutionArn=arn)
    assert described["PipelineExecutionStatus"] == "Executing" and "FailureReason" not in described
    gate.open.set()
    described = world.ended(arn)
    assert described["PipelineExecutionStatus"] == "Succeeded"
    assert described["ParallelismConfiguration"] == limit and described["PipelineVersionId"] == 1
    assert set(world.statuses(arn)) == {"a", "b"}


def test_a_decision_is_kept(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = Sequence(REFUSAL, {})
    choice = condition("c", [equals({"Get": "Parameters.who"}, "world")], [function("a")], [function("b")])
    arn = world.run(choice, function("after", DependsOn=["a"]))
    world.functions.functions["after"] = Sequence({})
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    world.retry(arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"c": 1, "a": 2, "after": 1}


def test_a_late_answer_of_the_first_attempt_does_not_end_the_second() -> None:
    world = PipelinesWorld(lambda_limit_seconds=0.05)
    late = world.functions.functions["a"] = Gate({"n": "late"})
    arn = world.run(function("a", "n"), callback("wait", DependsOn=["a"]))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    second = world.functions.functions["a"] = Gate({"n": "late too"})
    world.retry(arn)
    assert second.entered.wait(PATIENCE)
    late.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert world.statuses(arn) == {"a": "Failed"} and attempts(world, arn) == {"a": 2}
    second.open.set()
    world.service.stop()


def test_only_one_of_many_simultaneous_retries_counts(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate(REFUSAL)
    gate.open.set()
    arn = world.run(function("a"))
    world.ended(arn)
    gate = world.functions.functions["a"] = Gate({})
    answers: list[str] = []

    def retry() -> None:
        try:
            world.retry(arn)
            answers.append("done")
        except ServiceError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=retry) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(answers) == ["ConflictException"] * 7 + ["done"]
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert attempts(world, arn) == {"a": 2}


def test_a_pipeline_deleted_meanwhile_is_not_revived(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate(REFUSAL)
    gate.open.set()
    arn = world.run(function("a"))
    world.ended(arn)
    execution = world.service.store.execution(arn)
    world.call("DeletePipeline", PipelineName="Pipe")
    token = ClientToken.of("RetryPipelineExecution", "us-west-2", {})
    done: list[bool] = []
    refused("ResourceNotFound", lambda: world.service.store.once(execution, token, lambda: done.append(True)))
    assert not done


def test_a_role_that_is_gone_refuses_the_retry(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = Sequence(REFUSAL, {})
    arn = world.run(function("a"))
    world.ended(arn)
    roles, world.iam.roles = world.iam.roles, {}
    assert "Could not assume role" in refused("ValidationException", lambda: world.retry(arn))
    world.iam.roles = roles
    world.retry(arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
