"""Failures caused on purpose: each has its code, with step, reason, the job's error, the log, and what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from geopipe_runner.errors import ADVICE
from tests.support.e2e import ACCOUNT, Standing, Workplace, start_emulator
from tests.support.event_schema import EVENTS

START, JOB, EXPORTED = "vej-processing-step", "vej-callback-step", "export-vej-callback"
PIPELINE = "sagemaker-sdk-example-pipeline"
BUCKET = f"geopipe-local-{ACCOUNT}"


@dataclass(frozen=True)
class CaseSetup:
    """What a case is set up in: a working folder and a running emulator."""

    workplace: Workplace
    standing: Standing


@pytest.fixture(scope="module")
def enforcing() -> Iterator[Callable[[str], Standing]]:
    """Emulators that enforce permissions, one per duration of a job. Every case leaves its emulator empty."""
    started: dict[str, Standing] = {}

    def standing(job_seconds: str) -> Standing:
        if job_seconds not in started:
            started[job_seconds] = start_emulator("--job-seconds", job_seconds)
        return started[job_seconds]

    yield standing
    for one in started.values():
        one.process.terminate()
        one.process.wait(10)


# A fault creates what it needs in the account, and returns its changes to the configuration.

MakeFailure = Callable[[CaseSetup], dict[str, Any]]


def trusts_no_one(which: str, setup: CaseSetup) -> dict[str, Any]:
    """A role to use as it is, which takes back its trust. A plan refuses only one that never gave it."""
    services = [f"{name}.amazonaws.com" for name in ("lambda", "sagemaker", "sagemaker-geospatial")]
    statement = {"Action": "sts:AssumeRole", "Principal": {"Service": services}}
    statements = [{"Effect": effect, **statement} for effect in ("Allow", "Deny")]
    trust = json.dumps({"Version": "2012-10-17", "Statement": statements})
    made = setup.standing.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=trust)
    return {"iam": {which: made["Role"]["Arn"]}}


def not_allowed(denied: str, resource: str, setup: CaseSetup, role: str = "*") -> dict[str, Any]:
    """The boundary takes this away, from both roles or from one."""
    who = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}}
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": resource, "Condition": who},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    made = setup.standing.client("iam").create_policy(PolicyName="boundary", PolicyDocument=document)
    return {"iam": {"permissions_boundary": made["Policy"]["Arn"]}}


def no_input(setup: CaseSetup) -> dict[str, Any]:
    return {"input": {"source": f"s3://{BUCKET}/missing/no-such-file.csv"}}


def this_input(content: bytes, setup: CaseSetup) -> dict[str, Any]:
    return {"input": {"source": setup.standing.put_input(content)}}


def this_handler(code: str, setup: CaseSetup) -> dict[str, Any]:
    folder = setup.workplace.folder / "code"
    folder.mkdir()
    (folder / "handler.py").write_text(f"{code}\n")
    return {"function": {"source": str(folder), "timeout": 1}}


HANDLER = "def lambda_handler(event, context):\n    {}"


@dataclass(frozen=True)
class Case:
    fault: MakeFailure
    code: str
    step: str
    quoted: str
    """Part of the reason or of the job's error."""
    exit_code: int = 3
    of_the_job: bool = False
    logged: str = ""
    """Part of the function's log lines."""


