"""Deliveries that fail: which are tried again, how often, and what the dead-letter queue gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.events.agenda import Agenda
from geopipe_emulator.events.delivery import DeadLetters, Delivery, Dispatcher, RetryLimits
from geopipe_emulator.events.targets import Target
from geopipe_emulator.service import Environment
from geopipe_emulator.settings import Settings
from geopipe_emulator.state.file import StateFile, create
from geopipe_emulator.state.records import RecordTable, RecordTables
from tests.support.wait import eventually

QUEUE = "arn:aws:sqs:us-west-2:123456789012:q"
DEAD = f"{QUEUE}-dead"
BINARY = {"b": {"DataType": "Binary", "BinaryValue": bytes(range(256)) * 2}}
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


def send(agenda: Agenda, queues: FakeQueues, limits: RetryLimits) -> dict[str, Any]:
    """Send one message. Returns the message that one of the queues got."""
    environment = Environment(Settings(time_scale=0.0001), "http://127.0.0.1:9", lambda *_: queues)
    target = Target(QUEUE, "events.amazonaws.com", "arn:aws:events:us-west-2:123456789012:rule/r")
    waiting: RecordTable[str, Delivery] = RecordTable()
    letters = DeadLetters(DEAD, {"RULE_ARN": target.source_arn})
    Dispatcher(environment, agenda, waiting).send(Delivery(target, "text", limits, letters))
    [message] = eventually(lambda: queues.sent)
    eventually(lambda: not waiting, what="the end of the record")
    return dict(message)


def test_what_may_pass_is_tried_again(agenda: Agenda) -> None:
    queues = FakeQueues(failure("RequestThrottled", 403), failure("InternalFailure", 500))
    assert send(agenda, queues, RetryLimits())["QueueUrl"].endswith("/q")
    assert queues.attempts == 3


@pytest.mark.parametrize(
    ("error", "limits", "expected"),
    [
        (failure("InvalidMessageContents", 400), RetryLimits(), ("InvalidMessageContents", "0", "no")),
        (failure("AWS.SimpleQueueService.NonExistentQueue", 400), RetryLimits(), ("NO_RESOURCE", "0", "no")),
        (failure("AccessDenied", 403), RetryLimits(), ("NO_PERMISSIONS", "0", "no")),
        (failure("InternalFailure", 500), RetryLimits(2), ("500 InternalFailure", "2", "MaximumRetryAttempts")),
        (failure("InternalFailure", 500), RetryLimits(9, 4), ("500 InternalFailure", "2", "MaximumEventAgeInSeconds")),
    ],
)
def test_the_dead_letter_queue_gets_the_rest_with_the_reason(
    agenda: Agenda, error: ClientError, limits: RetryLimits, expected: tuple[str, str, str]
) -> None:
    message = send(agenda, FakeQueues(*[error] * 9), limits)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (message["QueueUrl"].rpartition("/")[2], message["MessageBody"]) == ("q-dead", "text")
    exhausted = attributes.get("EXHAUSTED_RETRY_CONDITION", "no")
    assert (attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"], exhausted) == expected
    assert attributes["RULE_ARN"].endswith(":rule/r")


def test_one_broken_piece_of_work_does_not_end_the_agenda(agenda: Agenda, capsys: pytest.CaptureFixture[str]) -> None:
    done, said = threading.Event(), []
    for _ in range(9):
        agenda.add(lambda: [][0])
    agenda.add(done.set, 0.001)
    assert done.wait(90)

    def each_is_reported() -> bool:
        said.append(capsys.readouterr().err)
        return "".join(said).count("an event was not delivered\nTraceback") == 9

    eventually(each_is_reported)


def test_a_record_carries_the_attempts_into_the_next_process(tmp_path: Path) -> None:
    create(tmp_path / "state")
    file = StateFile(tmp_path / "state")
    queues = FakeQueues(*[failure("InternalFailure", 500)] * 9)
    target = Target(QUEUE, "sns.amazonaws.com", "arn:aws:sns:us-west-2:123456789012:t", attributes=BINARY)
    letters = DeadLetters(DEAD, {"RULE_ARN": "r"})

    def dispatcher(time_scale: float) -> tuple[Dispatcher, RecordTable[str, Delivery], Agenda]:
        """A process with a memory of its own, on the same file."""
        waiting = RecordTables(file).open(
            "event delivery", simplify=lambda delivery: delivery.record(), restore=Delivery.from_record
        )
        environment = Environment(Settings(time_scale=time_scale), "http://127.0.0.1:9", lambda *_: queues)
        agenda = Agenda()
        return Dispatcher(environment, agenda, waiting), waiting, agenda

    first, waiting, agenda = dispatcher(time_scale=1)
    first.send(Delivery(target, "text", RetryLimits(2), letters, "an id"))
    eventually(lambda: waiting["an id"].age)
    agenda.stop()
    second, waiting, agenda = dispatcher(time_scale=0.0001)
    assert waiting["an id"] == Delivery(target, "text", RetryLimits(2), letters, "an id", attempts=1, age=1.0)
    second.resume()
    [message] = eventually(lambda: queues.sent)
    eventually(lambda: not waiting)
    agenda.stop()
    assert message["MessageAttributes"]["RETRY_ATTEMPTS"]["StringValue"] == "2" and queues.attempts == 3
    assert message["MessageAttributes"]["b"] == BINARY["b"]
    assert file.rows("event delivery") == []
    file.close()


def test_what_is_sent_before_the_rest_is_resumed_is_delivered_once(agenda: Agenda) -> None:
    queues = FakeQueues()
    environment = Environment(Settings(), "http://127.0.0.1:9", lambda *_: queues)
    target = Target(QUEUE, "sns.amazonaws.com", "arn:aws:sns:us-west-2:123456789012:t")
    waiting: RecordTable[str, Delivery] = RecordTable()
    waiting.load("old", Delivery(target, "old", id="old"))
    dispatcher = Dispatcher(environment, agenda, waiting)
    may_begin, done = threading.Event(), threading.Event()
    for _ in range(4):  # as many as the agenda has threads
        agenda.add(lambda: may_begin.wait(90) and None)
    dispatcher.send(Delivery(target, "new", id="new"))
    dispatcher.resume()
    agenda.add(done.set, 0.01)
    may_begin.set()
    assert done.wait(90)
    eventually(lambda: not waiting)
    assert sorted(message["MessageBody"] for message in queues.sent) == ["new", "old"]


def test_a_delivery_that_a_reset_has_dropped_is_not_tried_again(
    agenda: Agenda, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting: RecordTable[str, Delivery] = RecordTable()

    class ResetDuringTheCall(FakeQueues):
        def send_message(self, **message: Any) -> None:
            waiting.clear()
            super().send_message(**message)

    queues = ResetDuringTheCall(failure("InternalFailure", 500))
    environment = Environment(Settings(time_scale=0.0001), "http://127.0.0.1:9", lambda *_: queues)
    target = Target(QUEUE, "sns.amazonaws.com", "arn:aws:sns:us-west-2:123456789012:t")
    dispatcher, done = Dispatcher(environment, agenda, waiting), threading.Event()
    dispatcher.send(Delivery(target, "text"))
    eventually(lambda: queues.attempts)
    agenda.add(done.set, 0.2)
    assert done.wait(90)
    assert (queues.attempts, queues.sent, dict(waiting)) == (1, [], {})
    assert "Traceback" not in capsys.readouterr().err
