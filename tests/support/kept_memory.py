"""Prints how many bytes of memory an emulator takes for each thing that its account keeps.

    python -m tests.support.kept_memory KIND COUNT

It is a process of its own: what other tests have running in theirs would count too.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import tracemalloc
import uuid
from functools import partial

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator
from tests.support.kept_account import TRUST_OF_ALL
from tests.support.wait import eventually

REGION = "us-west-2"


def log_lines(endpoint: Emulator, name: str, count: int) -> None:
    logs, moment = endpoint.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    events = [{"timestamp": moment, "message": f"START RequestId: {uuid.uuid4()} of line {n}"} for n in range(count)]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)


def objects(endpoint: Emulator, name: str, count: int) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket=f"{name}-objects", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number in range(count):
        s3.put_object(Bucket=f"{name}-objects", Key=f"{number}", Body=os.urandom(20_000))


def executions(endpoint: Emulator, name: str, count: int) -> None:
    sagemaker = endpoint.client("sagemaker")
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": f"p{n}", "Type": "String", "DefaultValue": str(n)} for n in range(10)],
        "Steps": [{"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": "x" * 3000}}],
    }
    trust = json.dumps(TRUST_OF_ALL)
    role = endpoint.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=role)

    def has_failed(arn: str) -> bool:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        return bool(status == "Failed")

    for number in range(count):
        values = [{"Name": f"p{n}", "Value": f"{number:03}{n}" * 250} for n in range(10)]
        arn = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=values)["PipelineExecutionArn"]
        eventually(partial(has_failed, arn))


KINDS = {"log lines": log_lines, "objects": objects, "executions": executions}


def main(kind: str, count: str) -> None:
    """Make a few first: what the first calls import and make does not count."""
    with EmulatorServer(Settings(region=REGION)) as server:
        endpoint = Emulator(server, server.url)
        KINDS[kind](endpoint, "first", 3)
        gc.collect()
        tracemalloc.start()
        KINDS[kind](endpoint, "many", int(count))
        gc.collect()
        print(tracemalloc.get_traced_memory()[0] / int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
