"""Event source mappings: what is refused, the states, and that messages arrive, fail, come back and end up dead."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import Environment, RequestContext
from geopipe_emulator.services.lambda_ import FunctionsService
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import ACCOUNT_ID, REGION, TRUST, Functions, arn_of, make_role, refused, zipped
from tests.support.wait import eventually

REPORTING = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
# Sends its event to a second queue, named in the environment; then does what the body of each message says.
RELAY = """
import json, os, time, boto3
sqs = boto3.client("sqs")
def messages_in(queue_url):
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])["Attributes"][name])
def handler(event, context):
    if not event["Records"]:
        return
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    orders = [(record, json.loads(record["body"])) for record in event["Records"]]
    for record, order in orders:
        if order.get("hide") is not None:
            sqs.change_message_visibility(
                QueueUrl=os.environ["SOURCE"], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=order["hide"])
        time.sleep(order.get("sleep", 0))
        while order.get("meet", 0) > messages_in(os.environ["SEEN"]):
            time.sleep(0.05)
        if order.get("raise"):
            raise ValueError(order["raise"])
    failed = [record["messageId"] for record, order in orders
              if int(record["attributes"]["ApproximateReceiveCount"]) <= order.get("fail", 0)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
"""


@pytest.fixture(scope="session")
def role(emulator: Emulator) -> str:
    return make_role(emulator, TRUST)


@pytest.fixture
def account(emulator: Emulator, role: str) -> Iterator[Functions]:
    account = Functions(emulator, role)
    yield account
    account.clear()


class Relay:
    """A queue, a function that reports what it is given, and the queue it reports to."""

    def __init__(self, account: Functions, timeout: int = 3, **attributes: str) -> None:
        self.sqs = account.client("sqs")
        self.url, self.arn = account.queue(**{"VisibilityTimeout": "10", **attributes})
        self.seen_url, _ = account.queue()
        variables = {"SEEN": self.seen_url, "SOURCE": self.url}
        self.function = account.function(RELAY, Timeout=timeout, Environment={"Variables": variables})
        # The times that some tests measure must not include a cold start.
        account.call(self.function, {"Records": []})
        self._seen: list[list[dict[str, Any]]] = []

    def send(self, **order: Any) -> str:
        return str(self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(order))["MessageId"])

    def seen(self, count: int) -> list[list[dict[str, Any]]]:
        """The first `count` batches, each as its records."""

        def enough() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self._seen.append(json.loads(message["Body"])["Records"])
                self.sqs.delete_message(QueueUrl=self.seen_url, ReceiptHandle=message["ReceiptHandle"])
            return len(self._seen) >= count

        if len(self._seen) < count:
            eventually(enough, patience=10)
        return self._seen[:count]

    def left(self) -> int:
        """Messages the queue still holds, seen or not."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)


@pytest.fixture
def relay(account: Functions) -> Relay:
    return Relay(account)


# Creating, reading, changing, deleting


def test_a_mapping_is_created_with_aws_defaults(account: Functions) -> None:
    name, (_, queue_arn) = account.function(), account.queue()
    created = account.lambda_.create_event_source_mapping(
        EventSourceArn=queue_arn, FunctionName=name, Tags={"team": "maps"}, **REPORTING
    )
    account.mappings.append(created["UUID"])
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert created["State"] == "Creating"
    shown = account.lambda_.get_event_source_mapping(UUID=created["UUID"])
    expected = {
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionArn": arn_of(name),
        "EventSourceArn": queue_arn,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:event-source-mapping:{created['UUID']}",
    }
    assert {key: shown.get(key) for key in expected} == expected
    assert account.lambda_.list_tags(Resource=shown["EventSourceMappingArn"])["Tags"] == {"team": "maps"}


def test_a_second_mapping_of_the_pair_is_refused(account: Functions) -> None:
    name, (_, queue_arn) = account.function(), account.queue()
    first = account.mapping(queue_arn, name)
    expected = (
        409,
        "ResourceConflictException",
        f'An event source mapping with SQS arn (" {queue_arn} ") and function (" {name} ") already exists. '
        f"Please update or delete the existing mapping with UUID {first}",
    )
    assert refused(account.mapping, queue_arn=queue_arn, function=name) == expected
    assert refused(account.mapping, queue_arn=queue_arn, function=arn_of(name)) == expected
    account.lambda_.delete_event_source_mapping(UUID=first)
    assert account.mapping(queue_arn, name) != first


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "Invalid filter pattern definition."),
        ({"EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT_ID}:stream/x"}, "Unrecognized event source"),
        (
            {"EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:no-such-queue"},
            "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue",
        ),
    ],
)
def test_what_cannot_work_is_refused(account: Functions, settings: dict[str, Any], part: str) -> None:
    name, (_, queue_arn) = account.function(), account.queue()
    request = {"EventSourceArn": queue_arn, "FunctionName": name, **settings}
    status, code, message = refused(account.lambda_.create_event_source_mapping, **request)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert part in message


