"""Every statement of our policies is needed: an execution fails or waits without it.

A real run makes one deployment per scope on an emulator that enforces permissions. Each case replaces a policy by one
without a statement and starts an execution.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.e2e import ACCOUNT, Standing, StartStanding, Workplace, start_emulator
from tests.support.paths import ROOT
from tests.support.several_functions import several_functions
from tests.support.wait import eventually

JOB_SECONDS = 1.0
# The queue's visibility timeout of 300 s at the time scale: the latest time at which a finished job is noticed.
UNSEEN_SECONDS = 6.0
"""The queue's 300 s of visibility, scaled: how late a finished job is seen if its message does not return earlier."""
FUNCTION, PIPELINE = "SageMakerExampleFunction", "sagemaker-sdk-example-pipeline"
ROLES = {"function": "SageMakerExampleLambdaRole", "pipeline": "SageMakerExampleRole"}
PARTS, PARTS_START, PARTS_DONE = "parts", "start-parts-step", "parts-callback-step"
START, JOB, EXPORTED = "vej-processing-step", "vej-callback-step", "export-vej-callback"


@dataclass
class StartedExecution:
    """An execution that a case has started."""

    deployment: NarrowedDeployment
    arn: str

    @property
    def status(self) -> str:
        sagemaker = self.deployment.client("sagemaker")
        return str(sagemaker.describe_pipeline_execution(PipelineExecutionArn=self.arn)["PipelineExecutionStatus"])

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        sagemaker = self.deployment.client("sagemaker")
        found = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=self.arn)["PipelineExecutionSteps"]
        return {step["StepName"]: step for step in found}

    def step_in(self, name: str, *statuses: str) -> dict[str, Any]:
        """The step, once it is in one of these states."""
        eventually(lambda: self.steps.get(name, {}).get("StepStatus") in statuses)
        return self.steps[name]

    def end(self) -> str:
        return str(eventually(lambda: self.status if self.status not in ("Executing", "Stopping") else "", 90))

    def job(self) -> dict[str, Any]:
        outputs = self.step_in(START, "Succeeded")["Metadata"]["Lambda"]["OutputParameters"]
        arn = next(output["Value"] for output in outputs if output["Name"] == "vej_arn")
        job: dict[str, Any] = self.deployment.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn)
        return job


