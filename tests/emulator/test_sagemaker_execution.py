"""Executions of pipelines: real threads, and fakes for the services around them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import RequestContext
from tests.support.pipelines import (
    ACCOUNT,
    FUNCTION,
    PATIENCE,
    QUEUE,
    Gate,
    HandlerError,
    PipelinesWorld,
    callback,
    function,
    output,
    refused,
)


@pytest.fixture
def world() -> Iterator[PipelinesWorld]:
    world = PipelinesWorld()
    yield world
    world.service.stop()


# Executions


def test_four_steps_from_start_to_end(world: PipelinesWorld) -> None:
    world.functions.functions["start"] = lambda payload: {"statusCode": 200, "job": "job-1", "extra": "ignored"}
    world.functions.functions["export"] = lambda payload: {"done": payload["job"]}
    world.create(
        function("start", "statusCode", "job", Arguments={"hi": {"Get": "Parameters.who"}, "deep": {"a": [1]}}),
        callback("wait", "state", Arguments={"job": output("start", "job")}, DependsOn=["start"]),
        function("export", "done", "never", Arguments={"job": output("start", "job")}, DependsOn=["wait"]),
        callback("wait2", Arguments={"job": output("export", "done")}, DisplayName="Second wait", Description="d"),
    )
    arn = world.start(given={"who": "moon"})

    url, message = world.sqs.sent.get(timeout=PATIENCE)
    assert url == QUEUE
    token = message["token"]
    assert message == {
        "token": token,
        "pipelineExecutionArn": arn,
        "arguments": {"job": "job-1"},
        "status": "Executing",
    }
    assert len(token) == 10 and token.isalnum() and token.isascii()
    assert world.succeed(token, {"state": "ok", "undeclared": "x"}) == {"PipelineExecutionArn": arn}
    world.succeed(world.sqs.next()["token"])

    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert world.functions.payloads == [
        ("start", {"hi": "moon", "deep": '{"a":[1]}'}),
        ("export", {"job": "job-1"}),
    ]
    steps = world.steps(arn)
    assert list(steps) == ["start", "wait", "export", "wait2"]
    assert {step["StepStatus"] for step in steps.values()} == {"Succeeded"}
    assert all(step["EndTime"] > step["StartTime"] and step["AttemptCount"] == 1 for step in steps.values())
    assert steps["start"]["Metadata"] == {
        "Lambda": {
            "Arn": FUNCTION + "start",
            "OutputParameters": [{"Name": "statusCode", "Value": "200"}, {"Name": "job", "Value": "job-1"}],
        }
    }
    assert steps["wait"]["Metadata"]["Callback"] == {
        "CallbackToken": token,
        "SqsQueueUrl": QUEUE,
        "OutputParameters": [{"Name": "state", "Value": "ok"}, {"Name": "undeclared", "Value": "x"}],
    }
    assert (steps["wait2"]["StepDisplayName"], steps["wait2"]["StepDescription"]) == ("Second wait", "d")


def test_execution_variables_and_types_reach_the_function(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = lambda payload: {"n": 3}
    world.functions.functions["b"] = lambda payload: {}
    numbered = function("a", Arguments={"arn": {"Get": "Execution.PipelineExecutionArn"}})
    numbered["OutputParameters"] = [{"OutputName": "n", "OutputType": "Integer"}]
    joined = {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Execution.PipelineExecutionId"}, output("a", "n")]}}
    variables = {v: {"Get": f"Execution.{v}"} for v in ("PipelineName", "PipelineArn", "StartDateTime")}
    arn = world.run(numbered, function("b", Arguments={"n": output("a", "n"), "at": joined, **variables}))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert world.functions.payloads == [
        ("a", {"arn": arn}),
        (
            "b",
            {
                "n": 3,
                "at": f"s3://{arn[-12:]}/3",
                "PipelineName": "Pipe",
                "PipelineArn": arn.split("/execution/")[0],
                "StartDateTime": payload_time(world.service.store.execution(arn).created),
            },
        ),
    ]


def payload_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            HandlerError({"errorType": "ValueError", "errorMessage": "no such job", "stackTrace": []}),
            "Client Error: Received error from Lambda function: ValueError: no such job",
        ),
        (HandlerError("text"), "Client Error: Received error from Lambda function: text"),
        ({"job": "x" * 1025}, "Client Error: output parameter 'job' exceeds 1024 characters"),
    ],
)
def test_a_failing_function_fails_the_execution(world: PipelinesWorld, answer: Any, reason: str) -> None:
    gate = Gate(answer)
    gate.open.set()
    world.functions.functions["a"] = gate
    arn = world.run(function("a", "job"), function("after", DependsOn=["a"]))
    described = world.ended(arn)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert described["FailureReason"] == "Step failure: One or multiple steps failed."
    steps = world.steps(arn)
    assert list(steps) == ["a"]
    assert steps["a"]["FailureReason"] == reason


def test_a_long_failure_reason_is_cut(world: PipelinesWorld) -> None:
    gate = Gate(HandlerError({"errorType": "E", "errorMessage": "m" * 5000}))
    gate.open.set()
    world.functions.functions["a"] = gate
    arn = world.run(function("a"))
    world.ended(arn)
    assert len(world.steps(arn)["a"]["FailureReason"]) == 1024


def test_a_missing_function_fails_the_step(world: PipelinesWorld) -> None:
    arn = world.run(function("gone"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert "Failed to invoke Lambda function" in world.steps(arn)["gone"]["FailureReason"]
    assert "Function not found" in world.steps(arn)["gone"]["FailureReason"]


@pytest.mark.parametrize("answer", [None, "text", ["a"], {}, {"job": None}])
def test_a_missing_output_fails_only_who_refers_to_it(world: PipelinesWorld, answer: Any) -> None:
    world.functions.functions["a"] = lambda payload: answer
    arn = world.run(function("a", "job"), function("b", Arguments={"job": output("a", "job")}))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    steps = world.steps(arn)
    assert steps["a"]["StepStatus"] == "Succeeded"
    assert steps["b"]["FailureReason"] == "Client Error: step 'a' did not return output parameter 'job'"
    assert world.functions.payloads == [("a", {})]


def test_a_slow_function_times_the_step_out_and_is_not_heard_later() -> None:
    world = PipelinesWorld(lambda_limit_seconds=0.01)
    gate = world.functions.functions["a"] = Gate({"job": "late"})
    arn = world.run(function("a", "job"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    gate.open.set()
    world.service.stop()
    step = world.steps(arn)["a"]
    assert step["FailureReason"] == "Client Error: Lambda step timed out after 0.01 seconds"
    assert step["Metadata"]["Lambda"]["OutputParameters"] == []


def test_independent_steps_run_side_by_side_and_finish_after_a_failure(world: PipelinesWorld) -> None:
    bad = world.functions.functions["bad"] = Gate(HandlerError({"errorMessage": "no"}))
    good = world.functions.functions["good"] = Gate({})
    arn = world.run(function("bad"), function("good"), function("next", DependsOn=["good"]))
    assert bad.entered.wait(PATIENCE) and good.entered.wait(PATIENCE)
    bad.open.set()
    world.wait_for_step(arn, "bad", "Failed")
    assert world.call("DescribePipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing"
    good.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert world.statuses(arn) == {"bad": "Failed", "good": "Succeeded"}


def test_parallelism_is_bounded_and_can_be_raised(world: PipelinesWorld) -> None:
    gates = [Gate({}) for _ in range(3)]
    for name, gate in zip("abc", gates, strict=True):
        world.functions.functions[name] = gate
    limit = {"MaxParallelExecutionSteps": 1}
    world.create(*(function(name) for name in "abc"), ParallelismConfiguration=limit)
    assert world.call("DescribePipeline", PipelineName="Pipe")["ParallelismConfiguration"] == limit
    arn = world.start()
    assert list(world.steps(arn)) == ["a"]
    gates[0].open.set()
    world.wait_for_step(arn, "b", "Executing")
    assert list(world.steps(arn)) == ["a", "b"]
    world.call(
        "UpdatePipelineExecution",
        PipelineExecutionArn=arn,
        ParallelismConfiguration={"MaxParallelExecutionSteps": 2},
        PipelineExecutionDisplayName="renamed",
    )
    assert gates[2].entered.wait(PATIENCE)
    for gate in gates:
        gate.open.set()
    described = world.ended(arn)
    assert described["PipelineExecutionStatus"] == "Succeeded"
    assert described["PipelineExecutionDisplayName"] == "renamed"
    assert described["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 2}


def test_a_chain_of_steps_costs_milliseconds(world: PipelinesWorld) -> None:
    names = [f"s{i}" for i in range(40)]
    for name in names:
        world.functions.functions[name] = lambda payload: {}
    chain = [function(name, DependsOn=names[max(0, i - 1) : i]) for i, name in enumerate(names)]
    begin = time.perf_counter()
    assert world.ended(world.run(*chain))["PipelineExecutionStatus"] == "Succeeded"
    assert time.perf_counter() - begin < 10  # 250 ms a step: far above what it takes, far below any polling


# Callbacks


def test_failure_of_a_callback_fails_the_execution(world: PipelinesWorld) -> None:
    arn = world.run(callback("wait"))
    world.fail(world.sqs.next()["token"], "job FAILED: bad input")
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert world.steps(arn)["wait"]["FailureReason"] == "job FAILED: bad input"


def test_an_unreachable_queue_fails_the_step(world: PipelinesWorld) -> None:
    world.sqs.broken = True
    arn = world.run(callback("wait"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    reason = world.steps(arn)["wait"]["FailureReason"]
    assert "Failed to send message to SQS queue" in reason and "No such queue." in reason


def test_an_answer_may_come_before_the_message_is_sent(world: PipelinesWorld) -> None:
    world.sqs.on_send = lambda body: world.succeed(body["token"], {"x": "1"}) and None
    arn = world.run(callback("wait", "x"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_unknown_and_used_tokens(world: PipelinesWorld) -> None:
    refused("ResourceNotFound", lambda: world.succeed("abcdefghij"))
    arn = world.run(callback("wait"))
    token = world.sqs.next()["token"]
    once = {"ClientRequestToken": "t" * 32}
    world.succeed(token, {"x": "1"}, **once)
    assert world.succeed(token, {"x": "1"}, **once) == {"PipelineExecutionArn": arn}
    refused("ConflictException", lambda: world.succeed(token, {"x": "2"}, **once))
    refused("ConflictException", lambda: world.succeed(token, {"x": "1"}, ClientRequestToken="u" * 32))
    refused("ConflictException", lambda: world.fail(token, "late"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    elsewhere = RequestContext(ACCOUNT, "eu-west-1")
    operation = world.service.operations["SendPipelineExecutionStepSuccess"]
    refused("ResourceNotFound", lambda: operation({"CallbackToken": token}, elsewhere))
    world.call("DeletePipeline", PipelineName="Pipe")
    refused("ResourceNotFound", lambda: world.fail(token, "later still"))


@pytest.mark.parametrize("answer", ["succeed", "fail"])
def test_stopping_waits_for_the_callback(world: PipelinesWorld, answer: str) -> None:
    arn = world.run(callback("wait", Arguments={"job": "j"}), function("after", DependsOn=["wait"]))
    first = world.sqs.next()
    assert world.call("StopPipelineExecution", PipelineExecutionArn=arn) == {"PipelineExecutionArn": arn}
    assert world.sqs.next() == {**first, "status": "Stopping"}
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)  # again: harmless, and no third message
    assert world.call("DescribePipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Stopping"
    assert world.statuses(arn) == {"wait": "Stopping"}
    if answer == "succeed":
        world.succeed(first["token"])
    else:
        world.fail(first["token"], "stopped as asked")
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert world.statuses(arn) == {"wait": "Stopped"}
    assert world.sqs.sent.empty()
    assert "finished with status Stopped" in refused(
        "ConflictException", lambda: world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    )


def test_a_stop_during_the_first_message_still_sends_the_second(world: PipelinesWorld) -> None:
    sending, may_continue = threading.Event(), threading.Event()

    def hold(body: dict[str, Any]) -> None:
        if body["status"] == "Executing":
            sending.set()
            assert may_continue.wait(PATIENCE)

    world.sqs.on_send = hold
    arn = world.run(callback("wait"))
    assert sending.wait(PATIENCE)
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    may_continue.set()
    messages = [world.sqs.next(), world.sqs.next()]
    assert [message["status"] for message in messages] == ["Executing", "Stopping"]
    world.succeed(messages[0]["token"])
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"


def test_stopping_with_the_queue_gone_can_still_be_answered(world: PipelinesWorld) -> None:
    arn = world.run(callback("wait"))
    world.sqs.next()
    world.sqs.broken = True
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    world.succeed(world.steps(arn)["wait"]["Metadata"]["Callback"]["CallbackToken"])
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"


@pytest.mark.parametrize(("answer", "step"), [({}, "Succeeded"), (HandlerError({"errorMessage": "no"}), "Failed")])
def test_stopping_waits_for_the_function(world: PipelinesWorld, answer: Any, step: str) -> None:
    gate = world.functions.functions["a"] = Gate(answer)
    arn = world.run(function("a"), function("b", DependsOn=["a"]))
    assert gate.entered.wait(PATIENCE)
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert world.statuses(arn) == {"a": step}


def test_a_function_that_times_out_while_stopping_makes_it_failed() -> None:
    world = PipelinesWorld(lambda_limit_seconds=0.2)
    gate = world.functions.functions["a"] = Gate({})
    arn = world.run(function("a"))
    assert gate.entered.wait(PATIENCE)
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    gate.open.set()
    world.service.stop()


def test_stop_of_the_service_ends_its_threads(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate({})
    world.run(function("a"), function("b", DependsOn=["a"]))
    assert gate.entered.wait(PATIENCE)
    gate.open.set()
    world.service.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "pipeline-step"]


def test_stop_of_the_service_does_not_wait_for_a_hanging_function(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate({})
    world.run(function("a"))
    assert gate.entered.wait(PATIENCE)
    begin = time.perf_counter()
    world.service.stop()
    assert time.perf_counter() - begin < 10
    gate.open.set()


def test_many_executions_and_answers_at_the_same_time(world: PipelinesWorld) -> None:
    world.create(callback("wait", "n"))
    count = 30
    for _ in range(count):
        world.start()
    messages = [world.sqs.next() for _ in range(count)]
    tokens = {message["token"] for message in messages}
    assert len(tokens) == count
    refusals: list[str] = []

    def answer(token: str) -> None:
        try:
            world.succeed(token)
        except ServiceError as error:
            refusals.append(error.code)

    threads = [threading.Thread(target=answer, args=(token,)) for token in tokens for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert refusals == ["ConflictException"] * count
    for message in messages:
        assert world.ended(message["pipelineExecutionArn"])["PipelineExecutionStatus"] == "Succeeded"
