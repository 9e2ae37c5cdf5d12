"""Eventual consistency: roles and policies not known yet, names of deleted queues, messages delivered twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.http.request import Response
from geopipe_emulator.services.sqs.attributes import InvalidAttributeError
from geopipe_emulator.services.sqs.deleted_queues import DeletedQueues
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import zipped
from tests.support.wait import eventually

ACCOUNT, OTHER_ACCOUNT = "200000000091", "200000000092"
REGION = "us-west-2"
# Seconds: longer than any test.
NEVER = 3600.0
PRINCIPALS = ["lambda.amazonaws.com", "sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
STEP = {"Name": "s", "Type": "Callback", "SqsQueueUrl": "http://127.0.0.1/q"}
DEFINITION = json.dumps({"Version": "2020-12-01", "Steps": [STEP]})


@pytest.fixture(scope="module")
def slow(start_emulator: StartEmulator) -> Emulator:
    """Every change takes effect after a moment."""
    settings = Settings(
        account_id=ACCOUNT,
        iam="enforce",
        iam_propagation_seconds=0.3,
        queue_deleted_seconds=0.3,
        duplicate_deliveries=1.0,
    )
    return start_emulator(settings, services=None)


@pytest.fixture(scope="module")
def standstill(start_emulator: StartEmulator) -> Emulator:
    """No change ever takes effect."""
    settings = Settings(
        account_id=OTHER_ACCOUNT, iam="enforce", iam_propagation_seconds=NEVER, queue_deleted_seconds=NEVER
    )
    return start_emulator(settings, services=None)


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def trust(*principals: str) -> str:
    return document(
        Principal={"Service": list(principals), "AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:AssumeRole"
    )


def make_role(slow: Emulator, name: str, *principals: str) -> str:
    created = slow.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust(*principals))
    arn: str = created["Role"]["Arn"]
    return arn


def error_text(call: Any, **parameters: Any) -> str:
    """The error's message; "" when there is none."""
    try:
        call(**parameters)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return ""


def errors_by_service(emulator: Emulator, role_arn: str) -> dict[str, str]:
    """The error of each service that is to use the role."""
    function = {
        "FunctionName": role_arn.rpartition("/")[2],
        "Runtime": "python3.12",
        "Role": role_arn,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(app="def handler(event, context):\n    return event\n")},
    }
    pipeline = {"PipelineName": function["FunctionName"], "PipelineDefinition": DEFINITION, "RoleArn": role_arn}
    jobs = emulator.client("sagemaker-geospatial")
    return {
        "lambda": error_text(emulator.client("lambda").create_function, **function),
        "sagemaker": error_text(emulator.client("sagemaker").create_pipeline, **pipeline),
        "geospatial": error_text(jobs.start_vector_enrichment_job, **job(role_arn)),
        "sts": error_text(emulator.client("sts").assume_role, RoleArn=role_arn, RoleSessionName="me"),
    }


def test_a_new_role_is_not_assumable_immediately(standstill: Emulator) -> None:
    arn = make_role(standstill, "New", *PRINCIPALS)
    assert standstill.client("iam").get_role(RoleName="New")["Role"]["Arn"] == arn, "IAM itself knows it"
    errors = errors_by_service(standstill, arn)
    assert errors["lambda"] == (
        "InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda."
    )
    assert errors["sagemaker"].startswith(f"ValidationException: Could not assume role {arn}.")
    assert errors["geospatial"].startswith(f"ValidationException: Could not assume role {arn}.")
    assert errors["sts"].startswith("AccessDenied")


def test_a_new_role_is_assumable_in_the_end(slow: Emulator) -> None:
    arn = make_role(slow, "New", *PRINCIPALS)
    eventually(lambda: not error_text(slow.client("sts").assume_role, RoleArn=arn, RoleSessionName="me"))
    assert errors_by_service(slow, arn) == {"lambda": "", "sagemaker": "", "geospatial": "", "sts": ""}


def job(role_arn: str) -> dict[str, Any]:
    return {
        "Name": "a-job",
        "ExecutionRoleArn": role_arn,
        "InputConfig": {"DocumentType": "CSV", "DataSourceConfig": {"S3Data": {"S3Uri": "s3://bucket/key"}}},
        "JobConfig": {"ReverseGeocodingConfig": {"XAttributeName": "x", "YAttributeName": "y"}},
    }


