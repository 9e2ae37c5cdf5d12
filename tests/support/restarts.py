"""Kills an emulator with a state folder again and again while executions run, and checks what it still knows.

Clients repeat a call until it has a response, as AWS's SDKs do. What had a response must still be there at the end:
executions, answers to callbacks, messages, objects and their notifications, log lines and asynchronous invocations.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from geopipe_emulator import Emulator
from tests.support.functions import zipped
from tests.support.kept_account import ACCOUNT, REGION, TRUST_OF_ALL
from tests.support.wait import eventually

ROLE = f"arn:aws:iam::{ACCOUNT}:role/restart"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:restart"
# One function: a Lambda step, a consumer of callbacks, and a target of asynchronous invocations.
HANDLER = """
import json
import boto3

def handler(event, context):
    if "Records" in event:
        client = boto3.client("sagemaker")
        for record in event["Records"]:
            token = json.loads(record["body"])["token"]
            outputs = [{"Name": "value", "Value": "from the function"}]
            try:
                client.send_pipeline_execution_step_success(
                    CallbackToken=token, OutputParameters=outputs, ClientRequestToken=token * 4)
            except client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "ConflictException":
                    raise
        return None
    if "object" in event:
        boto3.client("s3").put_object(Bucket="restart", Key=event["object"], Body=b"done")
    return {"value": str(event.get("value", ""))}
"""
_LOST = "The emulator ended while this step ran"
_PATIENCE = 600.0
_LONGEST_LIFE = 4.0
_WRITERS = 3


@dataclass
class RestartReport:
    """What happened, and what is wrong."""

    executions: int = 0
    restarts: int = 0
    failed: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.acknowledged.items()))
        return (
            f"{self.restarts} restarts, {self.executions} executions, {self.failed} of them failed once because a "
            f"function ran at a kill; kept: {calls}"
        )


class RestartedEmulator:
    """The emulator, its killer, and what had a response so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.emulator = Emulator(state_dir=folder, time_scale=0.02).start()
        self.report = RestartReport()
        self.lock = threading.Lock()
        self.known: dict[str, Any] = {}
        self.is_done = threading.Event()

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call until there is a response. Raises ClientError for an error of the service itself."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return getattr(self.emulator.client(service), operation)(**parameters)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500 or time.monotonic() > deadline:
                    raise
            except (BotoCoreError, RuntimeError):
                # Between two emulators there is no client.
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def keep(self, kind: str, key: str, value: Any = True) -> None:
        """Note what had a response."""
        with self.lock:
            self.known[f"{kind} {key}"] = value
            self.report.acknowledged[kind] += 1

    def all(self, kind: str) -> dict[str, Any]:
        with self.lock:
            return {k.removeprefix(f"{kind} "): v for k, v in self.known.items() if k.startswith(f"{kind} ")}

    def kill_and_restart(self) -> None:
        self.is_done.wait(self.random.uniform(0, _LONGEST_LIFE))
        owner = json.loads((self.folder / "emulator.json").read_bytes())
        os.kill(owner["pid"], signal.SIGKILL)
        self.emulator.stop()
        self.emulator.start()
        self.report.restarts += 1

    def stop(self) -> None:
        self.emulator.stop()


def run_restarts(folder: Path, *, executions: int, restarts: int, seed: int = 1) -> RestartReport:
    """Run the executions while the emulator is killed this many times. Returns what was lost, among other facts."""
    world = RestartedEmulator(folder, seed)
    try:
        _set_up(world)
        workers = (partial(_start_executions, world, executions), partial(_answer_callbacks, world))
        writers = [partial(_write, world, number) for number in range(_WRITERS)]
        with ThreadPoolExecutor(len(workers) + len(writers)) as pool:
            try:
                running = [pool.submit(work) for work in (*workers, *writers)]
                for _ in range(restarts):
                    world.kill_and_restart()
                running[0].result(_PATIENCE)
                _await_executions(world)
                _retry_failed(world)
            finally:
                world.is_done.set()
            for worker in running:
                worker.result(_PATIENCE)
        _check(world)
    finally:
        world.stop()
    return world.report


