"""The pipelines service with fakes for the services that it calls, and short methods for its operations."""

from __future__ import annotations

import io
import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import Environment, RequestContext
from geopipe_emulator.services.sagemaker import PipelinesService
from geopipe_emulator.services.sagemaker.steps import STEP_TYPES
from geopipe_emulator.services.sagemaker.steps.base import StepType
from geopipe_emulator.services.sagemaker.steps.function import LambdaStep
from geopipe_emulator.settings import Settings
from geopipe_emulator.step_answers import parse_step_answers
from tests.support.wait import eventually

ACCOUNT = "123456789012"
CONTEXT = RequestContext(ACCOUNT, "us-west-2")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/geopipe/dev/PipelineRole"
QUEUE = f"http://127.0.0.1:9/{ACCOUNT}/callbacks"
FUNCTION = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:"
TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}
PATIENCE = 5.0

Function = Callable[[dict[str, Any]], Any]


class HandlerError(Exception):
    """Raised by a fake function that must return FunctionError."""


class FakeLambdaApi:
    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.payloads: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        name = FunctionName.removeprefix(FUNCTION)
        if name not in self.functions:
            raise client_error("ResourceNotFoundException", f"Function not found: {FunctionName}", "Invoke")
        payload = json.loads(Payload)
        self.payloads.append((name, payload))
        try:
            answer = {"StatusCode": 200}, self.functions[name](payload)
        except HandlerError as error:
            answer = {"StatusCode": 200, "FunctionError": "Unhandled"}, error.args[0]
        metadata = {"RequestId": f"{name}-{len(self.payloads)}"}
        return {**answer[0], "ResponseMetadata": metadata, "Payload": io.BytesIO(json.dumps(answer[1]).encode())}


class FakeSqs:
    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.broken = False
        self.on_send: Callable[[dict[str, Any]], None] | None = None

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        if self.broken:
            raise client_error("AWS.SimpleQueueService.NonExistentQueue", "No such queue.", "SendMessage")
        body = json.loads(MessageBody)
        if self.on_send:
            self.on_send(body)
        self.sent.put((QueueUrl, body))
        return {"MessageId": "1"}

    def next(self) -> dict[str, Any]:
        return self.sent.get(timeout=PATIENCE)[1]


class FakeIam:
    def __init__(self) -> None:
        self.roles: dict[str, tuple[str, dict[str, Any]]] = {"PipelineRole": (ROLE, TRUST)}

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803
        if RoleName not in self.roles:
            raise client_error("NoSuchEntity", "not found", "GetRole")
        arn, trust = self.roles[RoleName]
        return {"Role": {"Arn": arn, "AssumeRolePolicyDocument": trust}}


