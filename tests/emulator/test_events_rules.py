"""Rules of EventBridge start functions, pipelines and queues: by events and by schedules."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.services.events.moto_patch import EventsPatch
from geopipe_emulator.settings import Settings
from geopipe_emulator.state.records import RecordTable
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.events import allow_delivery, allow_invocation, bucket, next_message, service_role, take
from tests.support.functions import Functions, refused
from tests.support.wait import eventually

ACCOUNT = "200000000133"
SHOW = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
PIPELINE = {
    "Version": "2020-12-01",
    "Parameters": [{"Name": "Key", "Type": "String", "DefaultValue": "none"}],
    "Steps": [{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.Key"}}}],
}


@pytest.fixture(scope="module")
def standing(start_emulator: StartEmulator) -> Emulator:
    """Roles may do only what their policies say. A minute of a schedule lasts 0.3 s."""
    return start_emulator(Settings(account_id=ACCOUNT, iam="enforce", time_scale=0.005), default_services())


@pytest.fixture
def account(standing: Emulator) -> Iterator[Functions]:
    account = Functions(standing, service_role(standing, "lambda.amazonaws.com", "logs:*"))
    yield account
    account.clear()
    events = account.client("events")
    for rule in events.list_rules()["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        if targets:
            events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule["Name"])


def rule(account: Functions, *targets: dict[str, Any], **settings: Any) -> tuple[str, str]:
    """A rule's name and ARN."""
    events, name = account.client("events"), f"r-{uuid.uuid4().hex[:8]}"
    if "EventPattern" in settings:
        settings["EventPattern"] = json.dumps(settings["EventPattern"])
    arn = events.put_rule(Name=name, **settings)["RuleArn"]
    put(account, name, *targets)
    return name, arn


def put(account: Functions, name: str, *targets: dict[str, Any]) -> None:
    if targets:
        numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        account.client("events").put_targets(Rule=name, Targets=numbered)


def watching_queue(account: Functions, **settings: Any) -> tuple[str, str]:
    """A rule's name, and the URL of a queue that is its target."""
    url, arn = account.queue()
    name, rule_arn = rule(account, {"Arn": arn}, **settings)
    allow_delivery(account, url, "events.amazonaws.com", rule_arn)
    return name, url


def pipeline(account: Functions) -> str:
    sagemaker, name = account.client("sagemaker"), f"p-{uuid.uuid4().hex[:8]}"
    return str(
        sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps(PIPELINE),
            RoleArn=service_role(account.emulator, "sagemaker.amazonaws.com"),
            ClientRequestToken=uuid.uuid4().hex,
        )["PipelineArn"]
    )


def executions(account: Functions, arn: str) -> list[str]:
    listed = account.client("sagemaker").list_pipeline_executions(PipelineName=arn)["PipelineExecutionSummaries"]
    return [execution["PipelineExecutionArn"] for execution in listed]


