"""Deliveries that fail: which are tried again, how often, and what the dead-letter queue gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.events.agenda import Agenda
from geopipe_emulator.events.delivery import DeadLetters, Delivery, Dispatcher, FailedDelivery, RetryLimits
from geopipe_emulator.events.targets import Target
from geopipe_emulator.service import Environment
from geopipe_emulator.settings import Settings
from tests.support.wait import eventually

QUEUE = "arn:aws:sqs:us-west-2:123456789012:q"
DEAD = f"{QUEUE}-dead"
POLICY = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}}'


def failure(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendMessage")


class FakeQueues:
    """Queues that refuse as many messages as there are `failures`; the dead-letter queue refuses none."""

    def __init__(self, *failures: ClientError) -> None:
        self.failures = list(failures)
        self.attempts = 0
        self.sent: list[dict[str, Any]] = []

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": {"Policy": POLICY}}

    def send_message(self, **message: Any) -> None:
        if message["QueueUrl"].endswith("/q"):
            self.attempts += 1
            if self.failures:
                raise self.failures.pop(0)
        self.sent.append(message)


@pytest.fixture
def agenda() -> Iterator[Agenda]:
    agenda = Agenda()
    yield agenda
    agenda.stop()


def describe(failed: FailedDelivery) -> dict[str, str]:
    return {"code": failed.code, "attempts": str(failed.attempts), "exhausted": failed.exhausted or "no"}


def send(agenda: Agenda, queues: FakeQueues, limits: RetryLimits) -> dict[str, Any]:
    """Send one message. Returns the message that one of the queues got."""
    environment = Environment(Settings(time_scale=0.0001), "http://127.0.0.1:9", lambda *_: queues)
    target = Target(QUEUE, "events.amazonaws.com", "arn:aws:events:us-west-2:123456789012:rule/r")
    Dispatcher(environment, agenda).send(Delivery(target, "text", limits, DeadLetters(DEAD, describe)))
    [message] = eventually(lambda: queues.sent)
    return dict(message)


def test_what_may_pass_is_tried_again(agenda: Agenda) -> None:
    queues = FakeQueues(failure("RequestThrottled", 403), failure("InternalFailure", 500))
    assert send(agenda, queues, RetryLimits())["QueueUrl"].endswith("/q")
    assert queues.attempts == 3


@pytest.mark.parametrize(
    ("error", "limits", "expected"),
    [
        (failure("InvalidMessageContents", 400), RetryLimits(), ("InvalidMessageContents", "1", "no")),
        (failure("AWS.SimpleQueueService.NonExistentQueue", 400), RetryLimits(), ("NO_RESOURCE", "1", "no")),
        (failure("AccessDenied", 403), RetryLimits(), ("NO_PERMISSIONS", "1", "no")),
        (failure("InternalFailure", 500), RetryLimits(2), ("500 InternalFailure", "3", "MaximumRetryAttempts")),
        (failure("InternalFailure", 500), RetryLimits(9, 4), ("500 InternalFailure", "3", "MaximumEventAgeInSeconds")),
    ],
)
def test_the_dead_letter_queue_gets_the_rest_with_the_reason(
    agenda: Agenda, error: ClientError, limits: RetryLimits, expected: tuple[str, str, str]
) -> None:
    message = send(agenda, FakeQueues(*[error] * 9), limits)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (message["QueueUrl"].rpartition("/")[2], message["MessageBody"]) == ("q-dead", "text")
    assert (attributes["code"], attributes["attempts"], attributes["exhausted"]) == expected


def test_one_broken_piece_of_work_does_not_end_the_agenda(agenda: Agenda) -> None:
    done = threading.Event()
    for _ in range(9):
        agenda.add(lambda: [][0])
    agenda.add(done.set, 0.001)
    assert done.wait(90)