def test_a_visibility_timeout_below_the_functions_timeout_is_refused(account: Functions) -> None:
    name = account.function(Timeout=180)
    _, queue_arn = account.queue(VisibilityTimeout="60")
    assert refused(account.mapping, queue_arn=queue_arn, function=name) == (
        400,
        "InvalidParameterValueException",
        "Queue visibility timeout: 60 seconds is less than Function timeout: 180 seconds",
    )


def test_a_missing_function_or_mapping_is_not_found(account: Functions) -> None:
    _, queue_arn = account.queue()
    assert refused(account.mapping, queue_arn=queue_arn, function="missing")[:2] == (404, "ResourceNotFoundException")
    for operation in ("get", "update", "delete"):
        call = getattr(account.lambda_, f"{operation}_event_source_mapping")
        assert refused(call, UUID=str(uuid.uuid4()))[:2] == (404, "ResourceNotFoundException")


def test_mappings_are_listed_by_any_spelling_of_the_function_and_by_queue(account: Functions) -> None:
    name, other = account.function(), account.function()
    queues = [account.queue()[1] for _ in range(3)]
    mine = {account.mapping(queue_arn, name) for queue_arn in queues}
    account.mapping(queues[0], other)

    def listed(**request: Any) -> set[str]:
        pages = account.lambda_.get_paginator("list_event_source_mappings").paginate(
            PaginationConfig={"PageSize": 2}, **request
        )
        return {mapping["UUID"] for shown in pages for mapping in shown["EventSourceMappings"]}

    for spelling in (name, arn_of(name), f"{ACCOUNT_ID}:function:{name}"):
        assert listed(FunctionName=spelling) == mine
    assert len(listed(EventSourceArn=queues[0])) == 2
    assert len(listed(EventSourceArn=queues[0], FunctionName=name)) == 1
    account.lambda_.delete_function(FunctionName=name)
    assert listed(FunctionName=name) == mine


def test_states_move_on_with_time_and_changes_wait_for_them(emulator: Emulator, account: Functions) -> None:
    now = [1000.0]
    settings = Settings(mapping_creating_seconds=60)
    service = FunctionsService(Environment(settings, emulator.url, emulator.client), lambda: now[0])
    service.start()
    context = RequestContext(ACCOUNT_ID, REGION)
    _, queue_arn = account.queue()

    def ask(operation: str, **request: Any) -> dict[str, Any]:
        return dict(service.operations[operation](request, context))

    def in_use(operation: str) -> bool:
        with pytest.raises(ServiceError) as caught:
            ask(operation, UUID=mapping)
        return (caught.value.code, caught.value.status) == ("ResourceInUseException", 400)

    def state() -> str:
        return str(ask("GetEventSourceMapping", UUID=mapping)["State"])

    try:
        code = {"ZipFile": zipped(app="def handler(event, context):\n    pass\n")}
        request = {"FunctionName": "slow", "Runtime": "python3.12", "Role": account.role, "Handler": "app.handler"}
        ask("CreateFunction", **request, Code=code)
        mapping = ask("CreateEventSourceMapping", FunctionName="slow", EventSourceArn=queue_arn)["UUID"]
        assert state() == "Creating"
        assert in_use("UpdateEventSourceMapping")
        assert in_use("DeleteEventSourceMapping")
        now[0] += 61
        assert state() == "Enabled"
        assert ask("UpdateEventSourceMapping", UUID=mapping, BatchSize=5)["State"] == "Updating"
        assert in_use("DeleteEventSourceMapping")
        now[0] += 61
        assert ask("UpdateEventSourceMapping", UUID=mapping, Enabled=False)["State"] == "Disabling"
        now[0] += 61
        assert state() == "Disabled"
        assert ask("DeleteEventSourceMapping", UUID=mapping)["State"] == "Deleting"
        assert state() == "Deleting"
        now[0] += 61
        with pytest.raises(ServiceError) as caught:
            state()
        assert caught.value.code == "ResourceNotFoundException"
    finally:
        service.stop()


