"""What is done to a deployment while its AWS calls are recorded: on a real account, and on the emulator.

Each scenario leaves the deployment as the next one needs it. They run in the order of `SCENARIOS`; `clean_up` is last.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore.session
import yaml
from botocore.exceptions import ClientError, ParamValidationError

from geopipe_runner.aws.account import Account
from geopipe_runner.config import Config, load
from tests.support.drifts import DRIFTS
from tests.support.fidelity.recorder import CallRecorder
from tests.support.kinds import Hands, blueprint_of
from tests.support.paths import ROOT
from tests.support.wait import eventually

# What the scenarios change by hand must be there.
_NEEDED = {"tags": {"team": "maps"}, "function": {"environment": {"COLOR": "blue"}}, "cleanup": "none"}
# Changes by hand that need another resource first.
_NEED_MORE = {("lambda_function", "role"), ("sagemaker_pipeline", "role"), ("sqs_queue", "redrive_policy")}
_NO_TOKEN = "AAAAAAAAAA"
_RAISES = "def lambda_handler(event, context):\n    raise RuntimeError('on purpose')\n"
_NO_MODULE = "import no_such_module\n\ndef lambda_handler(event, context):\n    return {}\n"
_SLEEPS = "import time\n\ndef lambda_handler(event, context):\n    time.sleep(60)\n"
# Exit codes of geopipe.
_DONE, _FAILED, _CHANGES, _REFUSED = 0, 3, 4, 5


class ScenarioError(Exception):
    """A command ended otherwise than the scenario expects."""


class _RecordedHands(Hands):
    """Clients of the deployment's region."""

    region = ""

    def client(self, service: str, region: str = "") -> Any:
        return super().client(service, region or self.region)


