"""Nothing is granted that is not needed: each statement of our policies is taken away in turn, and missed.

One deployment per scope, made by a real run on an emulator that holds roles to their policies. Then the policy is
replaced by one without the statement, and an execution is started by hand.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e_world import Standing, Workplace, eventually, start_emulator

JOB_SECONDS = 1.0
UNSEEN_SECONDS = 6.0
"""The queue's 300 s of visibility under the time scale: how late a finished job is seen that is not asked for anew."""
FUNCTION, PIPELINE = "SageMakerExampleFunction", "sagemaker-sdk-example-pipeline"
ROLES = {"function": "SageMakerExampleLambdaRole", "pipeline": "SageMakerExampleRole"}
START, JOB, EXPORTED = "vej-processing-step", "vej-callback-step", "export-vej-callback"


@dataclass
class Execution:
    deployment: Deployment
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
        return str(eventually(lambda: self.status if self.status not in ("Executing", "Stopping") else ""))

    def job(self) -> dict[str, Any]:
        outputs = self.step_in(START, "Succeeded")["Metadata"]["Lambda"]["OutputParameters"]
        arn = next(output["Value"] for output in outputs if output["Name"] == "vej_arn")
        job: dict[str, Any] = self.deployment.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn)
        return job


class Deployment:
    """What one run has left, under an emulator that enforces permissions."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._standing.client(service)
        return self._clients[service]

    @cached_property
    def parameters(self) -> list[dict[str, str]]:
        sagemaker = self.client("sagemaker")
        first = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"][0]
        found: list[dict[str, str]] = sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=first["PipelineExecutionArn"]
        )["PipelineParameters"]
        return found

    def start(self) -> Execution:
        started = self.client("sagemaker").start_pipeline_execution(
            PipelineName=PIPELINE, PipelineParameters=self.parameters
        )
        return Execution(self, started["PipelineExecutionArn"])

    def policy_arn(self, whose: str) -> str:
        attached = self.client("iam").list_attached_role_policies(RoleName=ROLES[whose])["AttachedPolicies"]
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
        """How often these have been called so far, whoever called and whatever was answered."""
        with urllib.request.urlopen(f"{self._standing.url}/_geopipe/calls", timeout=10) as answer:
            rows = [row for rows in json.load(answer).values() for row in rows]
        return sum(row["count"] for row in rows if f"{row['service']}:{row['operation']}" in operations)

    def log_events(self) -> int:
        return len(self.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"])


Deploy = Callable[[str], Deployment]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """One deployment per scope, made when it is first asked for."""
    started: dict[str, Deployment] = {}

    def make(scope: str) -> Deployment:
        if scope not in started:
            standing = start_emulator("--time-scale", "0.02", "--job-seconds", str(JOB_SECONDS))
            started[scope] = Deployment(standing)
            workplace = Workplace(tmp_path_factory.mktemp(scope))
            config = workplace.config(endpoint=standing.url, iam={"scope": scope})
            done = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
            assert done.returncode == 0, done.stdout + done.stderr
        return started[scope]

    yield make
    for deployment in started.values():
        deployment.end()


# What is missed when a statement is missing.

Missed = Callable[[Deployment, Execution], None]


def step_fails(step: str, *told: str) -> Missed:
    """The execution fails at `step`, and the reason says what was not allowed."""

    def check(deployment: Deployment, execution: Execution) -> None:
        assert execution.end() == "Failed"
        reason = execution.steps[step]["FailureReason"]
        for text in told:
            assert text.lower() in reason.lower()

    return check


def callback_waits(*operations: str) -> Missed:
    """The job is done, this was tried again and again, and the callback is still not answered."""

    def check(deployment: Deployment, execution: Execution) -> None:
        eventually(lambda: execution.job()["Status"] == "COMPLETED")
        before = deployment.count(*operations)
        eventually(lambda: deployment.count(*operations) >= before + 2)
        assert execution.steps[JOB]["StepStatus"] == "Executing"

    return check


def nothing_is_logged(deployment: Deployment, execution: Execution) -> None:
    """The function runs all the same, as on AWS."""
    before, tried = deployment.log_events(), deployment.count("logs:PutLogEvents", "logs:CreateLogStream")
    assert execution.end() == "Succeeded"
    eventually(lambda: deployment.count("logs:PutLogEvents", "logs:CreateLogStream") > tried)
    assert deployment.log_events() == before


def job_runs_on(deployment: Deployment, execution: Execution) -> None:
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


def job_is_seen_late(deployment: Deployment, execution: Execution) -> None:
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
}
"""By scope, role and first action of the statement. The pipeline's policy is the same in both scopes."""

CASES = [
    pytest.param(scope, whose, action, missed, id=f"{whose}-{action}-{number}")
    for (scope, whose, action), all_missed in MISSED.items()
    for number, missed in enumerate(all_missed)
]


@pytest.mark.parametrize(("scope", "whose", "action", "missed"), CASES)
def test_each_statement_is_missed(deploy: Deploy, scope: str, whose: str, action: str, missed: Missed) -> None:
    deployment = deploy(scope)
    with deployment.without(whose, action):
        execution = deployment.start()
        missed(deployment, execution)
    # With the statement back, what waited goes on; the next case finds nothing running.
    execution.end()


@pytest.mark.parametrize("scope", ["all", "resources"])
def test_every_statement_is_tried(deploy: Deploy, scope: str) -> None:
    granted = {(whose, statement["Action"][0]) for whose in ROLES for statement in deploy(scope).statements(whose)}
    assert granted == {(whose, action) for at, whose, action in MISSED if at == scope or whose == "pipeline"}


@pytest.mark.parametrize("scope", ["all", "resources"])
def test_with_everything_granted_nothing_is_missed(deploy: Deploy, scope: str) -> None:
    deployment = deploy(scope)
    before = deployment.log_events()
    execution = deployment.start()
    assert execution.end() == "Succeeded"
    step = execution.steps[JOB]
    assert (step["EndTime"] - step["StartTime"]).total_seconds() < UNSEEN_SECONDS - JOB_SECONDS
    eventually(lambda: deployment.log_events() > before)
