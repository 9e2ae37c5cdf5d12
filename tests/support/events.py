"""Set up what sends events and what gets them, and read what arrives."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.support.emulator_endpoint import Emulator
from tests.support.functions import TRUST, Functions, make_role
from tests.support.wait import eventually


def bucket(account: Functions) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    account.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return name


def allow_delivery(account: Functions, queue_url: str, principal: str, source_arn: str) -> None:
    """Let a service send to the queue on behalf of `source_arn`."""
    sqs = account.client("sqs")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": source_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})


def allow_invocation(account: Functions, function: str, principal: str, source_arn: str) -> str:
    """Let a service invoke the function on behalf of `source_arn`. Returns the function's ARN."""
    account.lambda_.add_permission(
        FunctionName=function,
        StatementId=uuid.uuid4().hex,
        Action="lambda:InvokeFunction",
        Principal=principal,
        SourceArn=source_arn,
    )
    return str(account.lambda_.get_function_configuration(FunctionName=function)["FunctionArn"])


def service_role(emulator: Emulator, principal: str, *actions: str) -> str:
    """A role that the service can assume, and that may do these actions."""
    trust = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", principal))
    arn = make_role(emulator, trust)
    if actions:
        document = {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}], "Version": "2012-10-17"}
        emulator.client("iam").put_role_policy(
            RoleName=arn.rpartition("/")[2], PolicyName="p", PolicyDocument=json.dumps(document)
        )
    return arn


def take(account: Functions, url: str, wait: int = 1) -> list[dict[str, Any]]:
    """Receives and deletes messages that wait in the queue."""
    sqs = account.client("sqs")
    messages: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=wait, MessageAttributeNames=["All"]
    ).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


def next_message(account: Functions, url: str) -> Any:
    """The body of the only message that waits, as JSON, as soon as it is there."""
    [message] = eventually(lambda: take(account, url), what=f"a message in {url}")
    return json.loads(message["Body"])
