"""The state folder keeps all that sends events, and after a kill all of it still sends them."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator import Emulator
from geopipe_emulator.state.owner import OWNER_FILE
from tests.support.functions import zipped
from tests.support.kept_account import ACCOUNT, REGION, ROLE, ROLE_NAME
from tests.support.wait import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]

# A minute of a schedule lasts 0.3 s.
TIME_SCALE = 0.005
BUCKET, FUNCTION, PIPELINE = "events-bucket", "events-function", "events-pipeline"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:events-topic"
PIPELINE_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{PIPELINE}"
QUEUES = ("uploads", "matches", "ticks", "scheduled", "once", "published", "statuses", "callbacks")
RULES: dict[str, dict[str, str]] = {
    "matches": {"EventPattern": json.dumps({"source": ["test"], "detail": {"n": [{"numeric": [">", 1]}]}})},
    "ticks": {"ScheduleExpression": "rate(1 minute)"},
    "statuses": {
        "EventPattern": json.dumps(
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
            }
        )
    },
}
HANDLER = """
def handler(event, context):
    return "hello " + event["rawPath"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "account"


@pytest.fixture(scope="module")
def before(folder: Path) -> dict[str, Any]:
    """What the account had when its emulator was killed."""
    with Emulator(state_dir=folder, time_scale=TIME_SCALE) as emulator:
        set_up_queues(emulator)
        set_up_events(emulator)
        known: dict[str, Any] = {"url": set_up_function(emulator), **set_up_pipeline(emulator)}
        for queue in ("uploads", "ticks", "scheduled", "once"):
            eventually(lambda queue=queue: take(emulator, queue), what=f"the first message in {queue}")
        eventually(lambda: schedules(emulator) == ["rate"], what="the end of the schedule that runs once")
        known["account"] = describe(emulator, known)
        kill(folder)
    return known


@pytest.fixture(scope="module")
def restarted(folder: Path, before: dict[str, Any]) -> Iterator[Emulator]:
    with Emulator(state_dir=folder, time_scale=TIME_SCALE) as emulator:
        for queue in QUEUES:
            emulator.client("sqs").purge_queue(QueueUrl=queue_url(emulator, queue))
        yield emulator


def kill(folder: Path) -> None:
    os.kill(json.loads((folder / OWNER_FILE).read_bytes())["pid"], signal.SIGKILL)


def queue_url(emulator: Emulator, name: str) -> str:
    return f"{emulator.url}/{ACCOUNT}/{name}"


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def take(emulator: Emulator, queue: str) -> list[str]:
    """Receives and deletes messages that wait in the queue. Returns their bodies."""
    sqs, url = emulator.client("sqs"), queue_url(emulator, queue)
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def set_up_queues(emulator: Emulator) -> None:
    """Queues to which every service may send, and a role that every service may assume."""
    services = [f"{name}.amazonaws.com" for name in ("s3", "events", "sns", "scheduler", "sagemaker", "lambda")]
    principal = {"Service": services, "AWS": ACCOUNT}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for name in QUEUES:
        emulator.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    emulator.client("iam").create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=document)


def set_up_events(emulator: Emulator) -> None:
    s3, events, sns = emulator.client("s3"), emulator.client("events"), emulator.client("sns")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    to_queue = {"QueueArn": queue_arn("uploads"), "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [to_queue]}
    )
    for name, rule in RULES.items():
        events.put_rule(Name=name, **rule)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue_arn(name)}])
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    for name, expression, queue, end in (
        ("rate", "rate(1 minute)", "scheduled", "NONE"),
        ("once", soon, "once", "DELETE"),
    ):
        emulator.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": queue_arn(queue), "RoleArn": ROLE, "Input": name},
            ActionAfterCompletion=end,
        )
    sns.create_topic(Name="events-topic")
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": '{"kind": ["kept"]}'}
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue_arn("published"), Attributes=attributes)


