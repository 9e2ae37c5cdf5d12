"""`init` writes a pipeline that works, and never changes a file that exists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geopipe_runner import config
from geopipe_runner.cli.main import main
from geopipe_runner.errors import AwsError, UsageError
from geopipe_runner.pipeline.structure_checks import every_step
from geopipe_runner.starter import example_files, files_for_definition, write_files
from tests.support.definition_mutations import SDK_DEFINITIONS, condition_step, definition, lambda_step

CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
OUTPUT = {"S3Uri": "s3://some-bucket/x", "LocalPath": "/opt/ml/processing/x", "S3UploadMode": "EndOfJob"}
RUN_OFFLINE = {"Lambda", "Callback", "Condition", "Fail"}


def test_the_files_are_a_valid_configuration_with_the_folders_name(tmp_path: Path) -> None:
    folder = tmp_path / "Order Totals_2"
    paths = write_starter(folder, None)
    assert {path.name for path in paths} >= {"config.yaml", "pipeline.json.j2", "job.py", "callbacks.py", "test_job.py"}
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(paths)
    loaded = config.load(folder / "config.yaml")
    assert (loaded.deployment, loaded.pipeline.name) == ("order-totals-2", "order-totals-2")
    assert not any("my-pipeline" in path.read_text() for path in paths)


def write_starter(folder: Path, name: str | None) -> tuple[Path, ...]:
    return write_files(folder, example_files(folder, name))


@pytest.mark.parametrize("name", ["", "UPPER", "1st", "a", "a" * 31, "with space", "end-", "\x1b[31m", "ä"])
def test_a_name_that_names_nothing_on_aws_is_refused(name: str, tmp_path: Path) -> None:
    if not name:
        write_starter(tmp_path / "ÄÖ", None)  # no usable name in it: the example's own
        assert config.load(tmp_path / "ÄÖ/config.yaml").deployment == "my-pipeline"
        return
    with pytest.raises(UsageError, match="cannot be the name"):
        write_starter(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("existing", ["config.yaml", "code/job.py", "code/log.py", "tests/test_job.py"])
def test_nothing_is_written_where_a_file_exists(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).parent.mkdir(exist_ok=True)
    (tmp_path / existing).symlink_to("nowhere")
    with pytest.raises(UsageError, match=existing):
        write_starter(tmp_path, "orders")
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [tmp_path / existing]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "code").write_text("a file in the way")
    with pytest.raises((AwsError, UsageError), match=str(tmp_path / "code")):
        write_starter(tmp_path, "orders")


def write_for(content: object, folder: Path, name: str | None = None) -> Path:
    """Writes what a definition needs, and returns the configuration."""
    source = folder / "exported.json"
    source.write_text(content if isinstance(content, str) else json.dumps(content))
    write_files(folder / "new", files_for_definition(source, name))
    return folder / "new/config.yaml"


@pytest.mark.parametrize("source", SDK_DEFINITIONS, ids=lambda path: path.stem)
def test_what_the_sdk_writes_becomes_a_valid_configuration(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_for(source.read_text(), tmp_path)
    assert main(["validate", str(path)]) == 0, capsys.readouterr().err
    steps = every_step(json.loads(source.read_text())["Steps"])
    needy = {step["Name"] for _, step in steps if step["Type"] not in RUN_OFFLINE}
    assert set(config.load(path).emulator.steps) == needy


def test_a_described_pipeline_gives_its_name_place_functions_and_queues(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/Label_Queue"
    steps = [
        lambda_step(
            "one", FunctionArn=f"{arn}prepare:prod", OutputParameters=[{"OutputName": "rows", "OutputType": "Integer"}]
        ),
        lambda_step("two", FunctionArn=f"{arn}prepare"),
        lambda_step("three", FunctionArn=f"{arn}publish"),
        {"Name": "wait", "Type": "Callback", "SqsQueueUrl": url, "Arguments": {}, "OutputParameters": []},
    ]
    described = {
        "PipelineName": "Monthly-Report",
        "PipelineArn": "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/Monthly-Report",
        "PipelineDefinition": json.dumps(definition(*steps)),
    }
    path = write_for(described, tmp_path)
    made = config.load(path)
    assert (made.deployment, made.pipeline.name) == ("monthly-report", "Monthly-Report")
    assert (made.region, made.account_id) == ("eu-west-1", "111122223333")
    assert {key: function.name for key, function in made.every_function.items() if function.queue is None} == {
        "prepare": "prepare",
        "publish": "publish",
    }
    assert {key: queue.name for key, queue in made.every_queue.items()} == {"label_queue": "Label_Queue"}
    code = (path.parent / "functions/prepare/handler.py").read_text()
    made_by: dict[str, object] = {}
    exec(code, made_by)
    assert made_by["OUTPUTS"] == {"rows": 1, "a": "text"}


def test_conditions_are_met_by_the_values_of_stand_ins(tmp_path: Path) -> None:
    read = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"}, "Path": "m[1].error"}}
    compared = {"Type": "LessThan", "LeftValue": read, "RightValue": {"Get": "Parameters.limit"}}
    arguments = {
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "AppSpecification": {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"},
        "RoleArn": "arn:aws:iam::123456789012:role/Jobs",
        "ProcessingOutputConfig": {
            "Outputs": [
                {"OutputName": "report", "S3Output": OUTPUT},
            ]
        },
    }
    file = {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
    steps = [
        {"Name": "Evaluate", "Type": "Processing", "Arguments": arguments, "PropertyFiles": [file]},
        condition_step("Good", compared),
    ]
    limit = {"Name": "limit", "Type": "Float", "DefaultValue": 0.25}
    path = write_for(definition(*steps, parameters=[limit]), tmp_path)
    made = json.loads((path.parent / "property_files/Evaluate.Report.json").read_text())
    assert made["m"][1]["error"] < 0.25


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "{}",
        '{"PipelineDefinition": 3}',
        '{"PipelineDefinition": "{"}',
        '{"Version": "2020-12-01", "Steps": [{"Name": "a\\"\\"\\"", "Type": "Fail"}]}',
    ],
)
def test_what_is_no_definition_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"exported\.json: it is n"):
        write_for(content, tmp_path)
    assert not (tmp_path / "new").exists()


def test_a_definition_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.json: cannot be read"):
        files_for_definition(tmp_path / "missing.json", None)
