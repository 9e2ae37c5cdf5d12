"""Pipelines with steps that only AWS can run: refused without an entry, and run with it, by every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import StartStanding, Workplace

pytestmark = pytest.mark.process

HANDLER = """
def handler(event, context):
    return {"rows": 5}
"""
ROLE = "arn:aws:iam::123456789012:role/anyone"
STEPS = """
emulator:
  steps:
    Prepare: {succeed: {}, property_files: {Report: evaluation.json}}
    Training: {fail: "no capacity", times: 1}
"""


def definition(**training: Any) -> dict[str, Any]:
    output = {"Std:Join": {"On": "/", "Values": ["s3:/", "team-data", {"Get": "Execution.PipelineExecutionId"}]}}
    mse = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": "mse.value"}}
    train = {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {"RoleArn": ROLE, "OutputDataConfig": {"S3OutputPath": output}},
        **training,
    }
    return {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "MaxError", "Type": "Float", "DefaultValue": 0.3}],
        "Steps": [
            {"Name": "Begin", "Type": "Lambda", "FunctionArn": "*FUNCTION_ARN*", "Arguments": {}},
            {
                "Name": "Prepare",
                "Type": "Processing",
                "DependsOn": ["Begin"],
                "Arguments": {
                    "RoleArn": ROLE,
                    "AppSpecification": {"ImageUri": "image"},
                    "ProcessingResources": {
                        "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
                    },
                    "ProcessingOutputConfig": {
                        "Outputs": [
                            {
                                "OutputName": "o",
                                "S3Output": {
                                    "S3Uri": output,
                                    "LocalPath": "/opt/ml/processing/o",
                                    "S3UploadMode": "EndOfJob",
                                },
                            }
                        ]
                    },
                },
                "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "o", "FilePath": "evaluation.json"}],
            },
            {
                "Name": "Decide",
                "Type": "Condition",
                "Arguments": {
                    "Conditions": [
                        {"Type": "LessThan", "LeftValue": mse, "RightValue": {"Get": "Parameters.MaxError"}}
                    ],
                    "IfSteps": [train],
                    "ElseSteps": [{"Name": "Bad", "Type": "Fail", "Arguments": {"ErrorMessage": "too large"}}],
                },
            },
        ],
    }


def write(folder: Path, steps: str = "", endpoint: str = "null", error: float = 0.2, **training: Any) -> Path:
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code/app.py").write_text(HANDLER)
    (folder / "input.csv").write_text("Longitude,Latitude\n1,2\n")
    (folder / "evaluation.json").write_text(json.dumps({"mse": {"value": error}}))
    (folder / "pipeline.json").write_text(json.dumps(definition(**training)))
    path = folder / "config.yaml"
    path.write_text(
        f"""
deployment: offline-steps
target: local
endpoint: {endpoint}
region: us-west-2
account_id: "123456789012"
bucket: {{name: offline-steps}}
function: {{name: OfflineSteps, source: code, handler: app.handler}}
pipeline: {{name: offline-steps, template: pipeline.json}}
job: {{kind: custom}}
input: {{source: input.csv}}
execution: {{poll_interval: 0.1}}
cleanup: none
{steps}"""
    )
    return path


RETRY = [{"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 1, "MaxAttempts": 2}]


def test_a_step_without_an_entry_is_refused_by_every_command(workplace: Workplace) -> None:
    config = write(workplace.folder)
    for command in ("validate", "plan", "run"):
        done = workplace.geopipe(command, config, *(["--non-interactive"] if command == "run" else []))
        text = done.stdout + done.stderr
        assert done.returncode == 2, text
        assert "step Train is a Training step, which only AWS can run" in text
        assert "      Prepare: {succeed: {}, property_files: {Report: evaluation.json}}\n" in text
        assert "Creat" not in text


@pytest.mark.parametrize(("error", "code", "shown"), [(0.2, 0, "Succeeded"), (0.4, 3, "too large")])
def test_the_entries_decide_which_branch_runs(workplace: Workplace, error: float, code: int, shown: str) -> None:
    config = write(workplace.folder, STEPS, error=error, RetryPolicies=RETRY)
    done = workplace.geopipe("run", config, "--non-interactive")
    assert done.returncode == code, done.stdout + done.stderr
    assert shown in done.stdout + done.stderr


def test_a_standing_emulator_has_its_own_entries(workplace: Workplace, start_standing: StartStanding) -> None:
    (workplace.folder / "steps.yaml").write_text("Prepare: {succeed: {}, property_files: {Report: evaluation.json}}\n")
    standing = start_standing("--iam", "off", "--steps", str(workplace.folder / "steps.yaml"))
    config = write(workplace.folder, endpoint=standing.url)
    done = workplace.geopipe("run", config, "--non-interactive")
    text = done.stdout + done.stderr
    assert done.returncode == 2, text
    assert "(--steps FILE), and start it again:\n  Train: {succeed: {}}" in text and "step Prepare" not in text
    assert standing.mutating_calls() == {}

    (workplace.folder / "steps.yaml").write_text(
        "Prepare: {succeed: {}, property_files: {Report: evaluation.json}}\nTraining: {succeed: {}}\n"
    )
    again = start_standing("--iam", "off", "--steps", str(workplace.folder / "steps.yaml"))
    config = write(workplace.folder, endpoint=again.url)
    done = workplace.geopipe("run", config, "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = again.client("sagemaker").list_pipeline_executions(PipelineName="offline-steps")
    arn = steps["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]
    rows = again.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
    listed = {row["StepName"]: row.get("Metadata") for row in rows["PipelineExecutionSteps"]}
    assert list(listed) == ["Begin", "Prepare", "Decide", "Train"]
    assert listed["Train"]["TrainingJob"]["Arn"].split(":")[5].startswith("training-job/pipelines-")
    assert listed["Decide"] == {"Condition": {"Outcome": "True"}}