def set_up_function(emulator: Emulator) -> str:
    """Returns the URL of a function that everyone may call."""
    functions = emulator.client("lambda")
    functions.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.11",
        Handler="main.handler",
        Role=ROLE,
        Code={"ZipFile": zipped(main=HANDLER)},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION)
    everyone = {"FunctionName": FUNCTION, "Principal": "*"}
    functions.add_permission(
        **everyone, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"
    )
    functions.add_permission(**everyone, StatementId="via", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    return str(functions.create_function_url_config(FunctionName=FUNCTION, AuthType="NONE")["FunctionUrl"])


def set_up_pipeline(emulator: Emulator) -> dict[str, str]:
    """Two versions, an alias of the first one, an execution of it that waits, and one that has failed."""
    sagemaker = emulator.client("sagemaker")
    step = {"Type": "Callback", "SqsQueueUrl": queue_url(emulator, "callbacks"), "OutputParameters": []}
    first, second = (
        json.dumps({"Version": "2020-12-01", "Steps": [{"Name": name, **step}]}) for name in ("First", "Second")
    )
    sagemaker.create_pipeline(
        PipelineName=PIPELINE, PipelineDefinition=first, RoleArn=ROLE, ClientRequestToken=PIPELINE * 3
    )
    sagemaker.update_pipeline(PipelineName=PIPELINE, PipelineDefinition=second)
    sagemaker.update_pipeline_version(
        PipelineArn=PIPELINE_ARN, PipelineVersionId=1, PipelineVersionAliasOperations={"Add": ["stable"]}
    )
    failed = start_first_version(emulator)
    sagemaker.send_pipeline_execution_step_failure(CallbackToken=next_token(emulator), FailureReason="on purpose")
    eventually(lambda: status(emulator, failed) == "Failed")
    waiting = start_first_version(emulator)
    token = next_token(emulator)
    # The change is the root user's, the start was a role's.
    sagemaker.update_pipeline_execution(PipelineExecutionArn=waiting, PipelineExecutionDescription="changed")
    return {"failed": failed, "waiting": waiting, "token": token}


def start_first_version(emulator: Emulator) -> str:
    import boto3

    role = emulator.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="starter")["Credentials"]
    as_role = boto3.client(
        "sagemaker",
        endpoint_url=emulator.url,
        region_name=REGION,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )
    response = as_role.start_pipeline_execution(PipelineName=PIPELINE, PipelineVersionId=1)
    return str(response["PipelineExecutionArn"])


def next_token(emulator: Emulator) -> str:
    [body] = eventually(lambda: take(emulator, "callbacks"), what="the message of a callback")
    return str(json.loads(body)["token"])


def status(emulator: Emulator, arn: str) -> str:
    execution = emulator.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    return str(execution["PipelineExecutionStatus"])


def schedules(emulator: Emulator) -> list[str]:
    return [each["Name"] for each in emulator.client("scheduler").list_schedules()["Schedules"]]