class NarrowedDeployment:
    """A deployment on an emulator that enforces permissions; its policies can lose a statement."""

    def __init__(
        self, standing: Standing, pipeline: str = PIPELINE, roles: Mapping[str, str] = MappingProxyType(ROLES)
    ) -> None:
        self._standing, self._pipeline, self._roles = standing, pipeline, roles
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._standing.client(service)
        return self._clients[service]

    @cached_property
    def parameters(self) -> list[dict[str, str]]:
        sagemaker = self.client("sagemaker")
        first = sagemaker.list_pipeline_executions(PipelineName=self._pipeline)["PipelineExecutionSummaries"][0]
        found: list[dict[str, str]] = sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=first["PipelineExecutionArn"]
        )["PipelineParameters"]
        return found

    def start(self) -> StartedExecution:
        started = self.client("sagemaker").start_pipeline_execution(
            PipelineName=self._pipeline, PipelineParameters=[*map(self._with_new_place, self.parameters)]
        )
        return StartedExecution(self, started["PipelineExecutionArn"])

    def _with_new_place(self, parameter: dict[str, str]) -> dict[str, str]:
        """Work in parts that finds its results where they go is done already, so each execution has its own place."""
        if parameter["Name"] != "parameter_parts_output_uri":
            return parameter
        return {**parameter, "Value": f"{parameter['Value'].rstrip('/')}-{uuid.uuid4().hex}/"}

    def policy_arn(self, whose: str) -> str:
        attached = self.client("iam").list_attached_role_policies(RoleName=self._roles[whose])["AttachedPolicies"]
        return str(attached[0]["PolicyArn"])

    def statements(self, whose: str) -> list[dict[str, Any]]:
        iam, arn = self.client("iam"), self.policy_arn(whose)
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        statements: list[dict[str, Any]] = document["Statement"]
        return statements

    @contextmanager
    def without(self, whose: str, first_action: str) -> Iterator[None]:
        """The policy lacks the statement that begins with this action."""
        statements = self.statements(whose)
        left = [statement for statement in statements if statement["Action"][0] != first_action]
        assert len(left) == len(statements) - 1
        self._replace(whose, left)
        try:
            yield
        finally:
            self._replace(whose, statements)

    @contextmanager
    def without_resource(self, whose: str, action: str, resource: str) -> Iterator[None]:
        """The policy's statement on this action lacks the resource whose ARN ends so."""
        statements = self.statements(whose)
        left = [
            statement
            if statement["Action"][0] != action
            else {**statement, "Resource": [arn for arn in statement["Resource"] if not arn.endswith(f":{resource}")]}
            for statement in statements
        ]
        assert left != statements
        self._replace(whose, left)
        try:
            yield
        finally:
            self._replace(whose, statements)

    def _replace(self, whose: str, statements: list[dict[str, Any]]) -> None:
        iam, arn = self.client("iam"), self.policy_arn(whose)
        old = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        iam.delete_policy_version(PolicyArn=arn, VersionId=old)

    def end(self) -> None:
        process = self._standing.process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)

    def count(self, *operations: str) -> int:
        """How often these have been called so far, by anyone and with any result."""
        with urllib.request.urlopen(f"{self._standing.url}/_geopipe/calls", timeout=90) as answer:
            rows = [row for rows in json.load(answer).values() for row in rows]
        return sum(row["count"] for row in rows if f"{row['service']}:{row['operation']}" in operations)

    def objects(self, part: str) -> list[str]:
        """Returns the keys of the bucket that contain a text."""
        listed = self.client("s3").list_objects_v2(Bucket=f"geopipe-local-{ACCOUNT}").get("Contents", [])
        return [entry["Key"] for entry in listed if part in entry["Key"]]

    def log_events(self) -> int:
        return len(self.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"])


Deploy = Callable[[str], NarrowedDeployment]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """One deployment per scope, made when it is first asked for."""
    started: dict[str, NarrowedDeployment] = {}

    def make(scope: str) -> NarrowedDeployment:
        if scope not in started:
            standing = start_emulator("--time-scale", "0.02", "--job-seconds", str(JOB_SECONDS))
            started[scope] = NarrowedDeployment(standing)
            workplace = Workplace(tmp_path_factory.mktemp(scope))
            changes = _work_in_parts(workplace.folder) if scope == PARTS else {"iam": {"scope": scope}}
            config = workplace.config(endpoint=standing.url, **changes)
            done = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
            assert done.returncode == 0, done.stdout + done.stderr
        return started[scope]

    yield make
    for deployment in started.values():
        deployment.end()


def _work_in_parts(folder: Path) -> dict[str, Any]:
    """A job for one worker that takes six seconds, so that it saves its progress, and its callback waits."""
    points = folder / "points.csv"
    points.write_text("".join((ROOT / "resources/latlongtest.csv").read_text().splitlines(keepends=True)[:61]))
    job = {"provider": "amazon_location", "max_requests_per_second": 20, "workers": 2}
    return {"iam": {"scope": "resources"}, "job": job, "input": {"source": str(points)}}


# What is missed when a statement is missing.

Missed = Callable[[NarrowedDeployment, StartedExecution], None]


def step_fails(step: str, *texts: str) -> Missed:
    """The execution fails at `step`, and the reason says what was not allowed."""

    def check(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
        assert execution.end() == "Failed"
        reason = execution.steps[step]["FailureReason"]
        for text in texts:
            assert text.lower() in reason.lower()

    return check


def callback_waits(*operations: str) -> Missed:
    """The job is done, this was tried again and again, and the callback is still not answered."""

    def check(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
        eventually(lambda: execution.job()["Status"] == "COMPLETED")
        before = deployment.count(*operations)
        eventually(lambda: deployment.count(*operations) >= before + 2)
        assert execution.steps[JOB]["StepStatus"] == "Executing"

    return check


def step_waits(step: str, *operations: str) -> Missed:
    """The step is still not answered though this was tried again and again."""

    def check(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
        execution.step_in(step, "Executing")
        before = deployment.count(*operations)
        eventually(lambda: deployment.count(*operations) >= before + 2)
        assert execution.steps[step]["StepStatus"] == "Executing"

    return check


def messages_keep_their_visibility(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
    """An unfinished callback comes again only when the queue shows it by itself. The function says so."""
    assert execution.end() == "Succeeded"
    pattern = '{ $.message = "the message keeps its visibility" }'
    group = {"logGroupName": f"/aws/lambda/{FUNCTION}", "filterPattern": pattern}
    eventually(lambda: deployment.client("logs").filter_log_events(**group)["events"])


def progress_remains(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
    """The run succeeds, and leaves what it kept meanwhile."""
    before = {*deployment.objects("/parts/progress/")}
    assert execution.end() == "Succeeded"
    assert {*deployment.objects("/parts/progress/")} - before


def nothing_is_logged(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
    """The function runs all the same, as on AWS."""
    before, tried = deployment.log_events(), deployment.count("logs:PutLogEvents", "logs:CreateLogStream")
    assert execution.end() == "Succeeded"
    eventually(lambda: deployment.count("logs:PutLogEvents", "logs:CreateLogStream") > tried)
    assert deployment.log_events() == before


def job_runs_on(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
    """The execution is stopped, its job is not. On a busy machine a stop can come after the job's end: once more."""
    for _ in range(5):
        execution.step_in(JOB, "Executing", "Succeeded")
        with contextlib.suppress(ClientError):  # what has ended cannot be stopped
            deployment.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution.arn)
        execution.end()
        if execution.steps[JOB]["StepStatus"] == "Stopped":
            break
        execution = deployment.start()
    assert execution.status == "Stopped"
    assert deployment.count("sagemaker-geospatial:StopVectorEnrichmentJob") > 0
    assert execution.job()["Status"] in ("IN_PROGRESS", "COMPLETED")
    eventually(lambda: execution.job()["Status"] == "COMPLETED")


def job_is_seen_late(deployment: NarrowedDeployment, execution: StartedExecution) -> None:
    """Only when the queue shows the message again by itself."""
    step = execution.step_in(JOB, "Succeeded")
    assert (step["EndTime"] - step["StartTime"]).total_seconds() > UNSEEN_SECONDS - JOB_SECONDS
    assert execution.end() == "Succeeded"


PASSED = step_fails(START, "iam:PassRole", ROLES["pipeline"])
NO_JOB = step_fails(START, "sagemaker-geospatial:StartVectorEnrichmentJob")
MISSED: dict[tuple[str, str, str], list[Missed]] = {
    ("all", "function", "sqs:ReceiveMessage"): [NO_JOB],
    ("all", "function", "iam:PassRole"): [PASSED],
    ("all", "function", "sagemaker-geospatial:StopVectorEnrichmentJob"): [job_runs_on, job_is_seen_late],
    ("resources", "function", "sqs:ReceiveMessage"): [callback_waits("sqs:ReceiveMessage")],
    ("resources", "function", "logs:CreateLogGroup"): [nothing_is_logged],
    ("resources", "function", "sagemaker-geospatial:StartVectorEnrichmentJob"): [NO_JOB],
    ("resources", "function", "sagemaker:SendPipelineExecutionStepFailure"): [
        callback_waits("sagemaker:SendPipelineExecutionStepSuccess")
    ],
    ("resources", "function", "iam:PassRole"): [PASSED],
    ("resources", "function", "sagemaker-geospatial:StopVectorEnrichmentJob"): [job_runs_on],
    ("resources", "function", "sqs:ChangeMessageVisibility"): [job_is_seen_late],
    ("resources", "pipeline", "lambda:InvokeFunction"): [step_fails(START, "lambda:InvokeFunction")],
    ("resources", "pipeline", "s3:*"): [step_fails(JOB, "AccessDenied", "GetObject")],
    ("resources", "pipeline", "sqs:SendMessage"): [step_fails(JOB, "sqs:SendMessage")],
    ("resources", "pipeline", "sagemaker-geospatial:GetVectorEnrichmentJob"): [
        step_fails(EXPORTED, "AccessDenied", "GetVectorEnrichmentJob")
    ],
    (PARTS, "function", "sqs:ReceiveMessage"): [step_waits(PARTS_DONE, "sqs:ReceiveMessage")],
    (PARTS, "function", "logs:CreateLogGroup"): [nothing_is_logged],
    (PARTS, "function", "sagemaker:SendPipelineExecutionStepFailure"): [
        step_waits(PARTS_DONE, "sagemaker:SendPipelineExecutionStepSuccess")
    ],
    (PARTS, "function", "sqs:ChangeMessageVisibility"): [messages_keep_their_visibility],
    (PARTS, "function", "geo-places:ReverseGeocode"): [step_fails(PARTS_DONE, "rows 1 to 60", "HTTP status 403")],
    (PARTS, "function", "sqs:SendMessage"): [step_fails(PARTS_START, "AccessDenied", "SendMessageBatch")],
    (PARTS, "function", "s3:GetObject"): [step_fails(PARTS_START, "AccessDenied")],
    (PARTS, "function", "s3:DeleteObject"): [progress_remains],
    (PARTS, "pipeline", "lambda:InvokeFunction"): [step_fails(PARTS_START, "lambda:InvokeFunction")],
    (PARTS, "pipeline", "sqs:SendMessage"): [step_fails(PARTS_DONE, "sqs:SendMessage")],
}
"""By scope, role and first action of the statement. The pipeline's policy is the same in both scopes."""

# The specification gives it to the pipeline's role. Where the function does the work, no job of that role needs it.
NOT_NEEDED = {PARTS: {("pipeline", "s3:*")}}

CASES = [
    pytest.param(scope, whose, action, missed, id=f"{scope}-{whose}-{action}-{number}")
    for (scope, whose, action), all_missed in MISSED.items()
    for number, missed in enumerate(all_missed)
]


@pytest.mark.parametrize(("scope", "whose", "action", "missed"), CASES)
def test_each_statement_is_missed(deploy: Deploy, scope: str, whose: str, action: str, missed: Missed) -> None:
    deployment = deploy(scope)
    with deployment.without(whose, action):
        execution = deployment.start()
        missed(deployment, execution)
    # With the statement back, the waiting execution continues. The next case finds none running.
    execution.end()


@pytest.mark.parametrize("scope", ["all", "resources", PARTS])
def test_every_statement_is_tried(deploy: Deploy, scope: str) -> None:
    granted = {(whose, statement["Action"][0]) for whose in ROLES for statement in deploy(scope).statements(whose)}
    tried = {
        (whose, action)
        for at, whose, action in MISSED
        if at == scope or (scope == "all" and (at, whose) == ("resources", "pipeline"))
    }
    assert granted == tried | NOT_NEEDED.get(scope, set())


@pytest.mark.parametrize("scope", ["all", "resources"])
def test_with_everything_granted_nothing_is_missed(deploy: Deploy, scope: str) -> None:
    deployment = deploy(scope)
    before = deployment.log_events()
    execution = deployment.start()
    assert execution.end() == "Succeeded"
    step = execution.steps[JOB]
    assert (step["EndTime"] - step["StartTime"]).total_seconds() < UNSEEN_SECONDS - JOB_SECONDS
    eventually(lambda: deployment.log_events() > before)


# What each of several functions and queues needs: the step that fails when its ARN is missing from the statement.
NEEDED_BY = {
    ("lambda:InvokeFunction", "function:orders-prepare"): "prepare",
    ("lambda:InvokeFunction", "function:orders-ship"): "ship",
    ("sqs:SendMessage", "orders-approvals"): "approve",
    ("sqs:SendMessage", "orders-deliveries"): "delivered",
}


def test_each_of_several_functions_and_queues_is_granted(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--time-scale", "0.02")
    done = workplace.geopipe(several_functions(workplace, standing), "--non-interactive", "--cleanup=none")
    assert done.returncode == 0, done.stdout + done.stderr
    deployment = NarrowedDeployment(standing, "orders-pipeline", {"pipeline": "orders-sagemaker-role"})
    missed = {}
    for action, resource in NEEDED_BY:
        with deployment.without_resource("pipeline", action, resource):
            execution = deployment.start()
            assert execution.end() == "Failed"
            failed = [name for name, step in execution.steps.items() if step["StepStatus"] == "Failed"]
            reason = execution.steps[failed[0]]["FailureReason"]
            missed[action, resource] = failed[0]
            assert action.lower() in reason.lower(), reason
    assert missed == NEEDED_BY
    assert deployment.start().end() == "Succeeded"