CASES = {
    "role not assumable": Case(
        partial(trusts_no_one, "lambda_role"), "role-not-assumable", "function", "cannot be assumed", exit_code=1
    ),
    "job's role not assumable": Case(
        partial(trusts_no_one, "sagemaker_role"), "role-not-assumable", "pipeline", "assume role", exit_code=1
    ),
    "missing PassRole": Case(
        partial(not_allowed, "iam:PassRole", "*"), "pass-role-denied", START, "iam:PassRole", logged="PassRole"
    ),
    "bucket denies the input": Case(
        partial(not_allowed, "s3:GetObject", f"arn:aws:s3:::{BUCKET}/input/*"),
        "bucket-denied",
        JOB,
        "GetObject",
        of_the_job=True,
        logged="job started",
    ),
    "bucket denies the output": Case(
        partial(not_allowed, "s3:PutObject", f"arn:aws:s3:::{BUCKET}/output/*"),
        "bucket-denied",
        EXPORTED,
        "PutObject",
        of_the_job=True,
        logged="export started",
    ),
    "input missing": Case(no_input, "input-missing", JOB, "NoSuchKey", of_the_job=True, logged="job started"),
    "wrong column": Case(
        partial(this_input, b"lon,lat\n1,2\n"),
        "input-column-missing",
        JOB,
        "no column 'Longitude'",
        of_the_job=True,
        logged="job started",
    ),
    "handler import error": Case(
        partial(this_handler, "import pandas\n\n" + HANDLER.format("return {}")),
        "handler-import-error",
        START,
        "No module named 'pandas'",
        logged="Runtime.ImportModuleError",
    ),
    "handler time-out": Case(
        partial(this_handler, "import time\n\n" + HANDLER.format("time.sleep(60)")),
        "handler-timeout",
        START,
        "timed out",
        logged="timed out",
    ),
    "handler raise": Case(
        partial(this_handler, HANDLER.format("raise RuntimeError('the sky fell')")),
        "handler-error",
        START,
        "the sky fell",
        logged="the sky fell",
    ),
    "job FAILED": Case(
        partial(this_input, b"Longitude,Latitude\n\xff\xfe,2\n"),
        "job-failed",
        JOB,
        "not UTF-8",
        of_the_job=True,
        logged="job started",
    ),
    "export FAILED": Case(
        partial(not_allowed, "sagemaker-geospatial:GetVectorEnrichmentJob", "*", role="*SageMakerExampleRole"),
        "export-failed",
        EXPORTED,
        "GetVectorEnrichmentJob",
        of_the_job=True,
        logged="export started",
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_each_fault_has_its_code(workplace: Workplace, enforcing: Callable[[str], Standing], case: Case) -> None:
    standing = enforcing("0")
    config = workplace.config(endpoint=standing.url, **case.fault(CaseSetup(workplace, standing)))
    done = workplace.geopipe(config, "--output", "json", "--cleanup=all")
    assert done.returncode == case.exit_code, done.stderr
    failure = _failure(done.stdout)
    assert (failure["code"], failure["step"]) == (case.code, case.step)
    assert case.quoted in (failure["job_error"] if case.of_the_job else failure["reason"])
    assert (failure["job_error"] is not None) == case.of_the_job
    assert case.logged in "\n".join(failure["log_lines"]) and bool(case.logged) == bool(failure["log_lines"])
    for text in (failure["reason"], failure["advice"], *failure["log_lines"][-1:]):
        assert text in done.stderr
    assert failure["advice"] == ADVICE[case.code]
    if case.exit_code == 3:
        assert f"({case.code})" in done.stderr
    _nothing_but_what_the_case_made(standing)


def test_a_callback_deadline_has_its_code(workplace: Workplace, enforcing: Callable[[str], Standing]) -> None:
    standing = enforcing("600")
    config = workplace.config(endpoint=standing.url, execution={"callback_deadline": 1})
    done = workplace.geopipe(config, "--output", "json", "--cleanup=all")
    assert done.returncode == 3, done.stderr
    failure = _failure(done.stdout)
    assert (failure["code"], failure["step"]) == ("callback-deadline", JOB)
    assert "deadline of 1 s has passed: job IN_PROGRESS" in failure["reason"]
    assert "STOP" in failure["job_error"]  # no one waits for it any more
    assert failure["log_lines"] and failure["advice"] in done.stderr
    assert standing.inventory() == {}


def test_a_stop_by_another_user_has_its_code(workplace: Workplace, enforcing: Callable[[str], Standing]) -> None:
    standing = enforcing("600")
    config = workplace.config(endpoint=standing.url)
    process = workplace.start(config, "--non-interactive", "--cleanup=none")
    arn = _execution(process)
    standing.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "ended Stopped (execution-stopped)." in output and ADVICE["execution-stopped"] in output
    shown = workplace.geopipe("status", config, "--output", "json")
    event = json.loads(shown.stdout.splitlines()[0])
    EVENTS.validate(event)
    assert event["explanation"]["code"] == "execution-stopped"
    assert event["explanation"]["advice"] in workplace.geopipe("status", config).stdout
    assert workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def _failure(output: str) -> dict[str, Any]:
    events = [json.loads(line) for line in output.splitlines()]
    for event in events:
        EVENTS.validate(event)
    failed = [event["failure"] for event in events if event["event"] == "failed"]
    assert len(failed) == 1
    found: dict[str, Any] = failed[0]
    return found


def _execution(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "Execution started with ARN" in line:
            return line.split()[-1].rstrip(".")
    raise AssertionError("no execution was started")


def _nothing_but_what_the_case_made(standing: Standing) -> None:
    """And that goes, too."""
    iam = standing.client("iam")
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        assert policy["PolicyName"] == "boundary"
        iam.delete_policy(PolicyArn=policy["Arn"])
    for role in iam.list_roles()["Roles"]:
        assert role["RoleName"] == "other"
        iam.delete_role(RoleName="other")
    for bucket in standing.client("s3").list_buckets()["Buckets"]:
        assert bucket["Name"] == "survey-data"
        standing.client("s3").delete_object(Bucket="survey-data", Key="points.csv")
        standing.client("s3").delete_bucket(Bucket="survey-data")
    assert standing.inventory() == {}