def test_an_event_reaches_the_targets_of_the_rules_that_match(account: Functions) -> None:
    events, function = account.client("events"), account.function(SHOW)
    transformer = {"InputPathsMap": {"city": "$.detail.city"}, "InputTemplate": '{"where": <city>}'}
    name, arn = rule(account, EventPattern={"source": ["my.app"], "detail": {"size": [{"numeric": [">", 5]}]}})
    put(account, name, {"Arn": allow_invocation(account, function, "events.amazonaws.com", arn)})
    _, url = watching_queue(account, EventPattern={"detail-type": ["Arrival"]})
    queue_arn = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    other, _ = rule(account, EventPattern={"source": ["my.app"]}, State="DISABLED")
    put(account, other, {"Arn": queue_arn["QueueArn"], "InputTransformer": transformer})
    entry = {"Source": "my.app", "DetailType": "Arrival", "Detail": '{"city": "Wien", "size": 9}', "Resources": ["r"]}
    response = events.put_events(Entries=[entry, {**entry, "Source": "aws.s3"}, {**entry, "Detail": "[]"}])
    assert response["FailedEntryCount"] == 2
    assert [each.get("ErrorCode") for each in response["Entries"]] == [
        None, "NotAuthorizedForSourceException", "MalformedDetail",
    ]  # fmt: skip
    [line] = [line for line in account.logged(function, "my.app") if "my.app" in line]
    event = json.loads(line)
    assert (event["id"], event["account"], event["region"]) == (response["Entries"][0]["EventId"], ACCOUNT, "us-west-2")
    assert (event["detail-type"], event["resources"], event["detail"]["city"]) == ("Arrival", ["r"], "Wien")
    assert next_message(account, url) == event
    events.enable_rule(Name=other)
    allow_delivery(account, url, "events.amazonaws.com", f"arn:aws:events:us-west-2:{ACCOUNT}:rule/*")
    events.put_events(Entries=[{**entry, "DetailType": "Departure"}])
    assert next_message(account, url) == {"where": "Wien"}
    bus = events.create_event_bus(Name=f"b-{uuid.uuid4().hex[:8]}")["EventBusArn"]
    events.put_events(Entries=[{**entry, "EventBusName": bus}])
    assert take(account, url, wait=0) == []
    tested = events.test_event_pattern(EventPattern='{"source": ["my.app"]}', Event=json.dumps(event))
    assert tested["Result"] is True


