"""Schedules of EventBridge Scheduler start pipelines and send to queues."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.events.schedule import Rate
from geopipe_emulator.services.scheduler.moto_patch import _first
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.events import next_message, service_role, take
from tests.support.functions import TRUST, Functions, make_role, refused
from tests.support.wait import eventually

ACCOUNT = "200000000135"
OFF = {"Mode": "OFF"}


@pytest.fixture(scope="module")
def standing(start_emulator: StartEmulator) -> Emulator:
    """Roles may do only what their policies say. A minute of a schedule lasts 0.3 s."""
    return start_emulator(Settings(account_id=ACCOUNT, iam="enforce", time_scale=0.005), default_services())


@pytest.fixture
def account(standing: Emulator) -> Iterator[Functions]:
    account = Functions(standing, make_role(standing, TRUST))
    yield account
    account.clear()


@pytest.fixture
def sender(standing: Emulator) -> str:
    return service_role(standing, "scheduler.amazonaws.com", "sqs:SendMessage", "sagemaker:StartPipelineExecution")


def schedule(account: Functions, expression: str, target: dict[str, Any], **settings: Any) -> str:
    name = f"s-{uuid.uuid4().hex[:8]}"
    account.client("scheduler").create_schedule(
        Name=name, ScheduleExpression=expression, FlexibleTimeWindow=OFF, Target=target, **settings
    )
    return name


def test_a_rate_starts_a_pipeline_until_it_is_changed(account: Functions, sender: str) -> None:
    sagemaker, scheduler = account.client("sagemaker"), account.client("scheduler")
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Day", "Type": "String"}],
        "Steps": [{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "end"}}],
    }
    arn = sagemaker.create_pipeline(
        PipelineName=f"p-{uuid.uuid4().hex[:8]}",
        PipelineDefinition=json.dumps(definition),
        RoleArn=service_role(account.emulator, "sagemaker.amazonaws.com"),
        ClientRequestToken=uuid.uuid4().hex,
    )["PipelineArn"]
    parameters = {"PipelineParameterList": [{"Name": "Day", "Value": "today"}]}
    target = {"Arn": arn, "RoleArn": sender, "SageMakerPipelineParameters": parameters}
    name = schedule(account, "rate(1 hour)", target)

    def executions() -> list[str]:
        listed = sagemaker.list_pipeline_executions(PipelineName=arn)["PipelineExecutionSummaries"]
        return [each["PipelineExecutionArn"] for each in listed]

    [first] = eventually(executions, what="the first execution, which starts immediately")
    started = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=first)
    assert started["PipelineParameters"] == [{"Name": "Day", "Value": "today"}]
    change = {"Name": name, "FlexibleTimeWindow": OFF, "Target": target}
    scheduler.update_schedule(**change, ScheduleExpression="cron(* * * * ? *)")
    eventually(lambda: len(executions()) >= 3)
    scheduler.update_schedule(**change, ScheduleExpression="cron(* * * * ? *)", State="DISABLED")
    assert scheduler.get_schedule(Name=name)["State"] == "DISABLED"
    scheduler.delete_schedule(Name=name)


def test_a_time_runs_once_and_its_schedule_is_deleted(account: Functions, sender: str) -> None:
    scheduler, (url, arn) = account.client("scheduler"), account.queue()
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    name = schedule(account, f"at({soon})", {"Arn": arn, "RoleArn": sender}, ActionAfterCompletion="DELETE")
    event = next_message(account, url)
    assert (event["source"], event["time"]) == ("aws.scheduler", f"{soon}Z")
    assert event["resources"] == [f"arn:aws:scheduler:us-west-2:{ACCOUNT}:schedule/default/{name}"]
    eventually(lambda: name not in [each["Name"] for each in scheduler.list_schedules()["Schedules"]])
    text = '{"at": "<aws.scheduler.scheduled-time>"}'
    scheduler.create_schedule_group(Name="daily")
    schedule(account, "rate(1 minute)", {"Arn": arn, "RoleArn": sender, "Input": text}, GroupName="daily")
    assert next_message(account, url)["at"] > f"{soon[:10]}"
    scheduler.delete_schedule_group(Name="daily")
    while take(account, url, wait=0):
        pass
    assert take(account, url) == []


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(account: Functions, sender: str) -> None:
    dead_url, dead_arn = account.queue()
    dead = {"DeadLetterConfig": {"Arn": dead_arn}}
    missing = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/none"
    name = schedule(account, "rate(1 day)", {"Arn": missing, "RoleArn": sender, **dead})
    [letter] = eventually(lambda: take(account, dead_url))
    attributes = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert (attributes["ERROR_CODE"], attributes["TARGET_ARN"]) == ("NO_RESOURCE", missing)
    assert attributes["SCHEDULE_ARN"].endswith(f"/{name}")
    account.client("scheduler").delete_schedule(Name=name)


def test_what_no_schedule_can_do_is_refused(account: Functions, sender: str) -> None:
    scheduler, (_, queue_arn) = account.client("scheduler"), account.queue()
    good = {"Name": "s", "ScheduleExpression": "rate(1 minute)", "FlexibleTimeWindow": OFF}

    def refusal(arn: str = queue_arn, role: str = sender, **changes: Any) -> tuple[int, str]:
        return refused(scheduler.create_schedule, **{**good, "Target": {"Arn": arn, "RoleArn": role}, **changes})[:2]

    no, invalid = (501, "NotImplemented"), (400, "ValidationException")
    assert refusal("arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution") == no
    assert refusal(f"arn:aws:states:us-west-2:{ACCOUNT}:stateMachine:s") == no
    assert refusal(queue_arn.replace(ACCOUNT, "210987654321")) == no
    assert refusal(role=service_role(account.emulator, "events.amazonaws.com")) == invalid
    assert refusal(role=f"{sender}x") == invalid
    assert refusal(ScheduleExpression="rate(1 minutes)") == invalid
    assert refusal(ScheduleExpressionTimezone="Mars/Base") == invalid
    assert refusal(FlexibleTimeWindow={"Mode": "FLEXIBLE"}) == invalid
    assert refusal(GroupName="none") == (404, "ResourceNotFoundException")
    assert [each for each in scheduler.list_schedules()["Schedules"] if each["Name"] == "s"] == []


def test_a_rate_of_an_earlier_process_keeps_its_times() -> None:
    created = datetime.now(UTC) - timedelta(minutes=90)
    start = created + timedelta(minutes=10)
    assert _first(Rate(3600), None, created) == created + timedelta(hours=2)
    assert _first(Rate(3600), start, created) == start + timedelta(hours=2)
    assert _first(Rate(3600), created + timedelta(hours=3), created) == created + timedelta(hours=3)
