"""Policies of functions, settings of asynchronous invocations, filters at work, and what is refused by name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.events import allow_delivery, next_message
from tests.support.functions import TRUST, Functions, make_role, refused
from tests.support.wait import eventually

ACCOUNT = "200000000111"
FAILS = "def handler(event, context):\n    raise ValueError(event)\n"
ANYONE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def strict(start_emulator: StartEmulator) -> Emulator:
    """Roles may do only what their policies say. Queues are fast: AWS would wait minutes before a retry."""
    return start_emulator(Settings(account_id=ACCOUNT, iam="enforce", time_scale=0.001), default_services())


@pytest.fixture
def account(strict: Emulator) -> Iterator[Functions]:
    account = Functions(strict, make_role(strict, TRUST))
    allow(account, account.role, "sqs:*", "sns:*", "logs:*", "lambda:InvokeFunction")
    yield account
    account.clear()


def allow(account: Functions, role: str, *actions: str, effect: str = "Allow") -> None:
    statement = {"Effect": effect, "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("iam").put_role_policy(RoleName=role.rpartition("/")[2], PolicyName=effect, PolicyDocument=document)


def as_role(account: Functions, role: str) -> Any:
    """A Lambda client of a session of the role."""
    keys = account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "lambda",
        region_name="us-west-2",
        endpoint_url=account.emulator.url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_a_policy_is_kept_as_aws_writes_it(account: Functions) -> None:
    lambda_, name = account.lambda_, account.function()
    arn = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:{name}"
    common = {"FunctionName": name, "Action": "lambda:InvokeFunction"}
    added = lambda_.add_permission(
        **common, StatementId="s3", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b", SourceAccount=ACCOUNT
    )
    expected = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn,
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}, "StringEquals": {"AWS:SourceAccount": ACCOUNT}},
    }
    assert json.loads(added["Statement"]) == expected
    shown = lambda_.get_policy(FunctionName=name)
    assert json.loads(shown["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [expected]}
    lambda_.add_permission(**common, StatementId="root", Principal="210987654321", RevisionId=shown["RevisionId"])
    added = json.loads(lambda_.get_policy(FunctionName=name)["Policy"])["Statement"][1]
    assert added["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"}

    def again(**changes: Any) -> tuple[int, str]:
        return refused(lambda_.add_permission, **{**common, "StatementId": "new", "Principal": "*", **changes})[:2]

    assert again(StatementId="s3") == (409, "ResourceConflictException")
    assert again(RevisionId=shown["RevisionId"]) == (412, "PreconditionFailedException")
    assert again(Qualifier="$LATEST") == (400, "InvalidParameterValueException")
    assert again(FunctionUrlAuthType="NONE") == (400, "InvalidParameterValueException")
    for sid in ("s3", "root"):
        lambda_.remove_permission(FunctionName=name, StatementId=sid)
    missing = (404, "ResourceNotFoundException")
    assert refused(lambda_.remove_permission, FunctionName=name, StatementId="s3")[:2] == missing
    assert refused(lambda_.get_policy, FunctionName=name)[:2] == missing


def test_a_policy_lets_a_role_invoke_unless_the_role_is_denied(account: Functions) -> None:
    """The policy is the alias's; it ends with the alias."""
    lambda_, name = account.lambda_, account.function()
    version = lambda_.publish_version(FunctionName=name)["Version"]
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    role = make_role(account.emulator, ANYONE)
    caller = as_role(account, role)
    lambda_.add_permission(
        FunctionName=name, Qualifier="live", StatementId="a", Principal=role, Action="lambda:InvokeFunction"
    )
    assert caller.invoke(FunctionName=name, Qualifier="live")["StatusCode"] == 200
    assert refused(caller.invoke, FunctionName=name)[:2] == (403, "AccessDeniedException")
    assert refused(caller.get_function, FunctionName=name, Qualifier="live")[:2] == (403, "AccessDeniedException")
    allow(account, role, "lambda:*", effect="Deny")
    assert "explicit deny" in refused(caller.invoke, FunctionName=name, Qualifier="live")[2]
    lambda_.delete_alias(FunctionName=name, Name="live")
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    assert refused(lambda_.get_policy, FunctionName=name, Qualifier="live")[0] == 404


def received(account: Functions, url: str) -> Callable[[], Any]:
    """Takes the next message of a queue, as JSON."""

    def receive() -> Any:
        messages = account.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            account.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(messages[0]["Body"]) if messages else None

    return receive


def test_results_of_asynchronous_invocations_go_to_their_destinations(account: Functions) -> None:
    lambda_, (url, queue_arn) = account.lambda_, account.queue()
    echo, failing = account.function(), account.function(FAILS)
    put = lambda_.put_function_event_invoke_config(
        FunctionName=failing, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue_arn}}
    )
    arn = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:{failing}:$LATEST"
    assert (put["FunctionArn"], put["MaximumRetryAttempts"]) == (arn, 1)
    lambda_.put_function_event_invoke_config(
        FunctionName=echo, DestinationConfig={"OnSuccess": {"Destination": queue_arn}}
    )
    lambda_.invoke(FunctionName=failing, InvocationType="Event", Payload=b'"no"')
    record = eventually(received(account, url))
    assert record["requestContext"]["functionArn"] == arn
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestPayload"] == "no"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError"
    lambda_.invoke(FunctionName=echo, InvocationType="Event", Payload=b"[1]")
    record = eventually(received(account, url))
    assert (record["requestContext"]["condition"], record["responsePayload"]) == ("Success", [1])

    lambda_.update_function_event_invoke_config(
        FunctionName=failing,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={
            "OnFailure": {"Destination": lambda_.get_function(FunctionName=echo)["Configuration"]["FunctionArn"]}
        },
    )
    lambda_.invoke(FunctionName=failing, InvocationType="Event", Payload=b'"old"')
    record = eventually(received(account, url))["responsePayload"]
    assert (record["requestPayload"], record["requestContext"]["condition"]) == ("old", "EventAgeExceeded")


