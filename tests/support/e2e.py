"""Real processes: the command line against an embedded or a standing emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import botocore.config
import yaml

from tests.support.paths import ROOT

ACCOUNT = "123456789012"
# The permissions that a function's role needs if the test creates the role.
FUNCTION_NEEDS = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
    "logs:*",
    "sagemaker-geospatial:*",
    "sagemaker:SendPipelineExecutionStep*",
    "iam:PassRole",
)
# The same for a pipeline's role.
PIPELINE_NEEDS = ("lambda:InvokeFunction", "s3:*", "sqs:SendMessage", "sagemaker-geospatial:GetVectorEnrichmentJob")
_SECONDS = 300
_USUAL_OPTIONS = ("--iam", "enforce", "--time-scale", "0.02")


@dataclass(frozen=True)
class Standing:
    """An emulator that outlives the commands run against it."""

    url: str
    process: subprocess.Popen[str]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-west-2",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(proxies={}, s3={"addressing_style": "path"}),
        )

    def put_input(self, content: bytes) -> str:
        """Put an object into a bucket that is not ours, whose columns only the job can see. Returns its URI."""
        s3, bucket = self.client("s3"), "survey-data"
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket=bucket, Key="points.csv", Body=content)
        return f"s3://{bucket}/points.csv"

    def allow(self, role: str, *actions: str) -> None:
        """Allow these actions on all resources for a role that the test has created."""
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").put_role_policy(RoleName=role, PolicyName="allowed", PolicyDocument=document)

    def calls(self) -> list[dict[str, Any]]:
        """Returns the log of calls from outside the emulator."""
        with urllib.request.urlopen(f"{self.url}/_geopipe/calls", timeout=90) as response:
            external: list[dict[str, Any]] = json.load(response)["external"]
        return external

    def mutating_calls(self) -> dict[str, int]:
        """Returns the number of calls that changed something, by `service:operation`."""
        return {f"{c['service']}:{c['operation']}": c["count"] for c in self.calls() if c["mutating"]}

    def inventory(self) -> dict[str, list[str]]:
        """Returns the names of everything that exists, by service."""
        iam, logs, sagemaker = self.client("iam"), self.client("logs"), self.client("sagemaker")
        functions = self.client("lambda")
        names = {
            "roles": [r["RoleName"] for r in iam.list_roles()["Roles"]],
            "policies": [p["Arn"] for p in iam.list_policies(Scope="Local")["Policies"]],
            "queues": self.client("sqs").list_queues().get("QueueUrls", []),
            "buckets": [b["Name"] for b in self.client("s3").list_buckets()["Buckets"]],
            "log groups": [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]],
            "functions": [f["FunctionName"] for f in functions.list_functions()["Functions"]],
            "mappings": [m["UUID"] for m in functions.list_event_source_mappings()["EventSourceMappings"]],
            "pipelines": [p["PipelineName"] for p in sagemaker.list_pipelines()["PipelineSummaries"]],
        }
        return {service: sorted(values) for service, values in names.items() if values}


def start_emulator(*arguments: str) -> Standing:
    """Start a standing emulator; the caller ends it.

    It enforces permissions unless `--iam off` is given, and its queues are fast unless `--time-scale 1` is given.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin", *_USUAL_OPTIONS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return Standing(process.stdout.readline().strip(), process)


class StartStanding(Protocol):
    """Starts a standing emulator with arguments of the emulator."""

    def __call__(self, *arguments: str) -> Standing: ...


@dataclass
class Workplace:
    """A folder with a configuration, and the command line run there as a user would."""

    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self, **changes: Any) -> Path:
        """Write config/local.yaml with absolute paths and with `changes` in its sections, and return its path.

        The clean-up policy is `ask`, because most emulators here outlive the command.
        """
        settings = yaml.safe_load((ROOT / "config/local.yaml").read_text())
        settings["cleanup"] = "ask"
        settings["function"]["source"] = str(ROOT / "lambda")
        settings["pipeline"]["template"] = None
        settings["input"]["source"] = str(ROOT / "resources/latlongtest.csv")
        # The job of local.yaml needs no wait of a queue. Other jobs here would wait seconds for their next check.
        settings["emulator"]["time_scale"] = 0.02
        for section, value in changes.items():
            settings[section] = (settings[section] or {}) | value if isinstance(value, dict) else value
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    def geopipe(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        only_env: Mapping[str, str] | None = None,
        answers: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end. `env` extends the environment, `only_env` replaces it."""
        return subprocess.run(
            self.command(*arguments),
            input=answers,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=only_env if only_env is not None else os.environ | dict(env or {}),
            timeout=_SECONDS,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start in the background, with output that can be read line by line."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, str(ROOT / "run.py"), *map(str, arguments)]
