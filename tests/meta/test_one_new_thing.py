"""One new thing is one file: each kind of extension is made in a copy of the product, used, and its files counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("geopipe_runner", "geopipe_emulator", "geopipe_gazetteer", "geopipe_models")
FOLDERS = (*PACKAGES, "lambda", "pipeline_templates", "resources", "config")

CONFIG = """
deployment: scratch
target: local
region: eu-central-1
account_id: "123456789012"
iam: {propagation_timeout: 0}
bucket: {name: scratch-123456789012}
function: {source: code}
pipeline: {template: pipeline.json}
job: {kind: custom}
input: {source: rows.csv}
execution: {poll_interval: 0.1}
cleanup: all
"""
LAMBDA_STEP = '{"Name": "work", "Type": "Lambda", "FunctionArn": "*FUNCTION_ARN*", "Arguments": {}}'


@dataclass
class Scratch:
    """A copy of the product with a pipeline of its own, and what has been changed in it by hand."""

    folder: Path
    touched: set[str] = field(default_factory=set)

    def add(self, path: str, text: str) -> None:
        """Add a file to the product."""
        assert not (self.folder / path).exists()
        (self.folder / path).write_text(text, encoding="utf-8")
        self.touched.add(path)

    def change(self, path: str, old: str, new: str) -> None:
        """Change a place in a file of the product."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{path} does not contain {old!r}"
        (self.folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")
        self.touched.add(path)

    def use(self, old: str, new: str, steps: str = LAMBDA_STEP) -> None:
        """Write the configuration with a change, and the pipeline with these steps. That is no file of the product."""
        assert old in CONFIG
        (self.folder / "scratch.yaml").write_text(CONFIG.replace(old, new), encoding="utf-8")
        definition = f'{{"Version": "2020-12-01", "Steps": [{steps}]}}'
        (self.folder / "pipeline.json").write_text(definition, encoding="utf-8")

    def geopipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the copy's command line."""
        return subprocess.run(
            [sys.executable, "run.py", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300
        )

    def run(self) -> str:
        """Returns what a run prints that must succeed."""
        done = self.geopipe("run", "scratch.yaml", "--non-interactive")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run.py", tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/handler.py").write_text("def lambda_handler(event, context):\n    return {}\n")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    return Scratch(tmp_path)


KIND = '''
"""A log group besides the function's own, for an audit trail."""

from ..aws.not_found import ignore_not_found
from .base import Kind, Observed, Resource, our_tags, touches


class AuditLog(Kind):
    name = "audit_log"
    label = "audit log"
    permissions = ("logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:DeleteLogGroup")
    paint = "rights"

    def resources(self, deployment, artifacts):
        name = deployment.config.function.audit_log
        if name:
            yield Resource(self, "audit_log", name, "function", Spec(name, deployment))

    def desired(self, spec):
        return {"tags": dict(spec.tags)}

    def observe(self, aws, spec):
        groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=spec.name)["logGroups"]
        if not groups:
            return None
        tags = aws.client("logs").list_tags_for_resource(resourceArn=spec.arn)["tags"]
        return Observed(spec.arn, {"tags": our_tags(spec.tags, tags)}, tags)

    def create(self, aws, spec):
        aws.client("logs").create_log_group(logGroupName=spec.name, tags=dict(spec.tags))
        return spec.arn

    def update(self, aws, spec, observed, changes):
        if touches(changes, "tags"):
            aws.client("logs").tag_resource(resourceArn=spec.arn, tags=dict(spec.tags))

    def delete(self, aws, spec, observed):
        ignore_not_found(lambda: aws.client("logs").delete_log_group(logGroupName=spec.name))


class Spec:
    def __init__(self, name, deployment):
        self.name = name
        self.arn = deployment.account.arn("logs", f"log-group:{name}")
        self.tags = deployment.tags
'''


def test_a_resource_kind_is_three_files(scratch: Scratch) -> None:
    scratch.add("geopipe_runner/kinds/audit_log.py", KIND)
    registry = "geopipe_runner/kinds/registry.py"
    scratch.change(registry, "from .base import Kind\n", "from .audit_log import AuditLog\nfrom .base import Kind\n")
    scratch.change(registry, "    IamRole(),\n", "    AuditLog(),\n    IamRole(),\n")
    definition = 'audit_log: str | None = field(metadata=key("Name of the audit log.", default=None, examples=["/a"]))'
    model = "geopipe_runner/config/model.py"
    scratch.change(
        model, "    log_retention_days: int = field(", f"    {definition}\n    log_retention_days: int = field("
    )
    assert len(scratch.touched) == 3

    scratch.use("source: code", "source: code, audit_log: /audit/scratch")
    text = scratch.run()
    function = text.index("Setting up the Lambda function for the pipeline.")
    assert function < text.index("Audit log /audit/scratch: created.") < text.index("Setting up queue")
    assert "Deleted audit log /audit/scratch." in text


JOB = '''
"""Rows are counted."""

import re

from .base import JobKind, ResultFormat


class Counting(JobKind):
    name = "counting"
    results = ResultFormat(re.compile("count$"), "", "", needed=False)
    welcome = "This run counts rows."

    def parameters(self, deployment, run_id):
        return {}
'''


def test_a_job_kind_is_three_files(scratch: Scratch) -> None:
    scratch.add("geopipe_runner/jobs/counting.py", JOB)
    registry = "geopipe_runner/jobs/registry.py"
    scratch.change(
        registry, "from .custom import Custom\n", "from .counting import Counting\nfrom .custom import Custom\n"
    )
    scratch.change(registry, "Custom()", "Counting(), Custom()")
    scratch.change("geopipe_runner/config/model.py", '"custom"]', '"custom", "counting"]')
    assert len(scratch.touched) == 3

    scratch.use("kind: custom", "kind: counting")
    assert "This run counts rows." in scratch.run()


PROVIDER = '''
"""The nearest station of each point, found in parts by the function."""

from .parts import PartsJob


class Stations(PartsJob):
    name = "reverse_geocoding"
    provider = "stations"
'''


def test_a_provider_is_a_module_a_line_and_a_value(scratch: Scratch) -> None:
    scratch.add("geopipe_runner/jobs/stations.py", PROVIDER)
    registry = "geopipe_runner/jobs/registry.py"
    base = "from .reverse_geocoding import ReverseGeocoding\n"
    scratch.change(registry, base, f"{base}from .stations import Stations\n")
    scratch.change(registry, "Custom()", "Stations(), Custom()")
    scratch.change("geopipe_runner/config/model.py", '"amazon_location"]', '"amazon_location", "stations"]')
    assert len(scratch.touched) == 3

    (scratch.folder / "code/part_worker.py").write_text("def lambda_handler(event, context):\n    return {}\n")
    columns = "longitude_column: a, latitude_column: b"
    scratch.use("kind: custom", f"kind: reverse_geocoding, provider: stations, {columns}")
    done = scratch.geopipe("plan", "scratch.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scratch-function-worker" in done.stdout and "Plan: 19 to create" in done.stdout


COMMAND = '''
"""`where`: the account and the region of a configuration."""

POSITION = 20
HELP = "print the account and the region"
DETAILS = ""
EXAMPLES = ("where config/local.yaml",)
NEEDS = "config"


def add_options(parser):
    pass


def run(session, arguments):
    print(session.config.account_id, session.config.region)
    return 0
'''


def test_a_command_is_one_file_and_its_generated_reference(scratch: Scratch) -> None:
    scratch.add("geopipe_runner/cli/commands/where.py", COMMAND)
    assert len(scratch.touched) == 1

    scratch.use("kind: custom", "kind: custom")
    done = scratch.geopipe("where", "scratch.yaml")
    assert (done.returncode, done.stdout) == (0, "123456789012 eu-central-1\n"), done.stderr
    assert "print the account and the region" in scratch.geopipe("--help").stdout
    (scratch.folder / "docs/reference").mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "geopipe_runner.cli.reference"], cwd=scratch.folder, check=True, timeout=300)
    assert "where" in (scratch.folder / "docs/reference/cli.md").read_text(encoding="utf-8")