def describe(emulator: Emulator, known: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that can be read."""
    s3, events, sns = emulator.client("s3"), emulator.client("events"), emulator.client("sns")
    sagemaker, functions = emulator.client("sagemaker"), emulator.client("lambda")
    responses = {
        "notification": s3.get_bucket_notification_configuration(Bucket=BUCKET),
        "rules": events.list_rules(),
        **{f"targets of {name}": events.list_targets_by_rule(Rule=name) for name in RULES},
        "schedules": emulator.client("scheduler").list_schedules(),
        "schedule": emulator.client("scheduler").get_schedule(Name="rate"),
        "topic": sns.get_topic_attributes(TopicArn=TOPIC),
        "subscriptions": sns.list_subscriptions_by_topic(TopicArn=TOPIC),
        "url": functions.get_function_url_config(FunctionName=FUNCTION),
        "policy": functions.get_policy(FunctionName=FUNCTION),
        "pipeline": sagemaker.describe_pipeline(PipelineName=PIPELINE),
        "versions": sagemaker.list_pipeline_versions(PipelineName=PIPELINE),
        "failed": sagemaker.describe_pipeline_execution(PipelineExecutionArn=known["failed"]),
        "waiting": sagemaker.describe_pipeline_execution(PipelineExecutionArn=known["waiting"]),
    }
    for response in responses.values():
        del response["ResponseMetadata"]
    return responses


def test_everything_is_as_before_the_kill(restarted: Emulator, before: dict[str, Any]) -> None:
    after = describe(restarted, before)
    assert {name: after[name] for name in after if after[name] != before["account"][name]} == {}
    first, second = sorted(after["versions"]["PipelineVersionSummaries"], key=lambda each: each["PipelineVersionId"])
    assert first["PipelineVersionAliases"] == ["stable"] and "PipelineVersionAliases" not in second
    waiting = after["waiting"]
    assert waiting["CreatedBy"] != waiting["LastModifiedBy"] and waiting["PipelineVersionId"] == 1


def test_everything_still_sends(restarted: Emulator, before: dict[str, Any]) -> None:
    restarted.client("s3").put_object(Bucket=BUCKET, Key="new", Body=b"x")
    [upload] = eventually(lambda: take(restarted, "uploads"))
    assert json.loads(upload)["Records"][0]["s3"]["object"]["key"] == "new"
    entries = [{"Source": "test", "DetailType": "t", "Detail": json.dumps({"n": n})} for n in (1, 2)]
    restarted.client("events").put_events(Entries=entries)
    [match] = eventually(lambda: take(restarted, "matches"))
    assert json.loads(match)["detail"] == {"n": 2}
    for kind in ("other", "kept"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        restarted.client("sns").publish(TopicArn=TOPIC, Message=kind, MessageAttributes=attributes)
    assert eventually(lambda: take(restarted, "published")) == ["kept"]
    tick = eventually(lambda: take(restarted, "ticks"))[0]
    assert json.loads(tick)["detail-type"] == "Scheduled Event"
    assert eventually(lambda: take(restarted, "scheduled"))[0] == "rate"
    with urllib.request.urlopen(f"{before['url']}path", timeout=60) as response:
        assert json.load(response) == "hello /path"


def test_executions_still_report_their_status(restarted: Emulator, before: dict[str, Any]) -> None:
    sagemaker = restarted.client("sagemaker")
    sagemaker.send_pipeline_execution_step_success(CallbackToken=before["token"])
    sagemaker.retry_pipeline_execution(PipelineExecutionArn=before["failed"], ClientRequestToken="again" * 8)
    sagemaker.send_pipeline_execution_step_success(CallbackToken=next_token(restarted))
    reported: list[tuple[str, str, str]] = []

    def has_all() -> bool:
        for body in take(restarted, "statuses"):
            detail = json.loads(body)["detail"]
            previous, current = detail["previousPipelineExecutionStatus"], detail["currentPipelineExecutionStatus"]
            reported.append((detail["pipelineExecutionArn"], previous, current))
        return len(reported) >= 3

    eventually(has_all, what="three status events")
    assert sorted(reported) == sorted(
        [
            (before["waiting"], "Executing", "Succeeded"),
            (before["failed"], "Failed", "Executing"),
            (before["failed"], "Executing", "Succeeded"),
        ]
    )
    for version, count in ((1, 2), (2, 0)):
        listed = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
        arns = [each["PipelineExecutionArn"] for each in listed]
        versions = [
            sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineVersionId"] for arn in arns
        ]
        assert versions.count(version) == count


def test_a_reset_empties_the_folder(restarted: Emulator, folder: Path) -> None:
    """This is the last test of the module."""
    restarted.reset()
    kill(folder)
    with Emulator(state_dir=folder, time_scale=TIME_SCALE) as emulator:
        client = emulator.client
        assert client("events").list_rules()["Rules"] == schedules(emulator) == []
        assert client("sns").list_topics()["Topics"] == client("sns").list_subscriptions()["Subscriptions"] == []
        assert client("s3").list_buckets()["Buckets"] == client("lambda").list_functions()["Functions"] == []
        assert client("sagemaker").list_pipelines()["PipelineSummaries"] == []
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        kept = client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
        assert "QueueConfigurations" not in kept