# Delivering


def test_a_message_arrives_as_lambda_would_show_it_and_is_deleted(account: Functions, relay: Relay) -> None:
    mapping = account.mapping(relay.arn, relay.function)
    before = time.time() * 1000
    message_id = relay.sqs.send_message(
        QueueUrl=relay.url,
        MessageBody='{"café": 1}',
        MessageAttributes={
            "Word": {"DataType": "String", "StringValue": "w"},
            "Bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )["MessageId"]
    [[record]] = relay.seen(1)
    attributes = record.pop("attributes")
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": message_id,
        "body": '{"café": 1}',
        "md5OfBody": hashlib.md5('{"café": 1}'.encode()).hexdigest(),
        "md5OfMessageAttributes": record["md5OfMessageAttributes"],
        "messageAttributes": {
            "Word": {"stringValue": "w", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "Bytes": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": relay.arn,
        "awsRegion": REGION,
    }
    assert attributes["ApproximateReceiveCount"] == "1"
    assert before - 1000 < int(attributes["SentTimestamp"]) < time.time() * 1000
    eventually(lambda: relay.left() == 0)
    assert account.lambda_.get_event_source_mapping(UUID=mapping)["LastProcessingResult"] == "OK"


def test_a_message_is_delivered_while_the_mapping_polls(account: Functions, relay: Relay) -> None:
    account.mapping(relay.arn, relay.function)
    relay.send()
    relay.seen(1)
    began = time.monotonic()
    relay.send()
    relay.seen(2)
    # The long poll of the mapping would take five seconds.
    assert time.monotonic() - began < 4


def test_only_the_messages_reported_come_back(account: Functions, relay: Relay) -> None:
    good, bad = relay.send(), relay.send(fail=2)
    account.mapping(relay.arn, relay.function, **REPORTING)
    batches = relay.seen(3)
    assert {record["messageId"] for record in batches[0]} == {good, bad}
    for count, batch in enumerate(batches[1:], start=2):
        [record] = batch
        assert record["messageId"] == bad
        assert record["attributes"]["ApproximateReceiveCount"] == str(count)
    eventually(lambda: relay.left() == 0)


def test_without_reporting_what_is_returned_does_not_matter(account: Functions, relay: Relay) -> None:
    relay.send(fail=5)
    account.mapping(relay.arn, relay.function)
    relay.seen(1)
    eventually(lambda: relay.left() == 0)


def test_messages_of_a_poll_are_treated_as_the_mapping_says_when_it_ends(account: Functions, relay: Relay) -> None:
    """The poll begins before the change and ends after it. A reported message still comes back."""
    mapping = account.mapping(relay.arn, relay.function)
    relay.send()
    relay.seen(1)
    eventually(lambda: relay.left() == 0)
    account.lambda_.update_event_source_mapping(UUID=mapping, **REPORTING)
    eventually(lambda: account.lambda_.get_event_source_mapping(UUID=mapping)["State"] == "Enabled")
    message_id = relay.send(fail=1)
    assert [record["messageId"] for batch in relay.seen(3)[1:] for record in batch] == [message_id, message_id]


def test_a_failure_brings_the_whole_batch_back_after_its_visibility_timeout(account: Functions, relay: Relay) -> None:
    ids = {relay.send(), relay.send(**{"raise": "no"})}
    mapping = account.mapping(relay.arn, relay.function, **REPORTING)
    began = time.monotonic()
    first, second = relay.seen(2)
    assert {record["messageId"] for record in first} == {record["messageId"] for record in second} == ids
    # Ten seconds of the queue's time are 0.2 of ours.
    assert time.monotonic() - began > 0.15
    result = account.lambda_.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    assert result == "PROBLEM: Function call failed"


def test_the_handler_may_say_when_a_message_comes_back(account: Functions) -> None:
    relay = Relay(account, VisibilityTimeout="43200")
    account.mapping(relay.arn, relay.function, **REPORTING)
    relay.send(fail=1, hide=5)
    began = time.monotonic()
    relay.seen(2)
    assert time.monotonic() - began < 60
    eventually(lambda: relay.left() == 0)


@pytest.mark.parametrize(
    ("order", "deliveries"),
    [
        ({"sleep": 1}, 1),
        ({"sleep": 1, "hide": 5}, 1),
        ({"hide": 5, "sleep": 1, "fail": 1}, 2),
        ({"sleep": 0.5, "fail": 1}, 2),
        ({"sleep": 0.5, "raise": "no"}, 2),
    ],
    ids=str,
)
def test_a_message_is_not_delivered_again_while_its_function_runs(
    account: Functions, order: dict[str, Any], deliveries: int
) -> None:
    """The function runs for longer than the visibility timeout under the time scale, which is 0.2 s."""
    dead_url, dead_arn = account.queue()
    relay = Relay(account, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}))
    relay.send(**order)
    account.mapping(relay.arn, relay.function, BatchSize=1, **REPORTING)
    batches = relay.seen(deliveries)
    eventually(lambda: relay.left() == 0, what="the message to leave the queue")
    assert [batch[0]["attributes"]["ApproximateReceiveCount"] for batch in batches] == ["1", "2"][:deliveries]
    assert "Messages" not in relay.sqs.receive_message(QueueUrl=relay.seen_url)
    dead = relay.sqs.receive_message(QueueUrl=dead_url).get("Messages", [])
    assert len(dead) == ("raise" in order)


@pytest.mark.slow
def test_at_every_time_scale_a_running_function_keeps_its_message(
    start_emulator: StartEmulator, request: pytest.FixtureRequest
) -> None:
    """At a scale of 0.02, the visibility timeout of 30 s would end before the function does."""
    relays = {}
    for account_id, scale in (("200000000101", 0.0), ("200000000102", 0.02), ("200000000103", 1.0)):
        emulator = start_emulator(Settings(account_id=account_id, time_scale=scale), default_services())
        account = Functions(emulator, make_role(emulator, TRUST))
        request.addfinalizer(account.clear)
        dead_url, dead_arn = account.queue()
        redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
        relay = Relay(account, timeout=30, VisibilityTimeout="30", RedrivePolicy=redrive)
        relay.send(sleep=3)
        account.mapping(relay.arn, relay.function, BatchSize=1)
        relays[scale] = relay, dead_url
    for relay, dead_url in relays.values():
        relay.seen(1)
        eventually(lambda relay=relay: relay.left() == 0, what="the message to leave the queue")
        assert "Messages" not in relay.sqs.receive_message(QueueUrl=relay.seen_url)
        assert "Messages" not in relay.sqs.receive_message(QueueUrl=dead_url)


def test_a_message_that_fails_too_often_ends_in_the_dead_letter_queue(account: Functions) -> None:
    dead_url, dead_arn = account.queue()
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    relay = Relay(account, RedrivePolicy=policy)
    message_id = relay.send(fail=99)
    account.mapping(relay.arn, relay.function, **REPORTING)
    relay.seen(2)

    def dead() -> list[dict[str, Any]]:
        answer = relay.sqs.receive_message(QueueUrl=dead_url, WaitTimeSeconds=1)
        return list(answer.get("Messages", []))

    [message] = eventually(dead)
    assert message["MessageId"] == message_id
    assert relay.left() == 0


def test_batches_are_no_larger_than_asked_for_and_several_run_at_the_same_time(account: Functions) -> None:
    """Each invocation ends only when all four have begun."""
    relay = Relay(account, timeout=60, VisibilityTimeout="300")
    for _ in range(4):
        relay.send(meet=4)
    account.mapping(relay.arn, relay.function, BatchSize=1)
    eventually(lambda: relay.left() == 0, patience=60)
    assert [len(batch) for batch in relay.seen(4)] == [1, 1, 1, 1]


def test_a_maximum_concurrency_above_the_usual_one_is_reached(account: Functions) -> None:
    relay = Relay(account, timeout=60, VisibilityTimeout="300")
    for _ in range(6):
        relay.send(meet=6)
    account.mapping(relay.arn, relay.function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 6})
    eventually(lambda: relay.left() == 0, patience=90)
    assert [len(batch) for batch in relay.seen(6)] == [1] * 6


