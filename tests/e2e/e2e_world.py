"""Real processes: the command line against an emulator of its own or one that stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import botocore.config
import yaml

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
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
"""What a function's role must allow that is not ours to make."""
PIPELINE_NEEDS = ("lambda:InvokeFunction", "s3:*", "sqs:SendMessage", "sagemaker-geospatial:GetVectorEnrichmentJob")
"""The same for a pipeline's role."""
_SECONDS = 90


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

    def allow(self, role: str, *actions: str) -> None:
        """Gives a role that the test made what it needs, on everything."""
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").put_role_policy(RoleName=role, PolicyName="allowed", PolicyDocument=document)

    def calls(self) -> list[dict[str, Any]]:
        """The ledger of calls from outside."""
        with urllib.request.urlopen(f"{self.url}/_geopipe/calls", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["external"]
        return found

    def mutating_calls(self) -> dict[str, int]:
        """What callers from outside have changed so far, by `service:operation`."""
        return {f"{c['service']}:{c['operation']}": c["count"] for c in self.calls() if c["mutating"]}

    def inventory(self) -> dict[str, list[str]]:
        """Everything that exists, service by service."""
        iam, logs, sagemaker = self.client("iam"), self.client("logs"), self.client("sagemaker")
        functions = self.client("lambda")
        found = {
            "roles": [r["RoleName"] for r in iam.list_roles()["Roles"]],
            "policies": [p["Arn"] for p in iam.list_policies(Scope="Local")["Policies"]],
            "queues": self.client("sqs").list_queues().get("QueueUrls", []),
            "buckets": [b["Name"] for b in self.client("s3").list_buckets()["Buckets"]],
            "log groups": [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]],
            "functions": [f["FunctionName"] for f in functions.list_functions()["Functions"]],
            "mappings": [m["UUID"] for m in functions.list_event_source_mappings()["EventSourceMappings"]],
            "pipelines": [p["PipelineName"] for p in sagemaker.list_pipelines()["PipelineSummaries"]],
        }
        return {service: sorted(names) for service, names in found.items() if names}


def start_emulator(*arguments: str) -> Standing:
    """A standing emulator that holds roles to their policies, unless `--iam off` says otherwise; to be ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "geopipe_runner.emulator", "--exit-with-stdin", "--iam", "enforce", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return Standing(process.stdout.readline().strip(), process)


def eventually(condition: Callable[[], Any], patience: float = 30.0) -> Any:
    """What `condition` answers once that is true; a failure after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
    return answer


class StartStanding(Protocol):
    """Starts a standing emulator; arguments are the emulator's own."""

    def __call__(self, *arguments: str) -> Standing: ...


@dataclass
class Workplace:
    """A folder with a configuration, and the command line run there as a user would."""

    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def config(self, **changes: Any) -> Path:
        """config/local.yaml with absolute paths, its sections overlaid with `changes`."""
        settings = yaml.safe_load((ROOT / "config/local.yaml").read_text())
        settings["function"]["source"] = str(ROOT / "lambda")
        settings["pipeline"]["template"] = str(ROOT / "pipeline_templates/reverse_geocoding.json.j2")
        settings["input"]["source"] = str(ROOT / "resources/latlongtest.csv")
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
        """Run to the end; `env` comes on top of the environment, `only_env` instead of it."""
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
        """Run in the background, output readable line by line."""
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
