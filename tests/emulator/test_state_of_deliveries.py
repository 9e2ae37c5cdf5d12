"""What an emulator had not delivered when it ended or was killed, the next one on its state folder delivers.

The function that gets the events is Pending for an hour, so nothing arrives in the first emulator. In the second one,
it is ready.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
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

BUCKET, FUNCTION, FAILING, TOPIC_NAME, GROUP = "sender", "receiver", "failing", "topic", "/aws/events/kept"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC_NAME}"
ARRIVED = f"arn:aws:sqs:{REGION}:{ACCOUNT}:arrived"
SENDERS = ("s3", "events", "sns", "scheduler", "lambda", "sagemaker")
HANDLER = """
import json
import boto3

def handler(event, context):
    if "fail" in event:
        raise ValueError("on purpose")
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="arrived")["QueueUrl"], MessageBody=json.dumps(event))
"""


def kill(emulator: Emulator, folder: Path) -> None:
    os.kill(json.loads((folder / OWNER_FILE).read_bytes())["pid"], signal.SIGKILL)
    emulator.stop()


def end(emulator: Emulator, folder: Path) -> None:
    emulator.stop()


Ending = Callable[[Emulator, Path], None]
both_endings = pytest.mark.parametrize("ending", [kill, end])


def set_up(emulator: Emulator) -> None:
    """A role for everything, a queue for what arrives, and functions that every service may invoke."""
    services = {"Service": [f"{sender}.amazonaws.com" for sender in SENDERS]}
    trust = {"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    emulator.client("iam").create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=document)
    emulator.client("sqs").create_queue(QueueName="arrived")
    functions = emulator.client("lambda")
    for name in (FUNCTION, FAILING):
        code = {"ZipFile": zipped(main=HANDLER)}
        functions.create_function(
            FunctionName=name, Runtime="python3.11", Handler="main.handler", Role=ROLE, Code=code, Timeout=60
        )
    for sender in SENDERS[:3]:
        permission = {"Principal": f"{sender}.amazonaws.com", "Action": "lambda:InvokeFunction"}
        functions.add_permission(FunctionName=FUNCTION, StatementId=sender, **permission)


def send_events(emulator: Emulator) -> None:
    """Send an event of each kind to the function. The calls whose events are last have just returned."""
    schedule(emulator, "rate", "rate(1 day)", "NONE")
    eventually(lambda: calls(emulator, "lambda", "Invoke"), what="the first attempt for the schedule")
    events, s3, sns = emulator.client("events"), emulator.client("s3"), emulator.client("sns")
    for name, source in (("own", "test"), ("pipelines", "aws.sagemaker"), ("buckets", "aws.s3")):
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": FUNCTION_ARN}])
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    to_function = {"LambdaFunctionArn": FUNCTION_ARN, "Events": ["s3:ObjectCreated:*"]}
    configuration = {"LambdaFunctionConfigurations": [to_function], "EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)
    sns.create_topic(Name=TOPIC_NAME)
    sns.subscribe(TopicArn=TOPIC, Protocol="lambda", Endpoint=FUNCTION_ARN)
    step = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "on purpose"}}
    definition = json.dumps({"Version": "2020-12-01", "Steps": [step]})
    sagemaker = emulator.client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="p", PipelineDefinition=definition, RoleArn=ROLE, ClientRequestToken="pipeline" * 4
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="p")["PipelineExecutionArn"]
    eventually(lambda: status(emulator, arn) == "Failed")
    schedule(emulator, "once", in_seconds(3), "DELETE")
    sns.publish(TopicArn=TOPIC, Message="published")
    events.put_events(Entries=[{"Source": "test", "DetailType": "t", "Detail": "{}"}])
    s3.put_object(Bucket=BUCKET, Key="uploaded", Body=b"x")


def schedule(emulator: Emulator, name: str, expression: str, at_the_end: str) -> None:
    emulator.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION_ARN, "RoleArn": ROLE, "Input": json.dumps({"schedule": name})},
        ActionAfterCompletion=at_the_end,
    )


def in_seconds(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("at(%Y-%m-%dT%H:%M:%S)")


def calls(emulator: Emulator, service: str, operation: str) -> int:
    """Returns how often the emulator's own services have called an operation."""
    key = {"X-Geopipe-Key": emulator.environment["AWS_ACCESS_KEY_ID"]}
    request = urllib.request.Request(f"{emulator.url}/_geopipe/calls", headers=key)
    with urllib.request.urlopen(request, timeout=60) as response:
        rows = json.load(response)["internal"]
    return sum(row["count"] for row in rows if (row["service"], row["operation"]) == (service, operation))