def test_a_maximum_concurrency_is_never_exceeded(account: Functions) -> None:
    relay = Relay(account, timeout=60, VisibilityTimeout="300")
    for _ in range(8):
        relay.send(sleep=0.3)
    account.mapping(relay.arn, relay.function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    in_flight: list[int] = []

    def watch() -> bool:
        name = "ApproximateNumberOfMessagesNotVisible"
        attributes = relay.sqs.get_queue_attributes(QueueUrl=relay.url, AttributeNames=[name])["Attributes"]
        in_flight.append(int(attributes[name]))
        return relay.left() == 0

    eventually(watch, patience=90)
    assert max(in_flight) == 2


def test_a_window_gathers_messages_into_one_batch(account: Functions, relay: Relay) -> None:
    account.mapping(relay.arn, relay.function, BatchSize=100, MaximumBatchingWindowInSeconds=25)
    entries = [
        {"Id": str(number), "MessageBody": "{}"} for number in range(10)
    ]  # in one call, however slow the machine
    ids = {
        sent["MessageId"] for sent in relay.sqs.send_message_batch(QueueUrl=relay.url, Entries=entries)["Successful"]
    }
    [batch] = relay.seen(1)
    assert {record["messageId"] for record in batch} == ids


# Stopping and trouble


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_nothing_is_delivered_once_the_mapping_stops(account: Functions, relay: Relay, how: str) -> None:
    mapping = account.mapping(relay.arn, relay.function)
    relay.send()
    relay.seen(1)
    eventually(lambda: relay.left() == 0)
    if how == "disabled":
        account.lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
    else:
        account.lambda_.delete_event_source_mapping(UUID=mapping)
        assert refused(account.lambda_.get_event_source_mapping, UUID=mapping)[0] == 404
    waiting = relay.send()
    seen = relay.sqs.receive_message(QueueUrl=relay.seen_url, WaitTimeSeconds=1)
    assert "Messages" not in seen
    [message] = eventually(lambda: relay.sqs.receive_message(QueueUrl=relay.url).get("Messages"))
    assert message["MessageId"] == waiting


def test_a_disabled_mapping_delivers_what_has_gathered_when_enabled(account: Functions, relay: Relay) -> None:
    mapping = account.mapping(relay.arn, relay.function, Enabled=False)
    assert account.lambda_.get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
    message_id = relay.send()
    assert account.lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)["State"] == "Enabling"
    [[record]] = relay.seen(1)
    assert record["messageId"] == message_id
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


