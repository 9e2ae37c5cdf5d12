"""A function that is a container image runs offline with the code that stands in for it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.support.definition_mutations import definition
from tests.support.e2e import ACCOUNT, StartStanding, Workplace

STEP = {
    "Name": "greet",
    "Type": "Lambda",
    "FunctionArn": "*FUNCTION_ARN*",
    "Arguments": {"name": "Ada"},
    "OutputParameters": [{"OutputName": "greeting", "OutputType": "String"}],
}
CODE = "def greet(event, context):\n    return {'greeting': f'hello {event[\"name\"]}'}\n"


def test_code_stands_in_for_an_image(workplace: Workplace, start_standing: StartStanding, tmp_path: Path) -> None:
    standing = start_standing()
    (tmp_path / "offline").mkdir()
    (tmp_path / "offline/app.py").write_text(CODE)
    (tmp_path / "pipeline.json").write_text(json.dumps(definition(STEP)))
    settings = {
        "deployment": "pictures",
        "target": "local",
        "endpoint": standing.url,
        "region": "us-west-2",
        "account_id": ACCOUNT,
        "iam": {"propagation_timeout": 0},
        "function": {"image_uri": f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/steps:1"},
        "pipeline": {"name": "pictures", "template": "pipeline.json"},
        "job": {"kind": "custom"},
        "execution": {"poll_interval": 0.2},
        "cleanup": "none",
        "emulator": {"functions": {"function": {"source": "offline", "handler": "app.greet"}}},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    done = workplace.geopipe(path, "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    sagemaker = standing.client("sagemaker")
    (execution,) = sagemaker.list_pipeline_executions(PipelineName="pictures")["PipelineExecutionSummaries"]
    arn = execution["PipelineExecutionArn"]
    (step,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    assert step["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "greeting", "Value": "hello Ada"}]
    again = workplace.geopipe("plan", path, "--non-interactive", "--detailed-exitcode")
    assert again.returncode == 0, again.stdout
