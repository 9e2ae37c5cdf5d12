"""SageMaker Pipelines as a client sees them: boto3, the wire, and a real queue."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["sagemaker.amazonaws.com", "lambda.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
PATIENCE = 10.0


@pytest.fixture
def name() -> str:
    return f"Pipelines-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def role_arn(emulator: Any, name: str) -> Iterator[str]:
    iam = emulator.client("iam")
    yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.delete_role(RoleName=name)


@pytest.fixture
def queue_url(emulator: Any, name: str) -> Iterator[str]:
    sqs = emulator.client("sqs")
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield url
    sqs.delete_queue(QueueUrl=url)


GATED = """
import os


def handler(event, context):
    if event["task"] == "publish" and os.environ["CLOSED"] == "yes":
        raise ValueError("closed")
    return {"rows": 12}
"""


@pytest.fixture
def function_arn(emulator: Any, name: str, role_arn: str) -> Iterator[str]:
    """Counts 12 rows, and publishes unless it is closed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", GATED)
    functions = emulator.client("lambda")
    yield functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role_arn,
        Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()},
        Environment={"Variables": {"CLOSED": "yes"}},
    )["FunctionArn"]
    functions.delete_function(FunctionName=name)


def branching(function_arn: str) -> str:
    """Count the rows; with enough of them publish, else fail."""

    def task(name: str) -> dict[str, Any]:
        arguments = {"task": name}
        return {"Name": name, "Type": "Lambda", "FunctionArn": function_arn, "Arguments": arguments}

    rows = {"Get": "Steps.count.OutputParameters['rows']"}
    enough = {"Type": "GreaterThanOrEqualTo", "LeftValue": rows, "RightValue": {"Get": "Parameters.least"}}
    message = {"Std:Join": {"On": " ", "Values": ["only", rows, "rows"]}}
    sides = {
        "IfSteps": [task("publish")],
        "ElseSteps": [{"Name": "give_up", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
    }
    steps = [
        {**task("count"), "OutputParameters": [{"OutputName": "rows", "OutputType": "Integer"}]},
        {"Name": "enough", "Type": "Condition", "Arguments": {"Conditions": [enough], **sides}},
    ]
    parameters = [{"Name": "least", "Type": "Integer", "DefaultValue": 9}]
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": steps})


def definition() -> str:
    wait = {
        "Name": "wait",
        "Type": "Callback",
        "SqsQueueUrl": {"Get": "Parameters.queue"},
        "Arguments": {"rows": {"Get": "Parameters.rows"}, "run": {"Get": "Execution.PipelineExecutionId"}},
        "OutputParameters": [{"OutputName": "state", "OutputType": "String"}],
    }
    parameters = [{"Name": "queue", "Type": "String"}, {"Name": "rows", "Type": "Integer", "DefaultValue": 200}]
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": [wait]})


def receive(sqs: Any, queue_url: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1).get("Messages", []):
            body: dict[str, Any] = json.loads(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            return body
    raise AssertionError("no message came")


def end(sagemaker: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        described: dict[str, Any] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return described
    raise AssertionError("the execution did not end")


def test_a_pipeline_from_creation_to_deletion(emulator: Any, name: str, role_arn: str, queue_url: str) -> None:
    sagemaker, sqs = emulator.client("sagemaker"), emulator.client("sqs")
    tags = [{"Key": "geopipe:deployment", "Value": "test"}]
    pipeline = sagemaker.create_pipeline(
        PipelineName=name, PipelineDefinition=definition(), RoleArn=role_arn, Tags=tags
    )["PipelineArn"]
    assert pipeline.endswith(f":pipeline/{name.lower()}")
    assert sagemaker.list_tags(ResourceArn=pipeline)["Tags"] == tags

    arn = sagemaker.start_pipeline_execution(
        PipelineName=pipeline, PipelineParameters=[{"Name": "queue", "Value": queue_url}]
    )["PipelineExecutionArn"]
    message = receive(sqs, queue_url)
    assert message == {
        "token": message["token"],
        "pipelineExecutionArn": arn,
        "arguments": {"rows": 200, "run": arn.rpartition("/")[2]},
        "status": "Executing",
    }
    with pytest.raises(sagemaker.exceptions.ConflictException):
        sagemaker.delete_pipeline(PipelineName=name)
    outputs = [{"Name": "state", "Value": "COMPLETED"}]
    sagemaker.send_pipeline_execution_step_success(CallbackToken=message["token"], OutputParameters=outputs)
    assert end(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"

    (step,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    assert (step["StepName"], step["StepStatus"]) == ("wait", "Succeeded")
    assert step["EndTime"] >= step["StartTime"]
    assert step["Metadata"]["Callback"] == {
        "CallbackToken": message["token"],
        "SqsQueueUrl": queue_url,
        "OutputParameters": outputs,
    }
    sagemaker.delete_pipeline(PipelineName=name)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_pipeline(PipelineName=name)


def test_a_stopped_execution(emulator: Any, name: str, role_arn: str, queue_url: str) -> None:
    sagemaker, sqs = emulator.client("sagemaker"), emulator.client("sqs")
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=definition(), RoleArn=role_arn)
    moved = queue_url.replace("127.0.0.1", "localhost")  # queues are known by account and name, not by host and port
    arn = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=[{"Name": "queue", "Value": moved}])[
        "PipelineExecutionArn"
    ]
    first = receive(sqs, queue_url)
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert receive(sqs, queue_url) == {**first, "status": "Stopping"}
    sagemaker.send_pipeline_execution_step_failure(CallbackToken=first["token"], FailureReason="stopped")
    assert end(sagemaker, arn)["PipelineExecutionStatus"] == "Stopped"
    sagemaker.delete_pipeline(PipelineName=name)


def test_branches_failures_and_a_retry_with_a_real_function(
    emulator: Any, name: str, role_arn: str, function_arn: str
) -> None:
    sagemaker, functions = emulator.client("sagemaker"), emulator.client("lambda")
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=branching(function_arn), RoleArn=role_arn)

    def steps(arn: str) -> list[dict[str, Any]]:
        listed = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        found: list[dict[str, Any]] = listed["PipelineExecutionSteps"]
        return found

    arn = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    assert end(sagemaker, arn)["PipelineExecutionStatus"] == "Failed"
    count, enough, publish = steps(arn)
    assert enough["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert publish["FailureReason"] == "Client Error: Received error from Lambda function: ValueError: closed"
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"CLOSED": "no"}})
    functions.get_waiter("function_updated").wait(FunctionName=name, WaiterConfig={"Delay": 0})
    assert sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionArn"] == arn
    assert end(sagemaker, arn)["PipelineExecutionStatus"] == "Succeeded"
    again = steps(arn)
    assert again[:2] == [count, enough]
    assert [(step["StepName"], step["AttemptCount"]) for step in again[2:]] == [("publish", 2)]
    with pytest.raises(ClientError, match="has succeeded"):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)

    parameters = [{"Name": "least", "Value": "13"}]
    arn = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=parameters)["PipelineExecutionArn"]
    assert end(sagemaker, arn)["FailureReason"] == "Step failure: One or multiple steps failed."
    last = steps(arn)[-1]
    assert (last["StepName"], last["FailureReason"]) == ("give_up", "only 12 rows")
    assert last["Metadata"] == {"Fail": {"ErrorMessage": "only 12 rows"}}
    with pytest.raises(ClientError, match="ended with Fail step give_up"):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    sagemaker.delete_pipeline(PipelineName=name)


def test_errors_on_the_wire(emulator: Any, name: str, role_arn: str) -> None:
    sagemaker = emulator.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_pipeline(PipelineName=name)
    with pytest.raises(ClientError) as refusal:
        sagemaker.create_pipeline(PipelineName=name, PipelineDefinition="{}", RoleArn=role_arn)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"
    assert "Steps is required" in refusal.value.response["Error"]["Message"]
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.send_pipeline_execution_step_success(CallbackToken="abcdefghij")
    too_long = [{"Name": "queue", "Value": "x" * 1025}]
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=too_long)
    execution = f"arn:aws:sagemaker:us-west-2:123456789012:pipeline/{name}/execution/abcdefghijkl"
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=execution)
