"""The pytest plugin and `Emulator`, as other projects use them: in a pytest of their own, and in a script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from geopipe_emulator import Emulator, EmulatorError
from tests.support.paths import ROOT
from tests.support.wait import eventually

pytestmark = pytest.mark.slow

ACCOUNTS = """
import os

import boto3
import pytest


@pytest.fixture(scope="session")
def aws_emulator_settings():
    return {"region": "eu-central-1", "account_id": "111122223333", "iam": "enforce"}


@pytest.mark.parametrize("number", range(4))
def test_each_test_has_an_empty_account(number, aws_emulator, monkeypatch):
    monkeypatch.undo()
    assert not any(name in os.environ for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"))
    assert boto3.client("sts").get_caller_identity()["Account"] == "111122223333"
    s3 = boto3.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    aws_emulator.answer_steps({"Training": {"succeed": {}}})
    boto3.client("iam").create_group(GroupName="g")
    called = {(call["service"], call["operation"]): call["count"] for call in aws_emulator.calls()}
    assert called["s3", "CreateBucket"] == called["iam", "CreateGroup"] == 1
    print("SERVER", aws_emulator.url)


def test_the_environment_is_as_before():
    assert os.environ["AWS_PROFILE"] == "production"
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert boto3.DEFAULT_SESSION is None
"""

PIPELINES = '''
import json

import pytest

PREPARE = """
def lambda_handler(event, context):
    return {"total": int(event["first"]) + int(event["second"])}
"""
APPROVE = """
import json
import boto3

def decide(event, context):
    for record in event["Records"]:
        body = json.loads(record["body"])
        boto3.client("sagemaker").send_pipeline_execution_step_success(
            CallbackToken=body["token"],
            OutputParameters=[{"Name": "approved_by", "Value": body["arguments"]["by"]}],
        )
"""


def step(name, **more):
    return {"Name": name, "Type": "Lambda", "FunctionArn": "prepare", **more}


def output(name):
    return {"OutputName": name, "OutputType": "String"}


DEFINITION = {
    "Version": "2020-12-01",
    "Parameters": [{"Name": "By", "Type": "String"}],
    "Steps": [
        step("Prepare", Arguments={"first": 40, "second": 2}, OutputParameters=[output("total")])
        | {"FunctionArn": "arn:aws:lambda:eu-west-1:999999999999:function:prepare"},
        {
            "Name": "Approve",
            "Type": "Callback",
            "SqsQueueUrl": "https://sqs.eu-west-1.amazonaws.com/999999999999/approvals",
            "Arguments": {"by": {"Get": "Parameters.By"}},
            "OutputParameters": [output("approved_by")],
            "DependsOn": ["Prepare"],
        },
        {
            "Name": "Train",
            "Type": "Training",
            "Arguments": {
                "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
                "OutputDataConfig": {"S3OutputPath": "s3://models/"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                "RoleArn": "arn:aws:iam::123456789012:role/PipelineRunRole",
            },
            "DependsOn": ["Approve"],
        },
    ],
}


def test_runs_a_pipeline_to_its_end(sagemaker_pipeline_run, tmp_path):
    (tmp_path / "shared.py").write_text("")
    (tmp_path / "app.py").write_text(APPROVE)
    functions = {"prepare": PREPARE, "approve": {"source": tmp_path, "handler": "app.decide", "queue": "approvals"}}
    for by, batch_size in (("Ada", 1), ("Grace", 5)):  # what exists is changed
        functions["approve"]["batch_size"] = batch_size
        run = sagemaker_pipeline_run(
            json.dumps(DEFINITION), functions=functions, steps={"Train": {"succeed": {}}}, parameters={"By": by}
        )
        assert run.succeeded, str(run)
        assert list(run.steps) == ["Prepare", "Approve", "Train"]
        assert run.steps["Prepare"].outputs == {"total": "42"}
        assert run.steps["Approve"].outputs == {"approved_by": by}


def test_answers_of_another_test_are_gone(sagemaker_pipeline_run):
    with pytest.raises(Exception, match="Train"):
        sagemaker_pipeline_run({**DEFINITION, "Parameters": [], "Steps": [{**DEFINITION["Steps"][2], "DependsOn": []}]})


def test_a_failure_has_its_reason(sagemaker_pipeline_run):
    run = sagemaker_pipeline_run(
        {"Version": "2020-12-01", "Steps": [step("Prepare", Arguments={})]}, functions={"prepare": PREPARE}
    )
    assert (run.status, run.steps["Prepare"].status) == ("Failed", "Failed")
    assert "KeyError: 'first'" in run.steps["Prepare"].failure_reason
    assert "KeyError" in str(run)


def test_an_execution_that_does_not_end_shows_what_its_functions_logged(sagemaker_pipeline_run):
    code = "def handler(event, context):\\n    raise RuntimeError('no approval today')\\n"
    callback = {"Name": "Wait", "Type": "Callback", "SqsQueueUrl": "approvals"}
    with pytest.raises(TimeoutError, match="(?s)Wait: Executing.*no approval today"):
        sagemaker_pipeline_run(
            {"Version": "2020-12-01", "Steps": [callback]},
            functions={"approve": {"source": code, "queue": "approvals"}},
            timeout=15,
        )


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({}, "step 'Prepare': 'prepare' is no ARN and not one of the functions given"),
        ({"prepare": "no/such/folder"}, "there is no file and no folder no/such/folder"),
        ({"prepare": "def other():\\n    pass\\n"}, "defines no function lambda_handler or handler"),
        ({"prepare": {"source": PREPARE, "queu": "q"}}, "unexpected keyword argument 'queu'"),
    ],
)
def test_what_cannot_run_is_refused_before_any_call(sagemaker_pipeline_run, aws_emulator, functions, message):
    with pytest.raises(ValueError, match=message):
        sagemaker_pipeline_run({"Version": "2020-12-01", "Steps": [step("Prepare")]}, functions=functions)
    assert aws_emulator.client("iam").list_roles()["Roles"] == []
'''


def run_pytest(folder: Path, *options: str) -> str:
    """Run the tests in a folder with the plugin, in an environment with a profile that does not exist. All pass."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "AWS_"))}
    leaks = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "PYTHONPATH": str(ROOT),
    }
    options = ("-q", "-rP", "-p", "no:cacheprovider", "-p", "geopipe_emulator.pytest_plugin", *options)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"--rootdir={folder}", *options, str(folder)],
        cwd=folder,
        env=surroundings | leaks,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_worker_of_xdist_has_an_emulator_and_each_test_an_empty_account(tmp_path: Path) -> None:
    (tmp_path / "test_accounts.py").write_text(ACCOUNTS)
    report = run_pytest(tmp_path, "-n", "2", "--dist", "each")
    servers = [line for line in report.splitlines() if line.startswith("SERVER ")]
    assert (len(servers), len(set(servers))) == (8, 2)