@dataclass
class Stage:
    """A deployment on which a scenario is played. Its calls are appended to the file `calls`."""

    path: Path
    calls: Path
    name: str
    began: float = field(default_factory=time.time)

    @cached_property
    def config(self) -> Config:
        return load(self.path, {})

    @cached_property
    def hands(self) -> Hands:
        """Clients whose calls are recorded, too. They retry nothing, so that each answer is seen."""
        session = botocore.session.Session(profile=self.config.profile)
        if self.config.target == "local":
            session.set_credentials("test", "test")
        CallRecorder(self.calls, self.name, self.began).register(session)
        hands = _RecordedHands(self.config.endpoint, session)  # type: ignore[arg-type]
        hands.region = self.config.region
        return hands

    def geopipe(self, *arguments: str, ends_with: tuple[int, ...] = (_DONE,)) -> str:
        """Run a command and return its output. Raises ScenarioError: its exit code is another one."""
        done = subprocess.run(self._command(arguments), capture_output=True, text=True, cwd=ROOT)
        if done.returncode not in ends_with:
            raise ScenarioError(
                f"{self.name}: `{' '.join(arguments)}` ended with exit code {done.returncode}, not "
                f"{' or '.join(map(str, ends_with))}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            )
        return done.stdout

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[str]:
        """A command in the background. Gives the ARN of the execution that it starts, and waits for its end."""
        command = [*self._command(arguments), "--output", "json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
        assert process.stdout is not None
        try:
            yield _execution_started(process.stdout)
            for _ in process.stdout:  # to the end, so that it never waits for its reader
                pass
        finally:
            process.terminate()
            process.wait()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        verb, *options = arguments
        recorded = ["-m", "tests.support.fidelity.recorded_command", str(self.calls), self.name, str(self.began)]
        return [sys.executable, *recorded, verb, str(self.path), "--non-interactive", *options]

    def ask(self, service: str, operation: str, **parameters: Any) -> None:
        """Call AWS and let it refuse: the answer is what is wanted."""
        with contextlib.suppress(ClientError, ParamValidationError):
            getattr(self.hands.client(service), operation)(**parameters)

    def with_handler(self, code: str) -> tuple[str, ...]:
        """Returns the options of a run whose function has this code."""
        folder = self.calls.parent / f"handler-{self.name}"
        folder.mkdir(exist_ok=True)
        (folder / "handler.py").write_text(code)
        return "--set", f"function.source={folder}", "--set", "function.timeout=3"


def _execution_started(lines: Iterator[str]) -> str:
    for line in lines:
        event = json.loads(line)
        if event.get("event") == "execution_started":
            return str(event["arn"])
    raise ScenarioError("the command ended without starting an execution")


def run_twice(stage: Stage) -> None:
    """Plan, run and keep everything; the plan after it is empty."""
    stage.geopipe("plan", "--detailed-exitcode", ends_with=(_CHANGES,))
    stage.geopipe("run", "--cleanup=none")
    stage.geopipe("plan", "--detailed-exitcode")
    stage.geopipe("status")
    stage.geopipe("logs")


def drift(stage: Stage) -> None:
    """Change every compared attribute by hand: the plan shows it, and `apply` repairs it."""
    account = Account(stage.hands.client("sts").get_caller_identity()["Account"], stage.config.region)
    for resource in blueprint_of(stage.config, account).resources:
        for (kind, attribute), drifts in DRIFTS.items():
            made = next((one for one in drifts if one.holds_for(resource.key)), None)
            if kind == resource.kind.name and made and (kind, attribute) not in _NEED_MORE:
                _settled(stage)
                made.make(stage.hands, resource.spec)
    _settled(stage)
    stage.geopipe("plan", "--detailed-exitcode", ends_with=(_CHANGES,))
    stage.geopipe("apply")
    stage.geopipe("plan", "--detailed-exitcode")


def _settled(stage: Stage) -> None:
    """Wait until the function and its mapping take the next change."""
    functions, name = stage.hands.client("lambda"), stage.config.function.name
    eventually(lambda: functions.get_function(FunctionName=name)["Configuration"]["LastUpdateStatus"] != "InProgress")
    eventually(
        lambda: all(
            mapping["State"] in ("Enabled", "Disabled")
            for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        )
    )


def refusals(stage: Stage) -> None:
    """Ask for what AWS refuses, and whose words and codes no document states."""
    pipeline, queue = stage.config.pipeline.name, stage.config.queue.name
    sagemaker = stage.hands.client("sagemaker")
    listed = sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
    arn, missing = listed[0]["PipelineExecutionArn"], listed[0]["PipelineExecutionArn"][:-4] + "zzzz"
    described = sagemaker.describe_pipeline(PipelineName=pipeline)
    stage.ask("sagemaker", "send_pipeline_execution_step_success", CallbackToken=_NO_TOKEN)
    stage.ask("sagemaker", "send_pipeline_execution_step_failure", CallbackToken=_NO_TOKEN, FailureReason="none")
    stage.ask("sagemaker", "stop_pipeline_execution", PipelineExecutionArn=arn)
    stage.ask("sagemaker", "stop_pipeline_execution", PipelineExecutionArn=missing)
    stage.ask("sagemaker", "retry_pipeline_execution", PipelineExecutionArn=arn)
    stage.ask("sagemaker", "describe_pipeline_execution", PipelineExecutionArn=missing)
    stage.ask("sagemaker", "describe_pipeline", PipelineName=f"{pipeline}-missing")
    stage.ask("sagemaker", "delete_pipeline", PipelineName=f"{pipeline}-missing")
    unknown = [{"Name": "no-such-parameter", "Value": "1"}]
    stage.ask("sagemaker", "start_pipeline_execution", PipelineName=pipeline, PipelineParameters=unknown)
    same = {"PipelineName": pipeline, "RoleArn": described["RoleArn"]}
    stage.ask("sagemaker", "create_pipeline", **same, PipelineDefinition=described["PipelineDefinition"])
    for broken in ("{", json.dumps({"Version": "2020-12-01", "Steps": [{"Name": "a", "Type": "NoSuchType"}]})):
        stage.ask("sagemaker", "update_pipeline", PipelineName=pipeline, PipelineDefinition=broken)
    stage.ask("sqs", "create_queue", QueueName=queue, Attributes={"VisibilityTimeout": "7"})
    stage.ask("sqs", "get_queue_url", QueueName=f"{queue}-missing")
    stage.ask("lambda", "get_function", FunctionName=f"{stage.config.function.name}-missing")
    stage.ask("iam", "get_role", RoleName=f"{queue}-missing")


def failures(stage: Stage) -> None:
    """Fail on purpose: the handler raises, cannot be loaded, or takes too long. A retry repairs the last."""
    for code in (_RAISES, _NO_MODULE, _SLEEPS):
        stage.geopipe("run", "--cleanup=none", "--new", *stage.with_handler(code), ends_with=(_FAILED,))
        stage.geopipe("status")
    stage.geopipe("apply")
    stage.geopipe("retry", "--cleanup=none")


def stop(stage: Stage) -> None:
    """Stop an execution by the command, and answer a callback that waits for nothing."""
    with stage.running("run", "--cleanup=none", "--new"):
        stage.geopipe("callbacks", "--older-than", "0s")
        stage.geopipe("stop", ends_with=(_DONE, _REFUSED))  # a quick job may have ended


def clean_up(stage: Stage) -> None:
    """Delete everything; a second time there is nothing to delete."""
    stage.geopipe("cleanup", "--cleanup=all")
    stage.geopipe("cleanup", "--cleanup=all")


Scenario = Callable[[Stage], None]
SCENARIOS: dict[str, Scenario] = {
    scenario.__name__.replace("_", "-"): scenario for scenario in (run_twice, drift, refusals, failures, stop, clean_up)
}
LAST = "clean-up"


def play(path: Path, calls: Path, chosen: tuple[str, ...] = tuple(SCENARIOS)) -> Iterator[str]:
    """Play the scenarios on the deployment of a configuration file; gives the name of each before it begins.

    Raises ScenarioError: a command ended otherwise than it must. The deployment is cleaned up before.
    """
    try:
        for name in chosen:
            yield name
            SCENARIOS[name](Stage(path, calls, name))
    except BaseException:
        with contextlib.suppress(ScenarioError):
            SCENARIOS[LAST](Stage(path, calls, LAST))
        raise


def prepared(path: Path, folder: Path) -> Path:
    """Write a configuration that extends the user's with what the scenarios need, and return its path."""
    folder.mkdir(exist_ok=True)
    target = folder / "config.yaml"
    target.write_text(yaml.safe_dump({"extends": str(path.resolve()), **_NEEDED}), encoding="utf-8")
    return target


def resources_that_exist(path: Path) -> str:
    """Returns the resources of the deployment that the account has already, or an empty text."""
    command = [sys.executable, "run.py", "plan", str(path), "--non-interactive", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise ScenarioError(f"the plan failed:\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}")
    (planned,) = (event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "planned")
    return ", ".join(step["key"] for step in planned["plan"]["steps"] if step["action"] != "create")