def status(emulator: Emulator, arn: str) -> str:
    execution = emulator.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    return str(execution["PipelineExecutionStatus"])


def take(emulator: Emulator) -> list[Any]:
    """Receives and deletes messages from the queue for what arrives. Returns what they contain."""
    sqs = emulator.client("sqs")
    url = sqs.get_queue_url(QueueName="arrived")["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def label_of(event: dict[str, Any]) -> str:
    """Returns what has sent the event."""
    if "schedule" in event:
        return f"schedule {event['schedule']}"
    if "Records" in event:
        record = event["Records"][0]
        return str(record["Sns"]["Message"] if "Sns" in record else record["s3"]["object"]["key"])
    if event["source"] != "aws.sagemaker":
        return str(event["source"])
    detail = event["detail"]
    return str(detail.get("currentPipelineExecutionStatus") or f"step {detail['currentStepStatus']}")


@pytest.fixture
def restarted(tmp_path: Path, ending: Ending) -> Iterator[Emulator]:
    folder = tmp_path / "account"
    emulator = Emulator(state_dir=folder, function_pending_seconds=3600).start()
    try:
        set_up(emulator)
        send_events(emulator)
        planned = datetime.now(UTC) + timedelta(seconds=3)
    finally:
        ending(emulator, folder)
    eventually(lambda: datetime.now(UTC) > planned, what="the time of the schedule that runs once")
    with Emulator(state_dir=folder) as emulator:
        yield emulator


@both_endings
def test_all_events_arrive_after_the_restart(restarted: Emulator) -> None:
    expected = {"uploaded", "test", "published", "schedule rate", "schedule once", "aws.s3"}
    expected |= {"Executing", "Failed", "step Failed"}
    arrived: set[str] = set()

    def has_all() -> bool:
        arrived.update(map(label_of, take(restarted)))
        return arrived >= expected

    eventually(has_all, what=f"all of {sorted(expected)}")
    # The schedule that has run once is deleted.
    eventually(lambda: schedules(restarted) == ["rate"])


def schedules(emulator: Emulator) -> list[str]:
    return [each["Name"] for each in emulator.client("scheduler").list_schedules()["Schedules"]]


@both_endings
def test_retries_continue_and_the_destination_gets_the_failure(tmp_path: Path, ending: Ending) -> None:
    with Emulator(state_dir=tmp_path / "a") as emulator:
        set_up(emulator)
        functions = emulator.client("lambda")
        functions.get_waiter("function_active_v2").wait(FunctionName=FAILING)
        destination = {"OnFailure": {"Destination": ARRIVED}}
        functions.put_function_event_invoke_config(FunctionName=FAILING, DestinationConfig=destination)
        functions.invoke(FunctionName=FAILING, InvocationType="Event", Payload=b'{"fail": 1}')
        eventually(lambda: log_lines(emulator, f"/aws/lambda/{FAILING}", "on purpose"), what="the first attempt")
        ending(emulator, tmp_path / "a")
    # The second attempt would come after a minute.
    with Emulator(state_dir=tmp_path / "a", time_scale=0.001) as emulator:
        [record] = eventually(lambda: take(emulator))
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 3
        assert record["requestPayload"] == {"fail": 1}


def log_lines(emulator: Emulator, group: str, text: str = "") -> list[str]:
    logs = emulator.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []
    return [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"] if text in e["message"]]


def test_an_event_in_a_log_group_is_kept_once_it_is_delivered(tmp_path: Path) -> None:
    folder = tmp_path / "account"
    with Emulator(state_dir=folder) as emulator:
        logs, events = emulator.client("logs"), emulator.client("events")
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "logs:*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]})
        logs.create_log_group(logGroupName=GROUP)
        logs.put_resource_policy(policyName="events", policyDocument=document)
        events.put_rule(Name="logged", EventPattern=json.dumps({"source": ["test"]}))
        target = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
        events.put_targets(Rule="logged", Targets=[{"Id": "1", "Arn": target}])
        events.put_events(Entries=[{"Source": "test", "DetailType": "t", "Detail": "{}"}])
        eventually(lambda: log_lines(emulator, GROUP), what="the event in the log group")
        kill(emulator, folder)
    with Emulator(state_dir=folder) as emulator:
        [line] = set(eventually(lambda: log_lines(emulator, GROUP)))
        assert json.loads(line)["source"] == "test"