def test_a_pipeline_runs_with_functions_queues_and_answers_for_other_steps(tmp_path: Path) -> None:
    (tmp_path / "test_pipelines.py").write_text(PIPELINES)
    account, _, pipeline, _ = document_examples()
    (tmp_path / "test_account.py").write_text(account)
    (tmp_path / "test_pipeline.py").write_text(pipeline)
    run_pytest(tmp_path)


def test_the_script_in_the_documents_runs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(document_examples()[3])
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:")
    assert "  Stop: Failed" in done.stdout


def document_examples() -> list[str]:
    page = (ROOT / "docs" / "how-to" / "test-your-code.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_the_plugin_imports_nothing_heavy_and_needs_no_extra_before_a_fixture_is_used() -> None:
    code = "import sys, geopipe_emulator.pytest_plugin; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {name for name in imported.stdout.split() if name.startswith("geopipe")}
    assert ours == {"geopipe_emulator", "geopipe_emulator.pytest_plugin"}
    assert {"boto3", "botocore", "moto", "flask"}.isdisjoint(imported.stdout.split())


def test_a_script_starts_reaches_and_ends_an_emulator() -> None:
    with Emulator(region="eu-west-1", steps={"Train": {"succeed": {}}}) as emulator:
        emulator.client("sqs").create_queue(QueueName="q")
        assert [call["operation"] for call in emulator.calls()] == ["CreateQueue"]
        assert emulator.environment["AWS_DEFAULT_REGION"] == "eu-west-1"
        emulator.reset()
        assert emulator.calls() == []
        assert "QueueUrls" not in emulator.client("sqs").list_queues()
        run = emulator.run_pipeline({"Version": "2020-12-01", "Steps": [{"Name": "Stop", "Type": "Fail"}]})
        assert run.status == "Failed"
        process = emulator._process
    assert process is not None and process.returncode == 0
    with pytest.raises(EmulatorError, match="does not run"):
        emulator.client("sqs")


def test_wrong_settings_are_refused_before_the_start() -> None:
    for settings, message in (
        ({"regoin": "eu-west-1"}, "has no setting regoin; it has account_id, .*region"),
        ({"account_id": "1"}, "must be 12 digits"),
        ({"steps": {"Train": {"suceed": {}}}}, "unknown key 'suceed'"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            Emulator(**settings)  # type: ignore[arg-type]


def test_an_emulator_that_has_ended_is_named() -> None:
    with Emulator() as emulator:
        process = emulator._process
        assert process is not None
        process.kill()
        eventually(lambda: process.poll() is not None)
        with pytest.raises(EmulatorError, match="has ended"):
            emulator.reset()
