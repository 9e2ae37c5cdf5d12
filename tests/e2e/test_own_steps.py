"""The example with its own steps does what its README says, and its callback keeps the contract."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.paths import ROOT
from tests.support.wait import eventually

EXAMPLE = ROOT / "docs/examples/own_steps"
BUCKET = "own-steps-123456789012-us-west-2"
PIPELINE, FUNCTION = "own-steps", "OwnSteps"
SOURCES = [str(EXAMPLE / "lambda"), *(str(ROOT / "lambda" / name) for name in ("callbacks.py", "aws.py", "log.py"))]
ENFORCED = ("--iam", "enforce")


def example(workplace: Workplace, standing: Standing, **changes: Any) -> Path:
    """Returns the example's configuration for a standing emulator, with `changes` over its sections."""
    settings = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    settings |= {"endpoint": standing.url, "region": "us-west-2", "cleanup": "ask"}
    settings["function"]["source"] = SOURCES
    settings["pipeline"]["template"] = str(EXAMPLE / "pipeline.json.j2")
    settings["input"]["source"] = str(EXAMPLE / "deliveries.csv")
    for section, value in changes.items():
        settings[section] = settings.get(section, {}) | value
    path = workplace.folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def parameters(**changes: Any) -> dict[str, Any]:
    given = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))["pipeline"]["parameters"]
    return {"parameters": given | changes}


ENDLESS = {
    "pipeline": parameters(parameter_rows_per_part=1),
    "function": yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))["function"]
    | {"source": SOURCES, "environment": {"PARTS_PER_DELIVERY": "1"}},
}
"""A row per delivery: in real queue time, more than two minutes."""


