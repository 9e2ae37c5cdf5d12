"""Topics deliver to functions and queues."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.events import allow_delivery, allow_invocation, bucket, next_message, take
from tests.support.functions import TRUST, Functions, make_role, refused
from tests.support.wait import eventually

ACCOUNT = "200000000132"
SHOW = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
KIND = {"kind": {"DataType": "String", "StringValue": "city"}}


@pytest.fixture(scope="module")
def standing(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, time_scale=0.001), default_services())


@pytest.fixture
def account(standing: Emulator) -> Iterator[Functions]:
    account = Functions(standing, make_role(standing, TRUST))
    yield account
    account.clear()


def topic(account: Functions) -> str:
    return str(account.client("sns").create_topic(Name=f"t-{uuid.uuid4().hex[:8]}")["TopicArn"])


def subscribed_queue(account: Functions, arn: str, **attributes: str) -> str:
    url, queue_arn = account.queue()
    allow_delivery(account, url, "sns.amazonaws.com", arn)
    account.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
    return url


def test_a_message_invokes_the_function(account: Functions) -> None:
    arn, function, sns = topic(account), account.function(SHOW), account.client("sns")
    endpoint = allow_invocation(account, function, "sns.amazonaws.com", arn)
    subscription = sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=endpoint)["SubscriptionArn"]
    sent = sns.publish(TopicArn=arn, Message="hello", Subject="greeting", MessageAttributes=KIND)["MessageId"]
    [line] = [line for line in account.logged(function, "aws:sns") if "aws:sns" in line]
    [record] = json.loads(line)["Records"]
    assert record["EventSubscriptionArn"] == subscription
    message = record["Sns"]
    assert (message["MessageId"], message["Message"], message["Subject"]) == (sent, "hello", "greeting")
    assert (message["TopicArn"], message["MessageAttributes"]["kind"]) == (arn, {"Type": "String", "Value": "city"})


def test_queues_get_the_envelope_or_the_raw_message_and_only_what_passes_their_filter(account: Functions) -> None:
    arn, sns = topic(account), account.client("sns")
    whole = subscribed_queue(account, arn)
    raw = subscribed_queue(account, arn, RawMessageDelivery="true")
    cities = subscribed_queue(account, arn, FilterPolicy='{"kind": ["city"]}', RawMessageDelivery="true")
    large = subscribed_queue(
        account, arn, FilterPolicy='{"size": [{"numeric": [">", 5]}]}', FilterPolicyScope="MessageBody"
    )
    sns.publish(TopicArn=arn, Message=json.dumps({"default": "x", "sqs": '{"size": 9}'}), MessageStructure="json")
    assert json.loads(next_message(account, whole)["Message"]) == {"size": 9}
    assert next_message(account, raw) == {"size": 9}
    assert json.loads(next_message(account, large)["Message"]) == {"size": 9}
    batch = [
        {"Id": "a", "Message": '"Wien"', "MessageAttributes": KIND},
        {"Id": "b", "Message": "x", "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "one"}}},
    ]
    result = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=batch)
    assert [entry["Id"] for entry in result["Successful"]] == ["a"]
    assert [(entry["Id"], entry["Code"]) for entry in result["Failed"]] == [("b", "ParameterValueInvalid")]
    [message] = eventually(lambda: take(account, cities))
    assert (message["Body"], message["MessageAttributes"]["kind"]["StringValue"]) == ('"Wien"', "city")
    assert next_message(account, whole)["Message"] == '"Wien"'
    assert take(account, large, wait=0) == []


def test_what_a_subscriber_does_not_allow_goes_to_the_dead_letter_queue(account: Functions) -> None:
    arn, sns, (_, queue_arn) = topic(account), account.client("sns"), account.queue()
    dead_url, dead_arn = account.queue()
    allow_delivery(account, dead_url, "sns.amazonaws.com", arn)
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes=redrive)
    function = account.lambda_.get_function_configuration(FunctionName=account.function())["FunctionArn"]
    sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function, Attributes=redrive)
    sns.publish(TopicArn=arn, Message="lost")
    letters: list[Any] = []
    eventually(lambda: letters.extend(take(account, dead_url)) or len(letters) >= 2)
    bodies = [json.loads(letter["Body"]) for letter in letters]
    assert sorted(body.get("Message") or body["Records"][0]["Sns"]["Message"] for body in bodies) == ["lost", "lost"]


def test_a_bucket_notifies_a_topic(account: Functions) -> None:
    arn, name, sns = topic(account), bucket(account), account.client("sns")
    url = subscribed_queue(account, arn, RawMessageDelivery="true")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "SNS:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    configuration = {"TopicConfigurations": [{"TopicArn": arn, "Events": ["s3:ObjectCreated:Put"]}]}
    put = account.client("s3").put_bucket_notification_configuration
    assert refused(put, Bucket=name, NotificationConfiguration=configuration)[1] == "InvalidArgument"
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)
    put(Bucket=name, NotificationConfiguration=configuration)
    assert next_message(account, url)["Event"] == "s3:TestEvent"
    account.client("s3").put_object(Bucket=name, Key="a", Body=b"x")
    assert next_message(account, url)["Records"][0]["s3"]["object"]["key"] == "a"


def test_what_no_topic_can_deliver_is_refused(account: Functions) -> None:
    arn, sns, (_, queue_arn) = topic(account), account.client("sns"), account.queue()
    function = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:f"

    def subscribe(protocol: str, endpoint: str, **attributes: str) -> tuple[int, str]:
        request = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes}
        return refused(sns.subscribe, **request)[:2]  # type: ignore[arg-type]

    no, invalid = (501, "NotImplemented"), (400, "InvalidParameter")
    assert subscribe("email", "me@example.com") == no
    assert subscribe("https", "https://example.com") == no
    assert subscribe("sqs", queue_arn, DeliveryPolicy="{}") == no
    assert subscribe("sqs", queue_arn.replace(ACCOUNT, "210987654321")) == no
    assert subscribe("sqs", "q") == invalid
    assert subscribe("sqs", queue_arn, FilterPolicy='{"a": "b"}') == invalid
    assert subscribe("sqs", queue_arn, RedrivePolicy="{}") == invalid
    assert subscribe("lambda", function, RawMessageDelivery="true") == invalid
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    assert refused(sns.create_topic, Name="t.fifo", Attributes={"FifoTopic": "true"})[:2] == no
    assert refused(sns.publish, PhoneNumber="+43123456789", Message="x")[:2] == no
    assert refused(sns.publish, TopicArn=f"{arn}x", Message="x")[:2] == (404, "NotFound")
    assert refused(sns.publish, TopicArn=arn, Message="x", Subject="x" * 101)[:2] == invalid
    assert refused(sns.publish, TopicArn=arn, Message="{}", MessageStructure="json")[:2] == invalid
