"""Lambda functions on an emulator: make, call, list and delete them."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator_endpoint import Emulator
from tests.support.wait import eventually

ACCOUNT_ID = "123456789012"


REGION = "us-west-2"


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


ECHO = "def handler(event, context):\n    return event\n"


def zipped(**modules: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in modules.items():
            # A ZipInfo of its own has a fixed date, so the same modules make the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{name}.py"), source)
    return buffer.getvalue()


@dataclass
class Functions:
    """The emulated account, and all that a test makes in it."""

    emulator: Emulator
    role: str = ""
    functions: list[str] = field(default_factory=list)
    mappings: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    @property
    def lambda_(self) -> Any:
        return self.client("lambda")

    def function(self, source: str = ECHO, **settings: Any) -> str:
        name = f"f-{uuid.uuid4().hex[:8]}"
        request = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": self.role,
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped(app=source)},
        }
        self.lambda_.create_function(**{**request, **settings})
        self.functions.append(name)
        return name

    def call(self, name: str, event: Any = None, **options: Any) -> Any:
        """Invoke it and return what it answered; fails when the function did."""
        answer = self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event), **options)
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def failure(self, name: str, event: Any = None) -> dict[str, Any]:
        answer = self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event))
        assert answer["FunctionError"] == "Unhandled"
        assert answer["StatusCode"] == 200
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
        return payload

    def log_lines(self, name: str) -> list[str]:
        logs = self.client("logs")
        try:
            return [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def logged(self, name: str, part: str) -> list[str]:
        """All log lines, as soon as one of them contains `part`."""

        def lines() -> list[str]:
            found = self.log_lines(name)
            return found if any(part in line for line in found) else []

        return list(eventually(lines))

    def queue(self, **attributes: str) -> tuple[str, str]:
        """A queue's URL and ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        self.queues.append(url)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    def mapping(self, queue_arn: str, function: str, **settings: Any) -> str:
        created = self.lambda_.create_event_source_mapping(EventSourceArn=queue_arn, FunctionName=function, **settings)
        self.mappings.append(created["UUID"])
        return str(created["UUID"])

    def clear(self) -> None:
        for mapping in self.mappings:
            _ignoring_gone(self.lambda_.delete_event_source_mapping, UUID=mapping)
        for name in self.functions:
            _ignoring_gone(self.lambda_.delete_function, FunctionName=name)
        for url in self.queues:
            _ignoring_gone(self.client("sqs").delete_queue, QueueUrl=url)


def _ignoring_gone(call: Callable[..., Any], **request: str) -> None:
    try:
        call(**request)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)


def make_role(emulator: Emulator, trust: dict[str, Any], path: str = "/") -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    iam = emulator.client("iam")
    return str(iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"])


def refused(call: Callable[..., Any], **request: Any) -> tuple[int, str, str]:
    """Status, code and message of the error a call answers with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    response: Any = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


def arn_of(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"
