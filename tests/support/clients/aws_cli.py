"""The scenario with the AWS Command Line Interface: `aws_cli.py FOLDER AWS`, with the environment of an endpoint.

Version 1 ignores AWS_ENDPOINT_URL for SQS and would reach AWS itself. So each command has the option, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import scenario

FOLDER, AWS = Path(sys.argv[1]), sys.argv[2]


def aws(*arguments: str) -> Any:
    """Run a command and return its output, from JSON if it is that."""
    endpoint = ("--endpoint-url", os.environ["AWS_ENDPOINT_URL"])
    done = subprocess.run([AWS, "--output", "json", *endpoint, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
    return json.loads(done.stdout) if done.stdout.lstrip().startswith(("{", "[")) else done.stdout


def file(name: str, scheme: str = "file") -> str:
    return f"{scheme}://{FOLDER / name}"


def create() -> str:
    role = aws("iam", "create-role", "--role-name", scenario.ROLE, "--assume-role-policy-document", file("trust.json"))
    aws(
        "iam",
        "put-role-policy",
        "--role-name",
        scenario.ROLE,
        "--policy-name",
        "all",
        "--policy-document",
        file("policy.json"),
    )
    aws("s3", "mb", f"s3://{scenario.BUCKET}")
    visibility = f"VisibilityTimeout={scenario.VISIBILITY_SECONDS}"
    aws("sqs", "create-queue", "--queue-name", scenario.QUEUE, "--attributes", visibility)
    for name, runtime, handler, code in (
        (scenario.PYTHON, scenario.PYTHON_RUNTIME, scenario.PYTHON_HANDLER, "python.zip"),
        (scenario.NODE, scenario.NODE_RUNTIME, scenario.NODE_HANDLER, "node.zip"),
    ):
        aws(
            *("lambda", "create-function", "--function-name", name, "--runtime", runtime, "--handler", handler),
            *("--role", role["Role"]["Arn"], "--timeout", str(scenario.FUNCTION_SECONDS)),
            *("--zip-file", file(code, "fileb")),
        )
        aws("lambda", "wait", "function-active-v2", "--function-name", name)
    output = FOLDER / "invoked.json"
    aws("lambda", "invoke", "--function-name", scenario.NODE, "--payload", '{"name": "you"}', str(output))
    assert json.loads(output.read_text()) == {"greeting": f"Hello, you, from {scenario.NODE}"}
    mapping = aws(
        *("lambda", "create-event-source-mapping", "--function-name", scenario.PYTHON),
        *("--event-source-arn", scenario.QUEUE_ARN, "--batch-size", "1"),
    )
    aws(
        *("sagemaker", "create-pipeline", "--pipeline-name", scenario.PIPELINE, "--role-arn", role["Role"]["Arn"]),
        *("--pipeline-definition", file("definition.json")),
    )
    return mapping["UUID"]


def start(parameters: dict[str, str]) -> str:
    values = [f"Name={name},Value={value}" for name, value in parameters.items()]
    started = aws(
        *("sagemaker", "start-pipeline-execution", "--pipeline-name", scenario.PIPELINE),
        *("--pipeline-parameters", *values),
    )
    return started["PipelineExecutionArn"]


def status(execution: str) -> str:
    described = aws("sagemaker", "describe-pipeline-execution", "--pipeline-execution-arn", execution)
    return described["PipelineExecutionStatus"]


def steps(execution: str) -> list[dict[str, Any]]:
    listed = aws("sagemaker", "list-pipeline-execution-steps", "--pipeline-execution-arn", execution)
    return listed["PipelineExecutionSteps"]


def run() -> None:
    succeeding = start(scenario.SUCCESS)
    scenario.wait_for(lambda: status(succeeding), "Succeeded")
    scenario.check_outputs(steps(succeeding))
    events = aws("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{scenario.NODE}")["events"]
    assert any(event["message"].startswith("REPORT") for event in events), events

    failing = start(scenario.RETRY)
    scenario.wait_for(lambda: status(failing), "Failed")
    assert {step["StepName"]: step["StepStatus"] for step in steps(failing)} == {
        "Greet": "Succeeded",
        "Count": "Failed",
    }
    aws("s3", "cp", str(FOLDER / scenario.MARKER), f"s3://{scenario.BUCKET}/{scenario.MARKER}")
    aws("sagemaker", "retry-pipeline-execution", "--pipeline-execution-arn", failing)
    scenario.wait_for(lambda: status(failing), "Succeeded")
    scenario.check_outputs(steps(failing))

    waiting = start(scenario.STOP)
    scenario.wait_for(lambda: {s["StepName"]: s["StepStatus"] for s in steps(waiting)}.get("Wait", ""), "Executing")
    aws("sagemaker", "stop-pipeline-execution", "--pipeline-execution-arn", waiting)
    scenario.wait_for(lambda: status(waiting), "Stopped")


def delete(mapping: str) -> None:
    aws("sagemaker", "delete-pipeline", "--pipeline-name", scenario.PIPELINE)
    aws("lambda", "delete-event-source-mapping", "--uuid", mapping)
    for name in (scenario.PYTHON, scenario.NODE):
        aws("lambda", "delete-function", "--function-name", name)
        aws("logs", "delete-log-group", "--log-group-name", f"/aws/lambda/{name}")
    aws("sqs", "delete-queue", "--queue-url", aws("sqs", "get-queue-url", "--queue-name", scenario.QUEUE)["QueueUrl"])
    aws("s3", "rb", f"s3://{scenario.BUCKET}", "--force")
    aws("iam", "delete-role-policy", "--role-name", scenario.ROLE, "--policy-name", "all")
    aws("iam", "delete-role", "--role-name", scenario.ROLE)


if __name__ == "__main__":
    identity = aws("sts", "get-caller-identity")
    assert identity["Arn"] == f"arn:aws:iam::{scenario.ACCOUNT}:root", identity
    uuid = create()
    run()
    delete(uuid)
