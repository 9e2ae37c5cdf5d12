"""The example of a whole pipeline does what its README says: both branches, and the refusal without its entries."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.e2e import StartStanding, Workplace
from tests.support.paths import ROOT
from tests.support.small_wheels import pip_with_only, write_wheel

EXAMPLE = ROOT / "docs/examples/whole_pipeline"
HUMANIZE = "def intcomma(value): return f'{int(value):,}'\n"


@pytest.fixture
def pip_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip has a wheel for the example, and no index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name, version = (EXAMPLE / "announce/requirements.txt").read_text().strip().split("==")
    write_wheel(folder, name, version=version, text=HUMANIZE)
    return pip_with_only(folder, tmp_path / "cache")


def settings(**parameters: Any) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    for function in given["functions"].values():
        function["source"] = str(EXAMPLE / function["source"])
    given["functions"]["announce"]["requirements"] = str(EXAMPLE / "announce/requirements.txt")
    given["pipeline"]["template"] = str(EXAMPLE / "pipeline.json.j2")
    given["pipeline"]["parameters"] |= parameters
    given["input"]["source"] = str(EXAMPLE / "trips.csv")
    prepare = given["emulator"]["steps"]["prepare"]
    prepare |= {"source": str(EXAMPLE / "steps"), "inputs": {"code": str(EXAMPLE / "steps/prepare.py")}}
    return given


def write(workplace: Workplace, given: dict[str, Any]) -> Path:
    path = workplace.folder / "config.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    return path


def test_the_model_is_registered(
    workplace: Workplace, start_standing: StartStanding, pip_environment: dict[str, str]
) -> None:
    given = settings() | {"region": "us-west-2"}
    (workplace.folder / "steps.json").write_text(json.dumps(given.pop("emulator")["steps"]))
    standing = start_standing("--iam", "off", "--steps", str(workplace.folder / "steps.json"))
    path = write(workplace, given | {"endpoint": standing.url})
    done = workplace.geopipe("run", path, "--non-interactive", "--cleanup=none", env=pip_environment)
    assert done.returncode == 0, done.stdout + done.stderr

    sagemaker = standing.client("sagemaker")
    (execution,) = sagemaker.list_pipeline_executions(PipelineName="trips-pipeline")["PipelineExecutionSummaries"]
    listed = sagemaker.list_pipeline_execution_steps(
        PipelineExecutionArn=execution["PipelineExecutionArn"], SortOrder="Ascending"
    )["PipelineExecutionSteps"]
    steps = {step["StepName"]: step["Metadata"] for step in listed}
    assert list(steps) == ["inspect", "prepare", "enough-data", "train", "review", "register", "announce"]
    assert steps["register"]["RegisterModel"]["Arn"].endswith(":model-package/trips/1")
    outputs = {entry["Name"]: entry["Value"] for entry in steps["announce"]["Lambda"]["OutputParameters"]}
    rows = list(csv.DictReader((EXAMPLE / "trips.csv").open()))
    assert outputs == {"message": f"version 1 from {len(rows)} trips: Approved"}

    s3 = standing.client("s3")
    bucket = given["bucket"]["name"].replace("${account_id}", given["account_id"]).replace("${region}", given["region"])
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix="output/")["Contents"]]
    assert [key.split("/", 2)[2] for key in keys] == ["quality/quality.json", "test/test.csv", "train/train.csv"]
    quality = json.loads(s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read())
    usable = [row for row in rows if row["minutes"] and row["km"] != "unknown"]
    assert quality["rows"] == {"all": len(rows), "usable": len(usable), "usable_share": len(usable) / len(rows)}
    logs = standing.client("logs").filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs")
    assert [event["message"].split(":")[0] for event in logs["events"]] == [
        f"{len(usable)} of {len(rows)} trips are usable"
    ]


def test_the_other_branch_fails_in_one_command(workplace: Workplace, pip_environment: dict[str, str]) -> None:
    path = write(workplace, settings(minimum_share=0.99))
    done = workplace.geopipe("run", path, "--non-interactive", env=pip_environment)
    text = done.stdout + done.stderr
    assert done.returncode == 3, text
    assert "Step too-little-data failed: Less than 0.99 of the rows are usable." in text


def test_without_entries_the_lines_to_add_are_shown(workplace: Workplace) -> None:
    given = settings()
    del given["emulator"]
    done = workplace.geopipe("run", write(workplace, given), "--non-interactive")
    assert done.returncode == 2
    assert (
        "Add:\n"
        "  emulator:\n"
        "    steps:\n"
        "      prepare: {succeed: {}, property_files: {Quality: quality.json}}\n"
        "      train: {succeed: {}}\n"
        "      register: {succeed: {}}\n"
    ) in done.stderr
