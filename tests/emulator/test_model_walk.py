"""Every operation of the services that pipelines use, by botocore's models: done, refused or 501, and never a 500."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import Shape

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import zipped

ACCOUNT = "200000000079"
SERVICES = [
    "events",
    "geo-places",
    "iam",
    "lambda",
    "logs",
    "resourcegroupstaggingapi",
    "s3",
    "sagemaker",
    "sagemaker-geospatial",
    "scheduler",
    "sns",
    "sqs",
    "sts",
]
DEEPEST = 5
# These end what the other operations are about, so they come last.
ENDING = ("Delete", "Detach", "Remove", "Untag", "Stop")
# An endpoint of EventBridge needs a signature for which botocore needs another package.
NOT_SENT = {"EndpointId"}


@pytest.fixture(scope="module")
def emulator(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT), default_services())


@pytest.fixture(scope="module")
def existing(emulator: Emulator) -> dict[str, str]:
    """One resource of each usual type: the values of members of requests, by their name in lower case."""
    principals = ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]
    statement = {"Effect": "Allow", "Principal": {"Service": principals}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam, s3, sqs, logs = (emulator.client(name) for name in ("iam", "s3", "sqs", "logs"))
    role = iam.create_role(RoleName="walked", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.create_user(UserName="walked")
    s3.create_bucket(Bucket="walked-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="walked-bucket", Key="walked", Body=b"{}")
    queue = sqs.create_queue(QueueName="walked")["QueueUrl"]
    logs.create_log_group(logGroupName="walked")
    logs.create_log_stream(logGroupName="walked", logStreamName="walked")
    function = emulator.client("lambda").create_function(
        FunctionName="walked",
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": zipped(app="def handler(event, context):\n    return event\n")},
    )["FunctionArn"]
    sagemaker = emulator.client("sagemaker")
    step = {"Name": "one", "Type": "Lambda", "FunctionArn": function}
    pipeline = sagemaker.create_pipeline(
        PipelineName="walked",
        RoleArn=role,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [step]}),
    )["PipelineArn"]
    execution = sagemaker.start_pipeline_execution(PipelineName="walked")["PipelineExecutionArn"]
    return {
        **dict.fromkeys(("functionname", "pipelinename", "queuename", "rolename", "username"), "walked"),
        **dict.fromkeys(("loggroupname", "logstreamname", "key"), "walked"),
        **dict.fromkeys(("rolearn", "executionrolearn", "role"), role),
        "bucket": "walked-bucket",
        "queueurl": queue,
        "pipelinearn": pipeline,
        "pipelineexecutionarn": execution,
        "resourcearn": pipeline,
        "resource": function,
    }


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_fails(emulator: Emulator, existing: dict[str, str], service: str) -> None:
    client = emulator.session.client(
        service,
        region_name="us-west-2",
        endpoint_url=emulator.url,
        aws_access_key_id="AKIAWALK",
        aws_secret_access_key="secret",
        config=Config(
            retries={"total_max_attempts": 1},
            proxies={},
            inject_host_prefix=False,
            parameter_validation=False,
            s3={"addressing_style": "path"},
        ),
    )
    names = sorted(client.meta.service_model.operation_names, key=lambda name: (name.startswith(ENDING), name))
    offenders = []
    for name in names:
        shape = client.meta.service_model.operation_model(name).input_shape
        for is_complete in (False, True):
            request = value_of(shape, "", existing, is_complete) if shape else {}
            status, problem = response_to(getattr(client, botocore.xform_name(name)), request)
            if not (200 <= status < 500 or status == 501):
                offenders.append(f"{name} with {'all' if is_complete else 'required'} members: {status} {problem}")
    assert not offenders, "\n".join(offenders)


def response_to(call: Any, request: dict[str, Any]) -> tuple[int, str]:
    """The status of the response and its error; the status is 0 if the client cannot read it."""
    try:
        return int(call(**request)["ResponseMetadata"]["HTTPStatusCode"]), ""
    except ClientError as error:
        return int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0)), str(error)
    except BotoCoreError as error:
        return 0, repr(error)


def value_of(shape: Shape, name: str, values: Mapping[str, str], is_complete: bool, depth: int = 0) -> Any:
    """A value for a member called `name`, with all of its members or only the required ones."""
    everything, limits = is_complete and depth < DEEPEST, shape.metadata
    match shape.type_name:
        case "structure":
            members = [
                member
                for member in shape.members
                if member not in NOT_SENT and (everything or member in shape.required_members)
            ]
            if getattr(shape, "is_tagged_union", False):
                members = list(shape.members)[:1]
            return {m: value_of(shape.members[m], m, values, is_complete, depth + 1) for m in members}
        case "list":
            count = max(limits.get("min", 0), int(everything))
            return [value_of(shape.member, name, values, is_complete, depth + 1) for _ in range(count)]
        case "map":
            key = value_of(shape.key, "key", {}, is_complete, depth + 1)
            return {key: value_of(shape.value, "value", values, is_complete, depth + 1)} if everything else {}
        case "string":
            unknown = f"arn:aws:iam::{ACCOUNT}:role/none" if name.lower().endswith("arn") else "x"
            text = values.get(name.lower()) or (shape.enum or [unknown])[0]
            return text.ljust(limits.get("min", 1), "x")
        case "integer" | "long":
            return limits.get("min", 1) or 1
        case "float" | "double":
            return float(limits.get("min", 1) or 1)
        case "boolean":
            return True
        case "timestamp":
            return int(time.time())
        case "blob":
            return b"{}"
    raise AssertionError(f"{name} has an unknown type: {shape.type_name}")