def test_an_upload_starts_a_pipeline_and_its_end_is_an_event(account: Functions) -> None:
    """The object's key is a parameter of the pipeline."""
    name, arn = bucket(account), pipeline(account)
    _, url = watching_queue(account, EventPattern={
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
        "detail": {"pipelineArn": [arn], "currentPipelineExecutionStatus": ["Succeeded", "Failed"]},
    })  # fmt: skip
    _, steps_url = watching_queue(account, EventPattern={"detail": {"pipelineArn": [arn], "stepName": ["End"]}})
    rule(
        account,
        {
            "Arn": arn,
            "RoleArn": service_role(account.emulator, "events.amazonaws.com", "sagemaker:StartPipelineExecution"),
            "SageMakerPipelineParameters": {"PipelineParameterList": [{"Name": "Key", "Value": "$.detail.object.key"}]},
        },
        EventPattern={"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [name]}}},
    )
    account.client("s3").put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    account.client("s3").put_object(Bucket=name, Key="in/new file.csv", Body=b"x")
    event = next_message(account, url)
    [execution] = executions(account, arn)
    assert event["resources"] == [arn, execution]
    detail = event["detail"]
    assert (detail["currentPipelineExecutionStatus"], detail["previousPipelineExecutionStatus"]) == (
        "Failed", "Executing",
    )  # fmt: skip
    assert detail["executionStartTime"] <= detail["executionEndTime"]
    started = account.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert started["PipelineParameters"] == [{"Name": "Key", "Value": "in/new file.csv"}]
    statuses: dict[str, Any] = {}
    while "Failed" not in statuses:
        step = next_message_of(account, steps_url)
        statuses[step["currentStepStatus"]] = step
    assert statuses["Failed"]["failureReason"].endswith("in/new file.csv")
    assert (statuses["Failed"]["stepType"], statuses["Failed"]["pipelineExecutionArn"]) == ("Fail", execution)


def test_a_rule_publishes_to_a_topic(account: Functions) -> None:
    sns, events, (url, queue_arn) = account.client("sns"), account.client("events"), account.queue()
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    allow_delivery(account, url, "sns.amazonaws.com", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    _, arn = rule(account, {"Arn": topic, "InputPath": "$.detail"}, EventPattern={"source": ["my.alarm"]})
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    events.put_events(Entries=[{"Source": "my.alarm", "DetailType": "d", "Detail": '{"level": "high"}'}])
    assert next_message(account, url) == {"level": "high"}


def test_a_rule_writes_to_a_log_group_that_allows_it(account: Functions) -> None:
    logs, events, group = account.client("logs"), account.client("events"), f"/aws/events/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    root = f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group:"
    dead_url, dead_arn = account.queue()
    target = {"Arn": f"{root}{group}", "DeadLetterConfig": {"Arn": dead_arn}}
    _, arn = rule(account, target, EventPattern={"source": ["my.log"]})
    allow_delivery(account, dead_url, "events.amazonaws.com", arn)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{root}/aws/events/*:*",
    }
    events.put_events(Entries=[{"Source": "my.log", "DetailType": "denied", "Detail": "{}"}])
    assert next_message(account, dead_url)["detail-type"] == "denied"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    logs.put_resource_policy(policyName="events", policyDocument=policy)
    events.put_events(Entries=[{"Source": "my.log", "DetailType": "allowed", "Detail": "{}"}])

    def kinds() -> list[str]:
        return [
            json.loads(each["message"])["detail-type"] for each in logs.filter_log_events(logGroupName=group)["events"]
        ]

    assert eventually(kinds) == ["allowed"]


def next_message_of(account: Functions, url: str) -> dict[str, Any]:
    """The detail of one event in the queue."""
    sqs = account.client("sqs")
    [message] = eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    detail: dict[str, Any] = json.loads(message["Body"])["detail"]
    return detail


def test_a_schedule_runs_until_it_is_disabled(account: Functions) -> None:
    events = account.client("events")
    name, url = watching_queue(account, ScheduleExpression="rate(1 minute)")
    seen: list[Any] = []
    eventually(lambda: seen.extend(json.loads(each["Body"]) for each in take(account, url)) or len(seen) >= 2)
    assert (seen[0]["source"], seen[0]["detail-type"]) == ("aws.events", "Scheduled Event")
    assert seen[0]["resources"] == [f"arn:aws:events:us-west-2:{ACCOUNT}:rule/{name}"]
    assert seen[0]["time"] < seen[1]["time"]
    events.disable_rule(Name=name)
    arn = pipeline(account)
    starting = service_role(account.emulator, "events.amazonaws.com", "sagemaker:StartPipelineExecution")
    cron, _ = rule(account, {"Arn": arn, "RoleArn": starting}, ScheduleExpression="cron(* * * * ? *)")
    eventually(lambda: len(executions(account, arn)) >= 2)
    events.disable_rule(Name=cron)
    while take(account, url, wait=0):
        pass
    assert take(account, url) == []


def test_schedules_that_are_there_at_the_start_run(start_emulator: StartEmulator) -> None:
    """moto's state can be older than the server."""
    from moto.events.models import events_backends

    other = "200000000136"
    target = {"Id": "q", "Arn": f"arn:aws:sqs:us-west-2:{other}:kept"}
    backend = events_backends[other]["us-west-2"]
    arn = backend.put_rule("kept", scheduled_expression="rate(1 minute)").arn
    backend.put_targets("kept", None, [target])
    account = Functions(start_emulator(Settings(account_id=other, time_scale=0.005), default_services()))
    url = account.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    allow_delivery(account, url, "events.amazonaws.com", arn)
    [message, *_] = eventually(lambda: take(account, url))
    assert json.loads(message["Body"])["resources"] == [arn]


class FakeTimetable:
    """Takes schedules, and says when they would run first."""

    def __init__(self) -> None:
        self.firsts: list[datetime | None] = []

    def put(self, key: str, schedule: Any, fire: Any, first: datetime | None = None) -> None:
        self.firsts.append(first)

    def remove(self, key: str) -> None:
        """Nothing runs."""


def test_a_rate_of_an_earlier_process_keeps_its_times() -> None:
    rule = SimpleNamespace(arn="arn", scheduled_expression="rate(1 hour)", state="ENABLED")
    begin = datetime.now(UTC) - timedelta(minutes=90)
    starts: RecordTable[str, tuple[str, str]] = RecordTable()
    bus: Any = SimpleNamespace(all_rules=lambda: [rule])
    timetable: Any = FakeTimetable()
    starts["arn"] = ("rate(1 hour)", begin.isoformat())

    def start() -> datetime | None:
        """Start an emulator. Returns the first time of the rule; None if it counts from now."""
        EventsPatch(bus, timetable, starts).resume()
        first: datetime | None = timetable.firsts[-1]
        return first

    assert start() == begin + timedelta(hours=2)
    rule.scheduled_expression = "rate(2 hours)"
    assert start() is None
    assert starts["arn"][0] == "rate(2 hours)" and datetime.fromisoformat(starts["arn"][1]) > begin
    rule.state = "DISABLED"
    EventsPatch(bus, timetable, starts).resume()
    assert starts == {}


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(account: Functions) -> None:
    events, (dead_url, dead_arn) = account.client("events"), account.queue()
    arn, dead = pipeline(account), {"DeadLetterConfig": {"Arn": dead_arn}}
    function = account.lambda_.get_function_configuration(FunctionName=account.function())["FunctionArn"]
    _, rule_arn = rule(
        account,
        {"Arn": arn, "RoleArn": service_role(account.emulator, "events.amazonaws.com"), **dead},
        {"Arn": arn, "RoleArn": service_role(account.emulator, "ec2.amazonaws.com", "sagemaker:*"), **dead},
        {"Arn": function, **dead},
        {"Arn": f"arn:aws:sqs:us-west-2:{ACCOUNT}:missing", **dead},
        EventPattern={"source": ["lost"]},
    )
    allow_delivery(account, dead_url, "events.amazonaws.com", rule_arn)
    events.put_events(Entries=[{"Source": "lost", "DetailType": "d", "Detail": "{}"}])
    letters: list[Any] = []
    eventually(lambda: letters.extend(take(account, dead_url)) or len(letters) >= 4)
    codes = sorted(letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] for letter in letters)
    assert codes == ["NO_PERMISSIONS", "NO_PERMISSIONS", "NO_PERMISSIONS", "NO_RESOURCE"]
    assert {letter["MessageAttributes"]["RULE_ARN"]["StringValue"] for letter in letters} == {rule_arn}
    assert all(json.loads(letter["Body"])["source"] == "lost" for letter in letters)
    assert executions(account, arn) == []


def test_what_no_rule_can_do_is_refused(account: Functions) -> None:
    events, (_, queue_arn) = account.client("events"), account.queue()
    name, _ = rule(account, EventPattern={"source": ["x"]})

    def target(arn: str, **settings: Any) -> tuple[int, str]:
        return refused(events.put_targets, Rule=name, Targets=[{"Id": "i", "Arn": arn, **settings}])[:2]

    no, invalid = (501, "NotImplemented"), (400, "ValidationException")
    root = f"us-west-2:{ACCOUNT}"
    assert target(f"arn:aws:states:{root}:stateMachine:s") == no
    assert target(f"arn:aws:sagemaker:{root}:training-job/t") == no
    assert target(f"arn:aws:events:{root}:event-bus/b") == no
    assert target(queue_arn.replace(ACCOUNT, "210987654321")) == no
    assert target(queue_arn, KinesisParameters={"PartitionKeyPath": "$"}) == no
    assert target(f"arn:aws:sagemaker:{root}:pipeline/p") == invalid
    assert target(queue_arn, Input="{") == invalid
    assert target(queue_arn, InputTransformer={"InputTemplate": "<x>"}) == invalid
    assert target(queue_arn.replace("us-west-2", "us-east-1")) == invalid
    assert target("queue") == invalid
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []
    bad = refused(events.put_rule, Name="r", EventPattern='{"source": "x"}')
    assert bad[1] == "InvalidEventPatternException"
    assert refused(events.put_rule, Name="r", ScheduleExpression="rate(1 minutes)")[:2] == invalid
    missing = refused(events.put_targets, Rule="none", Targets=[{"Id": "i", "Arn": queue_arn}])
    assert missing[1] == "ResourceNotFoundException"
    bus = f"arn:aws:events:{root}:event-bus/default"
    assert refused(events.create_archive, ArchiveName="a", EventSourceArn=bus)[:2] == no