def in_space(longitude: float, latitude: float) -> tuple[float, float, float]:
    east, north = math.radians(longitude), math.radians(latitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def great_circle_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Returns the distance by the angle between two vectors, unlike the example."""
    (a, b, c), (x, y, z) = in_space(*one), in_space(*other)
    across = math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    return 6371.0088 * math.atan2(across, a * x + b * y + c * z)


def expected_results() -> list[list[str]]:
    sites = {row[0]: (float(row[1]), float(row[2])) for row in table(EXAMPLE / "lambda/sites.csv")[1:]}
    rows = []
    for row in table(EXAMPLE / "deliveries.csv")[1:]:
        numbers = [float(cell) if re.fullmatch(r"-?[0-9.]+", cell) else math.inf for cell in row[3:]]
        if abs(numbers[0]) > 180 or abs(numbers[1]) > 90:
            rows.append([*row, "", "", "no position"])
            continue
        away = {name: great_circle_km((numbers[0], numbers[1]), site) for name, site in sites.items()}
        nearest = min(away, key=lambda name: away[name])
        km = round(away[nearest], 1)
        rows.append([*row, nearest, str(km), "assigned" if km <= 250 else "too far"])
    return rows


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def log_lines(standing: Standing) -> list[str]:
    pages = standing.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{FUNCTION}")
    return [event["message"] for page in pages for event in page["events"]]


def logged(standing: Standing) -> list[dict[str, Any]]:
    """Returns the lines that the function itself has logged."""
    return [json.loads(line) for line in log_lines(standing) if line.startswith('{"level"')]


def outcomes(standing: Standing) -> Counter[str]:
    return Counter(line["outcome"] for line in logged(standing) if line["message"] == "callback")


def test_the_readme_says_how_to_run_it(workplace: Workplace) -> None:
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    program, *arguments = shlex.split(blocks[0])
    assert program == ".venv/bin/python"
    out = workplace.folder / "out"
    done = subprocess.run(
        [sys.executable, *arguments, "--output-dir", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    for line in filter(None, blocks[1].splitlines()):
        assert line in done.stdout.splitlines()
    assert table(out / "results.csv")[1:] == expected_results()
    points = [feature["geometry"] for feature in json.loads((out / "results.geojson").read_text("utf-8"))["features"]]
    assert [point is None for point in points] == [row[-1] == "no position" for row in expected_results()]


def test_messages_delivered_twice_give_the_same_results(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing(*ENFORCED, "--duplicate-deliveries", "1")
    config = example(workplace, standing)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=none", "--output-dir", "out")
    assert done.returncode == 0, done.stderr
    expected = expected_results()
    assert table(workplace.folder / "out/results.csv")[1:] == expected
    s3 = standing.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="output/")["Contents"]]
    summary = json.load(s3.get_object(Bucket=BUCKET, Key=next(k for k in keys if k.endswith("summary.json")))["Body"])
    assigned = Counter(row[-3] for row in expected if row[-1] == "assigned")
    assert summary["deliveries_per_site"] == assigned and summary["rows"] == len(expected)
    assert summary["statuses"] == Counter(row[-1] for row in expected)
    # 120 rows, 20 to a part, two parts to a delivery: the first two deliveries of three are not the last.
    eventually(lambda: outcomes(standing)["still running"] >= 2 and outcomes(standing)["success"] >= 1)
    assert workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def test_the_other_branch_fails_with_its_own_message(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing(*ENFORCED)
    usable = sum(row[-1] != "no position" for row in expected_results())
    config = example(workplace, standing, pipeline=parameters(parameter_minimum_points=usable + 1))
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    wanted = f"Only {usable} of 120 rows have a usable position; parameter_minimum_points asks for {usable + 1}."
    assert "too-few-points" in done.stderr and wanted in done.stderr
    assert standing.inventory() == {}


def without(action: str) -> dict[str, Any]:
    function = dict(ENDLESS["function"], environment={})
    left = [statement for statement in function["policy_statements"] if statement["Action"] != action]
    assert len(left) == len(function["policy_statements"]) - 1
    return function | {"policy_statements": left}


@pytest.mark.parametrize(
    ("action", "step"), [("s3:GetObject", "inspect"), ("s3:PutObject", "assign"), ("s3:ListBucket", "assign")]
)
def test_every_permission_it_asks_for_is_needed(
    workplace: Workplace, start_standing: StartStanding, action: str, step: str
) -> None:
    """A step that is denied something fails; a callback that is denied something waits, up to its deadline."""
    standing = start_standing(*ENFORCED)
    config = example(workplace, standing, function=without(action), execution={"callback_deadline": 1})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert done.returncode == 3
    assert step in done.stderr
    text = done.stderr + json.dumps(eventually(lambda: logged(standing)) if step == "assign" else [])
    assert "AccessDenied" in text and action in text


def test_too_many_deliveries_end_in_the_dead_letter_queue_and_are_answered(
    workplace: Workplace, start_standing: StartStanding
) -> None:
    standing = start_standing(*ENFORCED)
    config = example(workplace, standing, **ENDLESS, queue={"max_receive_count": 2})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "The callback could not be answered and reached the dead-letter queue" in done.stderr
    assert standing.inventory() == {}


def begin(workplace: Workplace, standing: Standing) -> tuple[Path, str]:
    """Start an execution that takes minutes; return when it has done some parts, with no process following it."""
    config = example(workplace, standing, **ENDLESS)
    following = workplace.start(config, "--non-interactive", "--cleanup=none")
    eventually(lambda: FUNCTION in standing.inventory().get("functions", []) and logged(standing))
    following.kill()
    following.communicate(timeout=90)
    sagemaker = standing.client("sagemaker")
    (found,) = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    return config, found["PipelineExecutionArn"]


def callback_step(standing: Standing, arn: str) -> dict[str, Any]:
    steps = standing.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
    return next(step for step in steps["PipelineExecutionSteps"] if step["StepName"] == "assign")


def test_a_stopped_execution_is_answered_by_the_function(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing(*ENFORCED, "--time-scale", "1")
    config, arn = begin(workplace, standing)
    standing.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)
    eventually(lambda: callback_step(standing, arn)["StepStatus"] == "Stopped")
    eventually(
        lambda: any(line.get("reason") == "The pipeline execution is being stopped" for line in logged(standing))
    )
    # The message that was doing the work is acknowledged as well, with most of the work not done.
    eventually(
        lambda: any(line["message"] == "the callback is unknown or already answered" for line in logged(standing))
    )
    token = callback_step(standing, arn)["Metadata"]["Callback"]["CallbackToken"]
    assert not any(token in line for line in log_lines(standing))
    listed = standing.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="output/")["Contents"]
    assert 1 <= sum(item["Key"].endswith(".json") for item in listed) < 119
    assert workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def test_a_deleted_input_fails_the_callback(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing(*ENFORCED, "--time-scale", "1")
    _, arn = begin(workplace, standing)
    standing.client("s3").delete_object(Bucket=BUCKET, Key="input/deliveries.csv")
    eventually(lambda: callback_step(standing, arn)["StepStatus"] == "Failed")
    reason = callback_step(standing, arn)["FailureReason"]
    assert "deliveries.csv cannot be read" in reason and "NoSuchKey" in reason


def test_messages_that_are_no_callbacks_leave_the_queue(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing(*ENFORCED)
    config = example(workplace, standing)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    sqs = standing.client("sqs")
    queue = sqs.get_queue_url(QueueName="own-steps-queue")["QueueUrl"]
    junk = ["{", "7", "{}", '{"token": "ofNobody00"}', '{"token": "no token"}', '{"token": 7, "status": null}']
    for body in junk:
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty() -> bool:
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=counts)["Attributes"]
        return all(found[name] == "0" for name in counts)

    eventually(is_empty)
    expected = {
        "malformed message": 6,
        "the callback is unknown or already answered": 1,
        "the callback cannot be answered": 1,
    }
    eventually(lambda: Counter(line["message"] for line in logged(standing) if line["level"] != "INFO") == expected)


def test_a_pipeline_without_results_succeeds(workplace: Workplace, standing: Standing) -> None:
    code = workplace.folder / "code"
    code.mkdir()
    (code / "handler.py").write_text("def lambda_handler(event, context):\n    return {}\n")
    step = {"Name": "only", "Type": "Lambda", "FunctionArn": "*FUNCTION_ARN*"}
    template = workplace.folder / "pipeline.json"
    template.write_text(json.dumps({"Version": "2020-12-01", "Steps": [step]}))
    config = workplace.config(
        endpoint=standing.url,
        job={"kind": "custom"},
        function={"source": str(code)},
        pipeline={"template": str(template)},
    )
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", "out")
    assert done.returncode == 0, done.stderr
    assert "steps of your own" in done.stdout and "reverse geocode" not in done.stdout
    assert "There is no CSV file below s3://" in done.stdout and "rows" not in done.stdout
    assert standing.inventory() == {}
