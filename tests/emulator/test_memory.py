"""What is deleted or replaced is gone from memory, so that an emulator can run for weeks."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.services.sqs.moto_patch import DELETED_HANDLES
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.paths import ROOT

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


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "count", "most"), [("log lines", 10_000, 60), ("objects", 60, 12_000), ("executions", 40, 12_000)]
)
def test_what_is_kept_takes_little_memory(kind: str, count: int, most: int) -> None:
    """`most` is in bytes each, which have more bytes of text or content: about 70, 20,000, and 13,000."""
    measure = [sys.executable, "-m", "tests.support.kept_memory", kind, str(count)]
    measured = subprocess.run(measure, cwd=ROOT, capture_output=True, text=True, check=False)
    assert measured.returncode == 0, measured.stderr
    assert float(measured.stdout) < most


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