def test_a_mapping_outlives_its_queue_and_says_so(account: Functions, relay: Relay) -> None:
    mapping = account.mapping(relay.arn, relay.function)
    relay.sqs.delete_queue(QueueUrl=relay.url)

    def problem() -> bool:
        shown = account.lambda_.get_event_source_mapping(UUID=mapping)
        return str(shown.get("LastProcessingResult", "")).startswith("PROBLEM: ")

    eventually(problem, patience=10)
    relay.sqs.create_queue(QueueName=relay.url.rpartition("/")[2])
    relay.send()
    relay.seen(1)


def test_a_mapping_outlives_its_function_and_leaves_the_messages_alone(account: Functions, relay: Relay) -> None:
    mapping = account.mapping(relay.arn, relay.function)
    account.lambda_.delete_function(FunctionName=relay.function)

    def problem() -> bool:
        shown = account.lambda_.get_event_source_mapping(UUID=mapping)
        return str(shown.get("LastProcessingResult", "")).startswith("PROBLEM: ")

    message_id = relay.send()
    eventually(problem, patience=10)
    variables = {"SEEN": relay.seen_url, "SOURCE": relay.url}
    account.function(RELAY, FunctionName=relay.function, Environment={"Variables": variables})
    [[record]] = relay.seen(1)
    assert record["messageId"] == message_id


def test_an_idle_poller_waits_at_the_queue_instead_of_asking_again_and_again(account: Functions, relay: Relay) -> None:
    account.mapping(relay.arn, relay.function)
    relay.send()
    relay.seen(1)
    eventually(lambda: relay.left() == 0)

    def receives() -> int:
        calls = account.emulator.calls["internal"]
        return sum(call["count"] for call in calls if call["operation"] == "ReceiveMessage")

    before = receives()
    relay.sqs.receive_message(QueueUrl=relay.seen_url, WaitTimeSeconds=1)
    # Mappings that other tests have just deleted may each be ending one last long poll.
    assert receives() - before <= 4