def test_changes_of_trust_and_policy_take_their_time(slow: Emulator) -> None:
    iam, sts, sagemaker = slow.client("iam"), slow.client("sts"), slow.client("sagemaker")
    arn = make_role(slow, "Changed", PRINCIPALS[0])
    eventually(lambda: not error_text(sts.assume_role, RoleArn=arn, RoleSessionName="me"))
    session = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    sqs = slow.session.client(
        "sqs",
        region_name=REGION,
        endpoint_url=slow.url,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    pipeline = {"PipelineName": "Changed", "PipelineDefinition": DEFINITION, "RoleArn": arn}
    assert "AccessDenied" in error_text(sqs.list_queues)
    assert "Could not assume role" in error_text(sagemaker.create_pipeline, **pipeline)
    listing = document(Action="sqs:ListQueues", Resource="*")
    iam.put_role_policy(RoleName="Changed", PolicyName="p", PolicyDocument=listing)
    iam.update_assume_role_policy(RoleName="Changed", PolicyDocument=trust(*PRINCIPALS))
    eventually(lambda: not error_text(sqs.list_queues))
    eventually(lambda: not error_text(sagemaker.create_pipeline, **pipeline))
    iam.delete_role_policy(RoleName="Changed", PolicyName="p")
    eventually(lambda: error_text(sqs.list_queues))


def test_the_name_of_a_deleted_queue_is_not_free_immediately(standstill: Emulator) -> None:
    sqs = standstill.client("sqs")
    url = sqs.create_queue(QueueName="again", Attributes={"VisibilityTimeout": "77"})["QueueUrl"]
    query = {"QueueUrl": url, "AttributeNames": ["All"]}
    sqs.get_queue_attributes(**query)
    sqs.delete_queue(QueueUrl=url)
    assert sqs.get_queue_attributes(**query)["Attributes"]["VisibilityTimeout"] == "77", "it lingers"
    assert "NonExistentQueue" in error_text(sqs.send_message, QueueUrl=url, MessageBody="x")
    message = error_text(sqs.create_queue, QueueName="again")
    assert message.startswith("AWS.SimpleQueueService.QueueDeletedRecently: You must wait 60 seconds after deleting")
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        sqs.create_queue(QueueName="again")


def test_the_name_of_a_deleted_queue_is_free_in_the_end(slow: Emulator) -> None:
    sqs = slow.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName="again")["QueueUrl"])
    eventually(lambda: not error_text(sqs.create_queue, QueueName="again"))


def test_deleted_queues_by_the_clock() -> None:
    now = [0.0]
    deleted, key = DeletedQueues(60, lambda: now[0]), ("us-west-2", "q")
    described, gone = Response(200, body=b"attributes"), Response(400)
    assert deleted.describe(key, lambda: gone) is gone
    assert deleted.describe(key, lambda: described) is described
    deleted.note(key)
    for now[0] in (0.0, 59.9):
        assert deleted.describe(key, lambda: gone) is described
        with pytest.raises(InvalidAttributeError, match="wait 60 seconds"):
            deleted.require_free(key)
    deleted.require_free(("us-east-1", "q"))
    now[0] = 60.0
    assert deleted.describe(key, lambda: gone) is gone
    deleted.require_free(key)


COUNTS = """
import boto3, os
sqs = boto3.client("sqs")
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=record["messageId"])
"""


def test_every_message_may_come_twice(slow: Emulator) -> None:
    sqs, functions = slow.client("sqs"), slow.client("lambda")
    arn = make_role(slow, "Twice", *PRINCIPALS)
    slow.client("iam").put_role_policy(
        RoleName="Twice", PolicyName="p", PolicyDocument=document(Action="sqs:*", Resource="*")
    )
    source, seen = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("twice", "seen"))
    function = {
        "FunctionName": "twice",
        "Runtime": "python3.12",
        "Role": arn,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(app=COUNTS)},
        "Environment": {"Variables": {"SEEN": seen}},
    }
    eventually(lambda: not error_text(functions.create_function, **function))
    mapping = functions.create_event_source_mapping(
        FunctionName="twice", EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:twice"
    )
    sent = sqs.send_message(QueueUrl=source, MessageBody="once")["MessageId"]
    bodies: list[str] = []

    def came_twice() -> bool:
        for message in sqs.receive_message(QueueUrl=seen, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=seen, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
        return len(bodies) >= 2

    eventually(came_twice)
    assert bodies == [sent, sent]
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iam", "on"),
        ("duplicate_deliveries", 1.5),
        ("faults", 2.0),
        ("faults", -0.1),
        ("fault_kinds", "fire"),
        ("fault_kinds", ""),
        ("iam_propagation_seconds", -1.0),
        ("queue_deleted_seconds", float("inf")),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})