class FakeS3:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.buckets: set[str] = set()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise client_error("NoSuchKey", "The specified key does not exist.", "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: Any) -> None:  # noqa: N803
        if Bucket not in self.buckets:
            raise client_error("NoSuchBucket", "The specified bucket does not exist", "PutObject")
        self.objects[Bucket, Key] = Body if isinstance(Body, bytes) else Body.read()

    def create_bucket(self, *, Bucket: str, CreateBucketConfiguration: Any) -> None:  # noqa: N803
        assert CreateBucketConfiguration == {"LocationConstraint": "us-west-2"}
        self.buckets.add(Bucket)


def client_error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class TickingClock:
    """Each call is a millisecond later, so that the order of times is the order of events."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.lock = threading.Lock()

    def __call__(self) -> datetime:
        with self.lock:
            self.now += timedelta(milliseconds=1)
            return self.now


def create_environment(clients: Mapping[str, Any], settings: Settings | None = None) -> Environment:
    return Environment(settings or Settings(), "http://127.0.0.1:9", lambda name, region: clients[name])


class PipelinesWorld:
    """The service with fakes for the services that it calls, and short methods for its operations."""

    def __init__(
        self,
        lambda_limit_seconds: float = 600,
        extra_step_types: Sequence[type[StepType]] = (),
        answers: Mapping[str, Any] | None = None,
        folder: Path = Path(),
    ) -> None:
        class LimitedLambdaStep(LambdaStep):
            limit_seconds = lambda_limit_seconds

        self.functions, self.sqs, self.iam, self.s3 = FakeLambdaApi(), FakeSqs(), FakeIam(), FakeS3()
        clients = {"lambda": self.functions, "sqs": self.sqs, "iam": self.iam, "s3": self.s3}
        steps = parse_step_answers(dict(answers or {}), folder)
        self.environment = create_environment(clients, Settings(steps=steps, time_scale=0.02))
        step_types = [LimitedLambdaStep if type_ is LambdaStep else type_ for type_ in STEP_TYPES]
        self.service = PipelinesService(self.environment, TickingClock(), [*step_types, *extra_step_types])
        self.service.start()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.service.operations[operation](request, CONTEXT)

    def create(self, *steps: dict[str, Any], name: str = "Pipe", **more: Any) -> str:
        arn: str = self.call("CreatePipeline", **creation(*steps, name=name, **more))["PipelineArn"]
        return arn

    def start(self, name: str = "Pipe", given: dict[str, str] | None = None, **more: Any) -> str:
        parameters = [{"Name": n, "Value": v} for n, v in (given or {}).items()]
        answer = self.call("StartPipelineExecution", PipelineName=name, PipelineParameters=parameters, **more)
        arn: str = answer["PipelineExecutionArn"]
        return arn

    def run(self, *steps: dict[str, Any]) -> str:
        self.create(*steps)
        return self.start()

    def ended(self, arn: str) -> dict[str, Any]:
        """The description of an execution once it is finished."""
        eventually(lambda: self.service.store.execution(arn).finished)
        return self.call("DescribePipelineExecution", PipelineExecutionArn=arn)

    def wait_for_step(self, arn: str, name: str, status: str) -> None:
        eventually(lambda: self.steps(arn).get(name, {}).get("StepStatus") == status)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        listed = self.call(
            "ListPipelineExecutionSteps", PipelineExecutionArn=arn, SortOrder="Ascending", MaxResults=100
        )
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}

    def statuses(self, arn: str) -> dict[str, str]:
        return {name: step["StepStatus"] for name, step in self.steps(arn).items()}

    def retry(self, arn: str, **more: Any) -> dict[str, Any]:
        return self.call("RetryPipelineExecution", PipelineExecutionArn=arn, **more)

    def succeed(self, token: str, outputs: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        given = [{"Name": n, "Value": v} for n, v in (outputs or {}).items()]
        return self.call("SendPipelineExecutionStepSuccess", CallbackToken=token, OutputParameters=given, **more)

    def fail(self, token: str, reason: str, **more: Any) -> dict[str, Any]:
        return self.call("SendPipelineExecutionStepFailure", CallbackToken=token, FailureReason=reason, **more)


def creation(*steps: dict[str, Any], name: str = "Pipe", **more: Any) -> dict[str, Any]:
    parameters = [
        {"Name": "who", "Type": "String", "DefaultValue": "world"},
        {"Name": "queue", "Type": "String", "DefaultValue": QUEUE},
    ]
    definition = json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": steps or [function("a")]})
    return {"PipelineName": name, "RoleArn": ROLE, "PipelineDefinition": definition, **more}


def function(name: str, *outputs: str, **more: Any) -> dict[str, Any]:
    declared = [{"OutputName": output, "OutputType": "String"} for output in outputs]
    return {"Name": name, "Type": "Lambda", "FunctionArn": FUNCTION + name, "OutputParameters": declared, **more}


def callback(name: str, *outputs: str, **more: Any) -> dict[str, Any]:
    declared = [{"OutputName": output, "OutputType": "String"} for output in outputs]
    url = {"Get": "Parameters.queue"}
    return {"Name": name, "Type": "Callback", "SqsQueueUrl": url, "OutputParameters": declared, **more}


def condition(
    name: str,
    conditions: list[dict[str, Any]],
    then: list[dict[str, Any]],
    otherwise: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    arguments = {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def equals(left: object, right: object) -> dict[str, Any]:
    return {"Type": "Equals", "LeftValue": left, "RightValue": right}


def processing(name: str, outputs: Mapping[str, object] | None = None, **more: Any) -> dict[str, Any]:
    """A Processing step whose `outputs` are S3 URIs by their name."""
    listed = [
        {"OutputName": key, "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{key}"}}
        for key, uri in (outputs or {}).items()
    ]
    arguments = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large"}},
        "ProcessingOutputConfig": {"Outputs": listed},
        **more.pop("Arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def training(name: str, **more: Any) -> dict[str, Any]:
    arguments = {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://models/out/"},
        **more.pop("Arguments", {}),
    }
    return {"Name": name, "Type": "Training", "Arguments": arguments, **more}


def failing(name: str, message: object = "no", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def output(step: str, name: str) -> dict[str, str]:
    return {"Get": f"Steps.{step}.OutputParameters['{name}']"}


class Gate:
    """A function that waits until the test opens it."""

    def __init__(self, answer: Any = None) -> None:
        self.entered, self.open, self.answer = threading.Event(), threading.Event(), answer

    def __call__(self, payload: dict[str, Any]) -> Any:
        self.entered.set()
        assert self.open.wait(PATIENCE), "the gate stayed closed"
        if isinstance(self.answer, HandlerError):
            raise self.answer
        return self.answer


def refused(code: str, work: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as refusal:
        work()
    assert refusal.value.code == code
    return refusal.value.message
