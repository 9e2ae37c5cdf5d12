"""SQS over HTTP: attributes, repeated creation, time under the scale, dead letters."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.services.sqs.attributes import InvalidAttributeError, check_attributes, differing
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

ACCOUNT = "200000000001"
SCALE = 0.02


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, time_scale=SCALE))


@pytest.fixture(scope="module")
def sqs(endpoint: Emulator) -> Any:
    return endpoint.client("sqs")


def receive(sqs: Any, url: str, wait: int = 20, **options: Any) -> list[dict[str, Any]]:
    """A long poll; `wait` bounds it, and returns as soon as there is a message."""
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"], **options)
    return answer.get("Messages", [])


def test_queue_url_is_of_this_endpoint(endpoint: Emulator, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="urls")["QueueUrl"]
    assert url == f"{endpoint.url}/{ACCOUNT}/urls"
    assert sqs.get_queue_url(QueueName="urls")["QueueUrl"] == url
    assert url in sqs.list_queues()["QueueUrls"]


def test_attributes_read_back_as_set_at_every_scale(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="attributes", Attributes={"VisibilityTimeout": "300"})["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "300"
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert attributes["CreatedTimestamp"].isdigit()
    assert attributes["QueueArn"] == f"arn:aws:sqs:us-west-2:{ACCOUNT}:attributes"
    # Terraform compares the policy as text.
    redrive = f'{{"deadLetterTargetArn":"{attributes["QueueArn"]}","maxReceiveCount":3}}'
    spaced = redrive.replace(":3", ": 3").replace(",", ", ")
    url = sqs.create_queue(QueueName="redriving", Attributes={"RedrivePolicy": spaced})["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["RedrivePolicy"] == redrive


def test_creating_again_keeps_queue_and_tags(sqs: Any) -> None:
    first = sqs.create_queue(QueueName="again", Attributes={"DelaySeconds": "5"}, tags={"owner": "me"})
    second = sqs.create_queue(QueueName="again", Attributes={"DelaySeconds": "5"}, tags={"owner": "you"})
    assert first["QueueUrl"] == second["QueueUrl"]
    assert sqs.list_queue_tags(QueueUrl=first["QueueUrl"])["Tags"] == {"owner": "me"}


def test_creating_again_with_another_value_names_the_attribute(sqs: Any) -> None:
    sqs.create_queue(QueueName="other", Attributes={"VisibilityTimeout": "60"})
    with pytest.raises(sqs.exceptions.QueueNameExists) as caught:
        sqs.create_queue(QueueName="other", Attributes={"VisibilityTimeout": "61"})
    error = caught.value.response["Error"]
    assert error["Code"] == "QueueAlreadyExists"
    assert error["QueryErrorCode"] == "QueueNameExists"
    assert error["Message"].endswith("a different value for attribute VisibilityTimeout")


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
        ({"DelaySeconds": "soon"}, "InvalidAttributeValue"),
        ({"DelaySeconds": "-1"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1048577"}, "InvalidAttributeValue"),
        ({"SqsManagedSseEnabled": "maybe"}, "InvalidAttributeValue"),
        ({"Policy": "{"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": '{"maxReceiveCount": 1}'}, "InvalidAttributeValue"),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "a", "maxReceiveCount": 1001}'}, "InvalidAttributeValue"),
        ({"Color": "blue"}, "InvalidAttributeName"),
    ],
)
def test_wrong_attributes_are_refused(attributes: dict[str, str], shape: str) -> None:
    with pytest.raises(InvalidAttributeError) as caught:
        check_attributes(attributes)
    assert caught.value.shape == shape


def test_attributes_compare_by_meaning() -> None:
    redrive = json.dumps({"maxReceiveCount": "5", "deadLetterTargetArn": "a"})
    present = {"VisibilityTimeout": 30, "RedrivePolicy": json.dumps({"deadLetterTargetArn": "a", "maxReceiveCount": 5})}
    assert differing({"VisibilityTimeout": "30", "RedrivePolicy": redrive}, present) == ""
    assert differing({"RedrivePolicy": redrive.replace("5", "6")}, present) == "RedrivePolicy"


def test_refusals_reach_the_client(sqs: Any) -> None:
    with pytest.raises(sqs.exceptions.InvalidAttributeValue):
        sqs.create_queue(QueueName="ranges", Attributes={"VisibilityTimeout": "43201"})
    url = sqs.create_queue(QueueName="ranges")["QueueUrl"]
    with pytest.raises(sqs.exceptions.InvalidAttributeName):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Color": "blue"})
    target = f"arn:aws:sqs:us-west-2:{ACCOUNT}:nowhere"
    redrive = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 2})
    with pytest.raises(ClientError, match="Dead letter target does not exist"):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_attributes(QueueUrl=f"{url}x", AttributeNames=["All"])


def test_unfinished_message_returns_after_the_scaled_visibility(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="redelivery", Attributes={"VisibilityTimeout": "10"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="work")
    [first] = receive(sqs, url)
    began = time.monotonic()
    assert receive(sqs, url, wait=0) == []
    [second] = receive(sqs, url)
    waited = time.monotonic() - began
    assert second["MessageId"] == first["MessageId"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert 10 * SCALE * 0.9 <= waited < 10 * SCALE + 4


def test_changed_visibility_is_scaled_too(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="changed", Attributes={"VisibilityTimeout": "3000"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="work")
    [message] = receive(sqs, url)
    began = time.monotonic()
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5)
    [again] = receive(sqs, url)
    assert again["MessageId"] == message["MessageId"]
    assert 5 * SCALE * 0.9 <= time.monotonic() - began < 5 * SCALE + 4
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    assert len(receive(sqs, url, wait=0)) == 1


def test_batch_changes_and_batch_sends(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="batches", Attributes={"VisibilityTimeout": "3000"})["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": 10 * n} for n in range(2)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 2
    [first] = receive(sqs, url, MaxNumberOfMessages=10)
    assert first["Body"] == "m0", "the other one is delayed"
    [second] = receive(sqs, url, MaxNumberOfMessages=10)
    changes = [
        {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
        for n, m in enumerate([first, second])
    ]
    assert len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=changes)["Successful"]) == 2
    assert {m["Body"] for m in receive(sqs, url, wait=0, MaxNumberOfMessages=10)} == {"m0", "m1"}


def test_delay_is_scaled(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="delayed", Attributes={"DelaySeconds": "5"})["QueueUrl"]
    began = time.monotonic()
    sqs.send_message(QueueUrl=url, MessageBody="later")
    assert receive(sqs, url, wait=0) == []
    assert len(receive(sqs, url)) == 1
    assert 5 * SCALE * 0.9 <= time.monotonic() - began < 5 * SCALE + 4


def test_long_poll_wakes_for_a_new_message(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="wakes")["QueueUrl"]
    threading.Timer(0.1, lambda: sqs.send_message(QueueUrl=url, MessageBody="now")).start()
    began = time.monotonic()
    assert len(receive(sqs, url)) == 1
    assert time.monotonic() - began < 4


def test_dead_letters_arrive_while_a_receiver_waits(sqs: Any) -> None:
    dead_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-west-2:{ACCOUNT}:dead", "maxReceiveCount": 2})
    attributes = {"VisibilityTimeout": "1", "RedrivePolicy": redrive}
    url = sqs.create_queue(QueueName="living", Attributes=attributes)["QueueUrl"]
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60

    def wait_for_one() -> None:
        while not found and time.monotonic() < deadline:  # a receive may end before a slow machine got this far
            found.extend(receive(sqs, dead_url))

    waiting = threading.Thread(target=wait_for_one)
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert len(receive(sqs, url)) == len(receive(sqs, url)) == 1
    while waiting.is_alive() and time.monotonic() < deadline:
        assert receive(sqs, url, wait=0) == []
    assert [message["Body"] for message in found] == ["poison"]


def test_concurrent_receivers_never_share_a_message(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="shared", Attributes={"VisibilityTimeout": "3000"})["QueueUrl"]
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    bodies: list[str] = []

    def consume() -> None:
        while messages := receive(sqs, url, wait=0, MaxNumberOfMessages=3):
            for message in messages:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bodies, key=int) == [str(number) for number in range(20)]


def test_stopping_ends_a_long_poll(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(Settings(account_id="200000000002"))
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="endless")["QueueUrl"]
    received: list[Any] = []
    waiting = threading.Thread(target=lambda: received.append(receive(sqs, url)))
    waiting.start()
    while not any(row["operation"] == "ReceiveMessage" for row in emulator.calls["external"]):
        time.sleep(0.005)
    began = time.monotonic()
    emulator.server.gateway.stop()
    waiting.join(timeout=90)
    assert received == [[]]
    assert time.monotonic() - began < 4