def test_an_event_that_fails_goes_to_the_dead_letter_queue(account: Functions) -> None:
    lambda_, (url, queue_arn) = account.lambda_, account.queue()
    name = account.function(FAILS, DeadLetterConfig={"TargetArn": queue_arn})
    answer = lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=b'"no"')
    request_id = answer["ResponseMetadata"]["RequestId"]
    sqs = account.client("sqs")
    [message] = eventually(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages")
    )
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert message["Body"] == '"no"'
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no"}
    start = f"START RequestId: {request_id} Version: $LATEST\n"
    eventually(lambda: account.log_lines(name).count(start) == 3, what="the log of three attempts")
    lambda_.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in lambda_.get_function_configuration(FunctionName=name)
    topic, (url, queue_arn) = account.client("sns").create_topic(Name="failures")["TopicArn"], account.queue()
    allow_delivery(account, url, "sns.amazonaws.com", topic)
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    lambda_.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": topic})
    lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=b'"again"')
    notice = next_message(account, url)
    assert (notice["Message"], notice["MessageAttributes"]["ErrorMessage"]["Value"]) == ('"again"', "again")
    without = make_role(account.emulator, TRUST)
    message = refused(account.function, Role=without, DeadLetterConfig={"TargetArn": queue_arn})[2]
    assert message == "The provided execution role does not have permissions to call SendMessage on SQS"


def test_event_invoke_configs_are_read_listed_and_deleted(account: Functions) -> None:
    lambda_, name = account.lambda_, account.function()
    missing = (404, "ResourceNotFoundException")
    assert refused(lambda_.get_function_event_invoke_config, FunctionName=name)[:2] == missing
    assert refused(lambda_.update_function_event_invoke_config, FunctionName=name)[:2] == missing
    lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    version = lambda_.publish_version(FunctionName=name)["Version"]
    lambda_.put_function_event_invoke_config(FunctionName=name, Qualifier=version, MaximumEventAgeInSeconds=60)
    configs = lambda_.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert [config["FunctionArn"].rpartition(":")[2] for config in configs] == ["$LATEST", version]
    assert lambda_.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 0
    lambda_.delete_function_event_invoke_config(FunctionName=name)
    assert refused(lambda_.get_function_event_invoke_config, FunctionName=name)[:2] == missing
    without = account.function(Role=make_role(account.emulator, TRUST))
    config = {"OnFailure": {"Destination": account.queue()[1]}}
    message = refused(lambda_.put_function_event_invoke_config, FunctionName=without, DestinationConfig=config)[2]
    assert "does not have permissions to call SendMessage" in message


def test_a_filter_keeps_messages_from_the_function(account: Functions) -> None:
    name, (url, queue_arn) = (
        account.function("def handler(e, c):\n    print([r['body'] for r in e['Records']])\n"),
        account.queue(),
    )
    sqs, pattern = account.client("sqs"), json.dumps({"body": {"city": ["Wien"]}})
    mapping = account.mapping(queue_arn, name, FilterCriteria={"Filters": [{"Pattern": pattern}]}, BatchSize=1)
    shown = account.lambda_.get_event_source_mapping(UUID=mapping)
    assert shown["FilterCriteria"] == {"Filters": [{"Pattern": pattern}]}
    for city in ("Linz", "Graz", "Wien"):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"city": city}))

    def left() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(int(v) for v in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values())

    eventually(lambda: left() == 0, what="the queue to be empty")
    account.logged(name, "Wien")
    assert not [line for line in account.log_lines(name) if "Linz" in line or "Graz" in line]
    account.lambda_.update_event_source_mapping(UUID=mapping, FilterCriteria={})
    sqs.send_message(QueueUrl=url, MessageBody="Linz")
    account.logged(name, "Linz")


def test_what_is_not_emulated_is_refused_by_name(account: Functions) -> None:
    lambda_, name = account.lambda_, account.function()
    bus = {"OnFailure": {"Destination": f"arn:aws:events:us-west-2:{ACCOUNT}:event-bus/default"}}
    signing = f"arn:aws:lambda:us-west-2:{ACCOUNT}:code-signing-config:csc-{uuid.uuid4().hex[:17]}"
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create_function_url_config", {"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"}),
        ("put_function_code_signing_config", {"CodeSigningConfigArn": signing}),
        ("put_provisioned_concurrency_config", {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}),
        ("put_function_event_invoke_config", {"DestinationConfig": bus}),
    ]
    wrong = [
        (operation, answer)
        for operation, parameters in calls
        if (answer := refused(getattr(lambda_, operation), FunctionName=name, **parameters))[:2]
        != (501, "NotImplemented")
    ]
    assert not wrong
