"""What is deleted or replaced is gone from memory, so that an emulator can run for weeks."""

from __future__ import annotations

import gc
import json
import os
import time
import tracemalloc
import uuid
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.services.sqs.moto_patch import DELETED_HANDLES
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.kept_account import TRUST_OF_ALL
from tests.support.wait import eventually

ACCOUNT = "200000000082"
REGION = "us-west-2"


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, region=REGION), services=default_services())


def received_message(endpoint: Emulator) -> tuple[Any, Callable[[], object]]:
    from moto.sqs.models import sqs_backends

    sqs = endpoint.client("sqs")
    url = sqs.create_queue(QueueName="memory")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="text")
    (received,) = sqs.receive_message(QueueUrl=url)["Messages"]
    (message,) = sqs_backends[ACCOUNT][REGION].queues["memory"]._messages
    return message, lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])


def stored_object(endpoint: Emulator) -> tuple[Any, Callable[[], object]]:
    from moto.s3.models import s3_backends

    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="memory", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="memory", Key="name", Body=b"before")
    key = s3_backends[ACCOUNT]["aws"].buckets["memory"].keys["name"]
    return key, lambda: s3.put_object(Bucket="memory", Key="name", Body=b"after")


def log_stream(endpoint: Emulator) -> tuple[Any, Callable[[], object]]:
    from moto.logs.models import logs_backends

    logs = endpoint.client("logs")
    logs.create_log_group(logGroupName="memory")
    logs.create_log_stream(logGroupName="memory", logStreamName="one")
    stream = logs_backends[ACCOUNT][REGION].groups["memory"].streams["one"]
    return stream, lambda: logs.delete_log_group(logGroupName="memory")


@pytest.mark.parametrize("make", [received_message, stored_object, log_stream])
def test_what_is_deleted_or_replaced_is_not_kept_in_memory(
    endpoint: Emulator, make: Callable[[Emulator], tuple[Any, Callable[[], object]]]
) -> None:
    thing, delete = make(endpoint)
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is not None
    delete()
    gc.collect()
    assert gone() is None


def log_lines(endpoint: Emulator, name: str, count: int) -> None:
    logs, moment = endpoint.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    events = [{"timestamp": moment, "message": f"START RequestId: {uuid.uuid4()} of line {n}"} for n in range(count)]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)


def objects(endpoint: Emulator, name: str, count: int) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket=f"{name}-objects", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number in range(count):
        s3.put_object(Bucket=f"{name}-objects", Key=f"{number}", Body=os.urandom(20_000))


def executions(endpoint: Emulator, name: str, count: int) -> None:
    sagemaker = endpoint.client("sagemaker")
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": f"p{n}", "Type": "String", "DefaultValue": str(n)} for n in range(10)],
        "Steps": [{"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": "x" * 3000}}],
    }
    trust = json.dumps(TRUST_OF_ALL)
    role = endpoint.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=role)

    def has_failed(arn: str) -> bool:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        return bool(status == "Failed")

    for number in range(count):
        values = [{"Name": f"p{n}", "Value": f"{number:03}{n}" * 250} for n in range(10)]
        arn = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=values)["PipelineExecutionArn"]
        eventually(partial(has_failed, arn))


@pytest.mark.parametrize(
    ("make", "count", "most"), [(log_lines, 10_000, 60), (objects, 60, 12_000), (executions, 40, 12_000)]
)
def test_what_is_kept_takes_little_memory(
    endpoint: Emulator, make: Callable[[Emulator, str, int], None], count: int, most: int
) -> None:
    """`most` is in bytes each, which have more bytes of text or content: about 70, 20,000, and 13,000."""
    # What the first calls import and make does not count.
    make(endpoint, "first", 3)
    gc.collect()
    tracemalloc.start()
    try:
        make(endpoint, "many", count)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] / count < most
    finally:
        tracemalloc.stop()


def test_few_handles_of_deleted_messages_are_kept(endpoint: Emulator) -> None:
    from moto.sqs.models import sqs_backends

    sqs = endpoint.client("sqs")
    url = sqs.create_queue(QueueName="deleted")["QueueUrl"]
    for _ in range(2 * DELETED_HANDLES // 10 + 2):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "text"} for n in range(10)])
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        handles = [message["ReceiptHandle"] for message in received]
        sqs.delete_message_batch(
            QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
        )
    assert len(sqs_backends[ACCOUNT][REGION].queues["deleted"].deleted_messages) <= 2 * DELETED_HANDLES
    for handle in handles:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
