"""Several functions and queues: the example runs, and each function has its own code, queue and log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import Standing, Workplace
from tests.support.several_functions import several_functions
from tests.support.small_wheels import pip_with_only, write_wheel
from tests.support.wait import eventually

WITH_A_PACKAGE = """import print_line

def lambda_handler(event, context):
    print("package", print_line.TAG)
    return {"order": f"order over {event['amount']}"}
"""


@pytest.fixture
def pip_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip has one wheel, and no index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "print_line")
    return pip_with_only(folder, tmp_path / "cache")


def outputs(standing: Standing) -> dict[str, dict[str, str]]:
    """The output parameters of the newest execution, by step."""
    sagemaker = standing.client("sagemaker")
    found = sagemaker.list_pipeline_executions(PipelineName="orders-pipeline")["PipelineExecutionSummaries"][0]
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=found["PipelineExecutionArn"])
    return {
        step["StepName"]: {entry["Name"]: entry["Value"] for entry in metadata.get("OutputParameters", [])}
        for step in steps["PipelineExecutionSteps"]
        for metadata in step["Metadata"].values()
    }


def test_each_function_has_its_code_its_queue_and_its_plan(
    workplace: Workplace, standing: Standing, pip_environment: dict[str, str]
) -> None:
    code = workplace.folder / "prepare"
    code.mkdir()
    (code / "handler.py").write_text(WITH_A_PACKAGE)
    (workplace.folder / "packages.txt").write_text("print_line\n")
    packed = {"prepare": {"source": str(code), "requirements": "packages.txt"}}
    config = several_functions(workplace, standing, functions=packed)

    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none", env=pip_environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs(standing) == {
        "prepare": {"order": "order over 42"},
        "approve": {"approved_by": "orders-approve"},
        "ship": {"parcel": "parcel with the order over 42"},
        "delivered": {"place": "parcel with the order over 42 is at the door"},
    }
    lines = {"package py3-none-any", "order over 42 was approved by orders-approve"}
    eventually(lambda: lines <= set(workplace.geopipe("logs", config).stdout.splitlines()))

    # Each function consumes its own queue only, and has no variables of another.
    client = standing.client("lambda")
    variables = {
        name: client.get_function_configuration(FunctionName=f"orders-{name}")["Environment"]["Variables"]
        for name in ("prepare", "approve", "ship")
    }
    assert variables["prepare"] == {}
    assert variables["approve"]["QUEUE_URL"].endswith("/orders-approvals")
    assert variables["ship"]["DEAD_LETTER_QUEUE_URL"].endswith("/orders-deliveries-dlq")
    mappings = {
        (mapping["EventSourceArn"].rsplit(":", 1)[1], mapping["FunctionArn"].rsplit(":", 1)[1])
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]
    }
    assert mappings == {
        ("orders-approvals", "orders-approve"),
        ("orders-approvals-dlq", "orders-approve"),
        ("orders-deliveries", "orders-ship"),
        ("orders-deliveries-dlq", "orders-ship"),
    }

    # What differs is found at the resource that differs.
    client.update_function_configuration(FunctionName="orders-ship", Timeout=11)
    url = standing.client("sqs").get_queue_url(QueueName="orders-approvals")["QueueUrl"]
    standing.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "200"})
    planned = workplace.geopipe("plan", config, "--output", "json", env=pip_environment)
    plan: dict[str, Any] = next(
        event["plan"] for line in planned.stdout.splitlines() if (event := json.loads(line))["event"] == "planned"
    )
    changes = {step["key"]: step["changes"] for step in plan["steps"] if step["action"] != "keep"}
    assert changes == {
        "function.ship": [{"path": "timeout", "old": 11, "new": 10}],
        "queue.approvals": [{"path": "visibility_timeout", "old": 200, "new": 180}],
    }

    asked = workplace.geopipe("cleanup", config, "--cleanup=ask", answers="n\n" * 6)
    assert "Delete Lambda function orders-prepare, Lambda function orders-approve, Lambda function orders-ship?" in (
        asked.stdout
    )
    cleaned = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all")
    assert cleaned.returncode == 0, cleaned.stderr
    assert standing.inventory() == {}