STEP = '''
"""A step of a type that the emulator does not have yet."""

from .base import StepResult, StepType


class Pause(StepType):
    name = "Cleanup"

    def check(self, body, region):
        if "Resources" not in body.get("Arguments", {}):
            yield "Arguments.Resources is missing"

    def open(self, task):
        return Activity(task)


class Activity:
    def __init__(self, task):
        self._task = task

    def run(self):
        self._task.publish({})
        self._task.finish(StepResult(True))

    def stop(self):
        pass
'''


def test_a_step_type_is_a_module_and_two_lines(scratch: Scratch) -> None:
    scratch.add("geopipe_emulator/services/sagemaker/steps/pause.py", STEP)
    registry = "geopipe_emulator/services/sagemaker/steps/__init__.py"
    scratch.change(
        registry, "from .function import LambdaStep\n", "from .function import LambdaStep\nfrom .pause import Pause\n"
    )
    scratch.change(registry, "    LambdaStep,\n", "    LambdaStep,\n    Pause,\n")
    rules = '"Cleanup": StepRules(required=("Resources",), offline='
    scratch.change("geopipe_runner/pipeline/step_types.py", f'{rules}"none"', f'{rules}"emulator"')
    assert len(scratch.touched) == 3

    step = '{"Name": "wait", "Type": "Cleanup", "Arguments": {"Resources": {"S3": []}}}'
    scratch.use("cleanup: all", "cleanup: none", step)
    assert "Succeeded" in scratch.run()


def test_a_configuration_key_is_its_definition_and_the_configurations(scratch: Scratch) -> None:
    definition = 'color: str = field(metadata=key("Color of the output.", default="blue", examples=["red"]))'
    model = "geopipe_runner/config/model.py"
    scratch.change(model, "    preview_rows: int = field(", f"    {definition}\n    preview_rows: int = field(")
    scratch.change("config/local.yaml", "output:\n", "output:\n  color: red\n")
    assert len(scratch.touched) == 2

    valid = scratch.geopipe("validate", "config/local.yaml")
    assert valid.returncode == 0, valid.stderr
    wrong = scratch.folder / "config/local.yaml"
    wrong.write_text(wrong.read_text(encoding="utf-8").replace("color: red", "color: [red]"), encoding="utf-8")
    refused = scratch.geopipe("validate", "config/local.yaml")
    assert refused.returncode == 2 and "output.color" in refused.stderr
