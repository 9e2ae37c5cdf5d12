"""What every client carries through, and what it needs for that. Standard library only: clients import it, too.

The scenario: create a role, a bucket, a queue, a Python function with a mapping, a Node.js function and a pipeline. Let
an execution succeed with a callback that the function answers. Retry one that failed. Stop one whose callback is not
answered. Delete everything.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
REGION = "us-west-2"
ROLE = "client-role"
BUCKET = "client-bucket"
QUEUE = "client-queue"
PYTHON = "client-python"
NODE = "client-node"
PIPELINE = "client-pipeline"
MARKER = "marker.txt"
# SageMaker refuses an empty value of a parameter.
NOTHING = "nothing"

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"
PYTHON_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{PYTHON}"
NODE_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NODE}"
PYTHON_RUNTIME, PYTHON_HANDLER = "python3.12", "handler.handle"
NODE_RUNTIME, NODE_HANDLER = "nodejs20.x", "index.handle"
VISIBILITY_SECONDS = 30
FUNCTION_SECONDS = 20

CODE = Path(__file__).parent / "code"
# A busy machine may start a function slowly.
PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.2

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
_ACTIONS = [
    "lambda:InvokeFunction",
    "logs:*",
    "s3:*",
    "sagemaker:SendPipelineExecutionStepFailure",
    "sagemaker:SendPipelineExecutionStepSuccess",
    "sqs:*",
]
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": _ACTIONS, "Resource": "*"}]}

# What each execution is started with, and how it ends.
SUCCESS = {"Needs": NOTHING, "Hold": "no"}
RETRY = {"Needs": MARKER, "Hold": "no"}
STOP = {"Needs": NOTHING, "Hold": "yes"}


def definition(queue_url: str) -> dict[str, Any]:
    """The pipeline: a Node.js function, a Python function that uses its output, and a callback."""

    def text(name: str) -> dict[str, str]:
        return {"OutputName": name, "OutputType": "String"}

    return {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "Needs", "Type": "String", "DefaultValue": NOTHING},
            {"Name": "Hold", "Type": "String", "DefaultValue": "no"},
        ],
        "Steps": [
            {
                "Name": "Greet",
                "Type": "Lambda",
                "FunctionArn": NODE_ARN,
                "Arguments": {"name": "client"},
                "OutputParameters": [text("greeting")],
            },
            {
                "Name": "Count",
                "Type": "Lambda",
                "FunctionArn": PYTHON_ARN,
                "Arguments": {
                    "greeting": {"Get": "Steps.Greet.OutputParameters['greeting']"},
                    "needs": {"Get": "Parameters.Needs"},
                    "bucket": BUCKET,
                },
                "OutputParameters": [{"OutputName": "length", "OutputType": "Integer"}],
            },
            {
                "Name": "Wait",
                "Type": "Callback",
                "SqsQueueUrl": queue_url,
                "Arguments": {
                    "length": {"Get": "Steps.Count.OutputParameters['length']"},
                    "hold": {"Get": "Parameters.Hold"},
                },
                "OutputParameters": [text("answer")],
            },
        ],
    }


def write_inputs(folder: Path, endpoint: str) -> None:
    """Write the files that clients send: both zips, and the documents of role and pipeline."""
    for name, source in (("python.zip", "handler.py"), ("node.zip", "index.mjs")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(source, (CODE / source).read_text(encoding="utf-8"))
        (folder / name).write_bytes(buffer.getvalue())
    documents = {"trust": TRUST, "policy": POLICY, "definition": definition(queue_url(endpoint))}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / MARKER).write_text("now it is here\n", encoding="utf-8")


def queue_url(endpoint: str) -> str:
    return f"{endpoint}/{ACCOUNT}/{QUEUE}"


def wait_for(read: Callable[[], str], *wanted: str) -> str:
    """Return the status when it is one of those. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := read()) not in wanted:
        assert time.monotonic() < deadline, f"the status is still {status}, not {' or '.join(wanted)}"
        time.sleep(_POLL_SECONDS)
    return status


def check_outputs(steps: list[dict[str, Any]]) -> None:
    """Check the steps of an execution that succeeded, as ListPipelineExecutionSteps has them."""
    by_name = {step["StepName"]: step for step in steps}
    assert {name: step["StepStatus"] for name, step in by_name.items()} == dict.fromkeys(by_name, "Succeeded"), by_name
    found = {
        output["Name"]: str(output["Value"])
        for name, kind in (("Greet", "Lambda"), ("Count", "Lambda"), ("Wait", "Callback"))
        for output in by_name[name]["Metadata"][kind]["OutputParameters"]
    }
    assert found == outputs(), found


def outputs() -> dict[str, str]:
    """The outputs of all steps of an execution that succeeds, as text."""
    greeting = f"Hello, client, from {NODE}"
    return {"greeting": greeting, "length": str(len(greeting)), "answer": f"{len(greeting)} letters"}
