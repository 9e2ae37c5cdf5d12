"""An account for the tests of the console: a function, queues with a dead letter, a bucket, a pipeline that waits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.emulator_endpoint import Emulator
from tests.support.functions import zipped
from tests.support.wait import eventually

HOSTILE = "<img src=x onerror=\"document.title='lost'\">"
SECRET = "hunter2-and-more"
HANDLER = f"""
def handler(event, context):
    print("reading", event["rows"], {HOSTILE!r}, "password={SECRET}")
    if event["rows"] == 13:
        raise ValueError("13 rows bring bad luck")
    return {{"rows": event["rows"], "place": {HOSTILE!r}}}
"""
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


@dataclass
class ConsoleAccount:
    """What was created, and how to start an execution of the pipeline."""

    emulator: Emulator
    queue_url: str
    dead_url: str

    def start(self, rows: int = 12, name: str = "nightly") -> str:
        """Return the ARN of a new execution. It waits for a callback, or fails with 13 rows."""
        arn: str = self.emulator.client("sagemaker").start_pipeline_execution(
            PipelineName="Geocode",
            PipelineExecutionDisplayName=name,
            PipelineParameters=[{"Name": "rows", "Value": str(rows)}],
        )["PipelineExecutionArn"]
        return arn

    def status(self, arn: str) -> str:
        status: str = self.emulator.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)[
            "PipelineExecutionStatus"
        ]
        return status

    def token(self, arn: str) -> str:
        """Wait until the callback has been sent, and return its token."""

        def sent() -> str:
            steps = self.emulator.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
            metadata = [step["Metadata"] for step in steps["PipelineExecutionSteps"]]
            return max((entry.get("Callback", {}).get("CallbackToken", "") for entry in metadata), default="")

        token: str = eventually(sent, what="the callback")
        return token


def fill_account(emulator: Emulator) -> ConsoleAccount:
    """Create everything, with a message that has become a dead letter and one that waits."""
    sqs, s3, iam = (emulator.client(name) for name in ("sqs", "s3", "iam"))
    role = iam.create_role(RoleName="console", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    dead_url = sqs.create_queue(QueueName="callbacks-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1"})
    queue_url = sqs.create_queue(QueueName="callbacks", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody=json.dumps({"place": HOSTILE, "token": SECRET}),
        MessageAttributes={"origin": {"DataType": "String", "StringValue": HOSTILE}},
    )
    sqs.receive_message(QueueUrl=queue_url, VisibilityTimeout=0)
    sqs.receive_message(QueueUrl=queue_url)
    emulator.client("lambda").create_function(
        FunctionName="count-rows",
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": zipped(app=HANDLER)},
        Environment={"Variables": {"API_KEY": SECRET, "STAGE": "night"}},
    )
    emulator.client("lambda").get_waiter("function_active_v2").wait(FunctionName="count-rows")
    s3.create_bucket(Bucket="console-data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="console-data", Key=f"in/{HOSTILE}.json", Body=json.dumps({"a": 1, "secret": SECRET}).encode())
    s3.put_object(Bucket="console-data", Key="in/points.csv", Body=b"Longitude,Latitude\n2.35,48.85\n")
    emulator.client("sagemaker").create_pipeline(
        PipelineName="Geocode", RoleArn=role, PipelineDefinition=json.dumps(_definition(queue_url))
    )
    return ConsoleAccount(emulator, queue_url, dead_url)


def _definition(queue_url: str) -> dict[str, Any]:
    function = "arn:aws:lambda:us-west-2:{}:function:count-rows".format(queue_url.split("/")[-2])
    rows = {"Get": "Steps.Count.OutputParameters['rows']"}
    return {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "rows", "Type": "Integer", "DefaultValue": 12}],
        "Steps": [
            {
                "Name": "Count",
                "Type": "Lambda",
                "FunctionArn": function,
                "Arguments": {"rows": {"Get": "Parameters.rows"}, "where": HOSTILE, "secret_key": SECRET},
                "OutputParameters": [
                    {"OutputName": "rows", "OutputType": "Integer"},
                    {"OutputName": "place", "OutputType": "String"},
                ],
            },
            {
                "Name": "Geocode",
                "Type": "Callback",
                "SqsQueueUrl": queue_url,
                "Arguments": {"rows": rows},
                "OutputParameters": [{"OutputName": "results", "OutputType": "String"}],
            },
            {
                "Name": "Publish",
                "Type": "Lambda",
                "FunctionArn": function,
                "Arguments": {"rows": rows, "results": {"Get": "Steps.Geocode.OutputParameters['results']"}},
            },
            {
                "Name": "Notify",
                "Type": "Lambda",
                "DependsOn": ["Geocode"],
                "FunctionArn": function,
                "Arguments": {"rows": 1},
            },
        ],
    }