def _set_up(world: RestartedEmulator) -> None:
    call = world.call
    call("iam", "create_role", RoleName="restart", AssumeRolePolicyDocument=json.dumps(TRUST_OF_ALL))
    call("s3", "create_bucket", Bucket="restart", CreateBucketConfiguration={"LocationConstraint": REGION})
    call("logs", "create_log_group", logGroupName="restart")
    urls = {
        name: call("sqs", "create_queue", QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
        for name in ("mapped", "answered", "ledger", "notified")
    }
    sender = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [sender]})
    call("sqs", "set_queue_attributes", QueueUrl=urls["notified"], Attributes={"Policy": policy})
    notified = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:notified", "Events": ["s3:ObjectCreated:*"]}
    configuration = {"QueueConfigurations": [notified]}
    call("s3", "put_bucket_notification_configuration", Bucket="restart", NotificationConfiguration=configuration)
    code = {"ZipFile": zipped(main=HANDLER)}
    settings = {"Runtime": "python3.11", "Handler": "main.handler", "Role": ROLE, "Code": code, "Timeout": 30}
    call("lambda", "create_function", FunctionName="restart", **settings)
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:mapped"
    call("lambda", "create_event_source_mapping", FunctionName="restart", EventSourceArn=source, BatchSize=5)
    definition = json.dumps({"Version": "2020-12-01", "Steps": _steps(urls)})
    call("sagemaker", "create_pipeline", PipelineName="p", PipelineDefinition=definition, RoleArn=ROLE)
    world.known["urls"] = urls


def _steps(urls: dict[str, str]) -> list[dict[str, Any]]:
    outputs = [{"OutputName": "value", "OutputType": "String"}]
    mapped, asked = (
        {"Name": name, "Type": "Callback", "SqsQueueUrl": url, "OutputParameters": outputs, "DependsOn": ["First"]}
        for name, url in (("Mapped", urls["mapped"]), ("Asked", urls["answered"]))
    )
    value = {"Get": "Steps.Asked.OutputParameters['value']"}
    last = {"Name": "Last", "Type": "Lambda", "FunctionArn": FUNCTION_ARN, "DependsOn": ["Mapped"]}
    return [
        {"Name": "First", "Type": "Lambda", "FunctionArn": FUNCTION_ARN, "Arguments": {}, "OutputParameters": []},
        {**mapped, "Arguments": {"a": "b"}},
        {**asked, "Arguments": {"a": "b"}},
        {**last, "Arguments": {"value": value}, "OutputParameters": outputs},
    ]


def _start_executions(world: RestartedEmulator, count: int) -> None:
    for number in range(count):
        token = f"start-{number}".ljust(32, "-")
        start = {"PipelineName": "p", "ClientRequestToken": token}
        arn = world.call("sagemaker", "start_pipeline_execution", **start)["PipelineExecutionArn"]
        world.keep("executions", arn)
        world.report.executions += 1


def _answer_callbacks(world: RestartedEmulator) -> None:
    url = world.known["urls"]["answered"]
    while not world.is_done.is_set():
        receive = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}
        for message in world.call("sqs", "receive_message", **receive).get("Messages", []):
            body = json.loads(message["Body"])
            _answer(world, body["token"], body["pipelineExecutionArn"])
            world.call("sqs", "delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def _answer(world: RestartedEmulator, token: str, execution: str) -> None:
    outputs = [{"Name": "value", "Value": f"answer to {token}"}]
    answer = {"CallbackToken": token, "OutputParameters": outputs, "ClientRequestToken": token * 4}
    world.call("sagemaker", "send_pipeline_execution_step_success", **answer)
    # A token that is delivered twice is answered twice, with the same answer.
    world.keep("answers", token, execution)


def _write(world: RestartedEmulator, number: int) -> None:
    """Write objects, messages, log lines and asynchronous invocations, one of each per round."""
    url, stream = world.known["urls"]["ledger"], f"stream-{number}"
    world.call("logs", "create_log_stream", logGroupName="restart", logStreamName=stream)
    index = 0
    while not world.is_done.wait(0.1):
        index += 1
        name = f"{number}/{index}"
        world.call("s3", "put_object", Bucket="restart", Key=f"objects/{name}", Body=name.encode())
        world.keep("objects", f"objects/{name}", name)
        world.call("sqs", "send_message", QueueUrl=url, MessageBody=name)
        world.keep("messages", name)
        event = {"timestamp": int(time.time() * 1000), "message": name}
        world.call("logs", "put_log_events", logGroupName="restart", logStreamName=stream, logEvents=[event])
        world.keep("log lines", name)
        if index % 10 == 1:
            payload = json.dumps({"object": f"async/{name}"}).encode()
            world.call("lambda", "invoke", FunctionName="restart", InvocationType="Event", Payload=payload)
            world.keep("asynchronous invocations", f"async/{name}")


def _statuses(world: RestartedEmulator) -> dict[str, str]:
    pages, token = {}, {}
    while True:
        response = world.call("sagemaker", "list_pipeline_executions", PipelineName="p", MaxResults=100, **token)
        for summary in response["PipelineExecutionSummaries"]:
            pages[summary["PipelineExecutionArn"]] = summary["PipelineExecutionStatus"]
        if "NextToken" not in response:
            return pages
        token = {"NextToken": response["NextToken"]}


def _await_executions(world: RestartedEmulator) -> None:
    eventually(lambda: "Executing" not in _statuses(world).values(), _PATIENCE, every=0.5)


def _retry_failed(world: RestartedEmulator) -> None:
    """Retry what failed because of a kill: with the same emulator to the end, all must succeed."""
    failed = [arn for arn, status in _statuses(world).items() if status == "Failed"]
    world.report.failed = len(failed)
    for arn in failed:
        steps = world.call("sagemaker", "list_pipeline_execution_steps", PipelineExecutionArn=arn)
        reasons = [s["FailureReason"] for s in steps["PipelineExecutionSteps"] if s["StepStatus"] == "Failed"]
        if not all(_LOST in reason for reason in reasons):
            world.report.problems.append(f"{arn} failed for another reason: {reasons}")
        world.call(
            "sagemaker", "retry_pipeline_execution", PipelineExecutionArn=arn, ClientRequestToken=str(uuid.uuid4())
        )
    _await_executions(world)


def _check(world: RestartedEmulator) -> None:
    problems = world.report.problems
    statuses = _statuses(world)
    started = world.all("executions")
    problems += [f"execution {arn} is lost" for arn in started if arn not in statuses]
    problems += [f"execution {arn} ended {statuses[arn]}" for arn in statuses if statuses[arn] != "Succeeded"]
    problems += [f"execution {arn} was started twice" for arn in statuses if arn not in started]
    for token, arn in world.all("answers").items():
        other = {"CallbackToken": token, "ClientRequestToken": "other-".ljust(32, "-")}
        try:
            world.call("sagemaker", "send_pipeline_execution_step_success", **other)
            problems.append(f"the answer to {token} of {arn} is lost")
        except ClientError as error:
            if "already been answered" not in str(error):
                problems.append(f"the token {token} of {arn}: {error}")
    for key, text in world.all("objects").items():
        body = _object(world, key)
        if body != text.encode():
            problems.append(f"object {key} has {body!r}")
    received = _drain(world, "ledger")
    problems += [f"message {name} is lost" for name in world.all("messages") if name not in received]
    problems += _lost_notifications(world)
    lines = _log_lines(world)
    problems += [f"log line {name} is lost" for name in world.all("log lines") if name not in lines]
    for key in world.all("asynchronous invocations"):
        try:
            eventually(lambda key=key: _object(world, key), 120, every=0.5)  # type: ignore[misc]
        except AssertionError:
            problems.append(f"the asynchronous invocation {key} did not run")


def _object(world: RestartedEmulator, key: str) -> bytes:
    try:
        content: bytes = world.call("s3", "get_object", Bucket="restart", Key=key)["Body"].read()
        return content
    except ClientError:
        return b""


def _lost_notifications(world: RestartedEmulator) -> list[str]:
    """What was not delivered at the last kill arrives soon after the last start."""
    missing = set(world.all("objects"))

    def have_arrived() -> bool:
        records = [record for body in _drain(world, "notified") for record in json.loads(body).get("Records", [])]
        missing.difference_update(record["s3"]["object"]["key"] for record in records)
        return not missing

    try:
        eventually(have_arrived, 120, every=0.5)
    except AssertionError:
        return [f"the notification of {key} is lost" for key in sorted(missing)]
    return []


def _drain(world: RestartedEmulator, queue: str) -> set[str]:
    url = world.known["urls"][queue]
    names: set[str] = set()
    while messages := world.call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            names.add(message["Body"])
            world.call("sqs", "delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return names


def _log_lines(world: RestartedEmulator) -> set[str]:
    names: set[str] = set()
    token: dict[str, str] = {}
    while True:
        response = world.call("logs", "filter_log_events", logGroupName="restart", **token)
        names |= {event["message"] for event in response["events"]}
        if not response.get("nextToken"):
            return names
        token = {"nextToken": response["nextToken"]}
