"""Why an execution failed, from what its steps, its job and its log say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from geopipe_runner.errors import ADVICE
from geopipe_runner.jobs.base import JobFailure
from geopipe_runner.jobs.vector_enrichment import failure_of
from geopipe_runner.pipeline.execution import ExecutionView, StepView
from geopipe_runner.pipeline.failure import explain, has_unknown_cause, may_be_too_early
from tests.support.paths import ROOT

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMN = JobFailure("input-column-missing", "Job FAILED: CLIENT_ERROR The input has no column 'Longitude'.")


def step(kind: str, failure: str, status: str = "Failed", ended: int = 0, name: str = "s") -> StepView:
    return StepView(name, kind, status, NOON, NOON + timedelta(seconds=ended), failure)


def view(*steps: StepView, status: str = "Failed", failure: str = "") -> ExecutionView:
    return ExecutionView("arn", status, "run", NOON, failure, steps)


@pytest.mark.parametrize(
    ("kind", "reason", "job", "code"),
    [
        ("Lambda", "Runtime.ImportModuleError: Unable to import module 'handler'", None, "handler-import-error"),
        (
            "Lambda",
            "Runtime.HandlerNotFound: Handler 'missing' missing on module 'handler'",
            None,
            "handler-import-error",
        ),
        ("Lambda", "Sandbox.Timedout: 2026 Task timed out after 1.00 seconds", None, "handler-timeout"),
        ("Lambda", "Client Error: Lambda step timed out after 600 seconds", None, "handler-timeout"),
        ("Lambda", "RuntimeError: the sky fell", None, "handler-error"),
        ("Lambda", "AccessDeniedException: not authorized to perform: iam:PassRole on x", None, "pass-role-denied"),
        ("Lambda", "User is not authorized to perform: lambda:InvokeFunction", None, "access-denied"),
        ("Lambda", "ValidationException: Could not assume role arn:x", None, "role-not-assumable"),
        ("Callback", "The vector enrichment job is FAILED: no column", COLUMN, "input-column-missing"),
        ("Callback", "The callback deadline of 60 s has passed: job IN_PROGRESS", COLUMN, "callback-deadline"),
        (
            "Callback",
            "The callback could not be answered and reached the dead-letter queue",
            None,
            "callback-undeliverable",
        ),
        ("Callback", "the operator said so", None, "callback-failed"),
        ("Callback", "role/Pipeline is not authorized to perform: sqs:SendMessage on q", None, "access-denied"),
        ("Callback", "AccessDenied: as the answer said", COLUMN, "input-column-missing"),
        ("Lambda", "An error occurred (403) when calling the HeadObject operation: Forbidden", None, "access-denied"),
        ("Lambda", "Runtime.MalformedHandlerName: Bad handler 'handler'", None, "handler-import-error"),
        ("Processing", "ClientError: not authorized to perform: s3:GetObject", None, "access-denied"),
        ("Fail", "too few rows", None, "fail-step"),
        (
            "Lambda",
            "Client Error: Failed to invoke Lambda function: An error occurred (ResourceNotFoundException) when "
            "calling the Invoke operation: Function not found: arn:x",
            None,
            "function-missing",
        ),
        ("Lambda", "ResourceNotFoundException: Function not found: arn:aws:lambda:x", None, "function-missing"),
        (
            "Lambda",
            "Client Error: Received error from Lambda function: ClientError: An error occurred "
            "(ResourceNotFoundException) when calling the GetVectorEnrichmentJob operation: gone",
            None,
            "handler-error",
        ),
        ("Lambda", "Client Error: output parameter 'rows' exceeds 1024 characters", None, "output-too-long"),
        ("Lambda", "ClientError: Value of output rows is longer than 1,024 characters", None, "output-too-long"),
        ("Lambda", "Client Error: something went wrong", None, "unknown"),
        ("Lambda", "Internal service fault", None, "unknown"),
        (
            "Callback",
            "Failed to send message to SQS queue http://q: An error occurred "
            "(AWS.SimpleQueueService.NonExistentQueue) when calling SendMessage: gone",
            None,
            "queue-missing",
        ),
        (
            "Callback",
            "Failed to send message to SQS queue: timed out",
            None,
            "callback-not-sent",
        ),
        ("Processing", "AlgorithmError", None, "step-failed"),
    ],
)
def test_a_failed_step(kind: str, reason: str, job: JobFailure | None, code: str) -> None:
    found = explain(view(step(kind, reason)), job, ("last words",))
    assert (found.code, found.step, found.reason) == (code, "s", reason)
    assert found.job_error == (job.text if job else None) and found.log_lines == ("last words",)
    assert found.advice == ADVICE[code]


def test_a_job_that_failed_is_not_what_a_lambda_step_failed_of() -> None:
    assert explain(view(step("Lambda", "RuntimeError: x")), COLUMN, ()).code == "handler-error"


def test_of_several_failed_steps_the_first_counts() -> None:
    later, sooner = step("Lambda", "RuntimeError: later", ended=9), step("Fail", "sooner", ended=3, name="f")
    assert explain(view(later, sooner), None, ()).step == "f"


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("Stopped", "", "execution-stopped"),
        ("Failed", "", "execution-failed"),
        ("Failed", "Could not assume role arn:x", "role-not-assumable"),
        ("Failed", "AccessDenied: no", "access-denied"),
        ("CompletedWithFailures", "", "execution-failed"),
    ],
)
def test_an_end_without_a_failed_step(status: str, reason: str, code: str) -> None:
    found = explain(view(step("Lambda", "", status="Stopped"), status=status, failure=reason), None, ())
    assert (found.code, found.step) == (code, None)
    assert found.reason == (reason or f"The execution ended {status}.")


def test_a_stopped_execution_stays_stopped_with_a_failed_job() -> None:
    assert (
        explain(view(step("Callback", "", status="Stopped"), status="Stopped"), COLUMN, ()).code == "execution-stopped"
    )


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"Status": "COMPLETED"}, None),
        ({"Status": "IN_PROGRESS"}, None),
        ({"Status": "STOPPED"}, "job-stopped"),
        ({"Status": "DELETED"}, "job-stopped"),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorType": "SERVER_ERROR", "ErrorMessage": "oh"}}, "job-failed"),
        ({"Status": "FAILED", "ErrorDetails": {}}, "job-failed"),
        ({"Status": "FAILED"}, "job-failed"),
        ({"Status": "COMPLETED", "ExportStatus": "FAILED"}, "export-failed"),
        (
            {"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "The column key does not exist"}},
            "input-column-missing",
        ),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "(NoSuchKey) when calling GetObject"}}, "input-missing"),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "AccessDenied calling GetObject"}}, "bucket-denied"),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "AccessDenied calling GetJob"}}, "job-failed"),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "Column Lon was not found"}}, "input-column-missing"),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "Could not assume role x"}}, "role-not-assumable"),
        (
            {
                "Status": "COMPLETED",
                "ExportStatus": "FAILED",
                "ExportErrorDetails": {"Type": "CLIENT_ERROR", "Message": "NoSuchBucket when calling PutObject"},
            },
            "export-failed",
        ),
    ],
    ids=str,
)
def test_what_a_job_says(job: dict[str, object], code: str | None) -> None:
    found = failure_of(job)
    assert (found.code if found else None) == code
    assert found is None or found.code in ADVICE


REAL_TEXTS_THAT_MAY_PASS = [
    ("Lambda", "ValidationException: Could not assume role arn:aws:iam::1:role/x. Please ensure that the role exists"),
    ("Processing", "ClientError: SageMaker was unable to assume the role 'arn:aws:iam::1:role/x'"),
    ("Processing", "ClientError: the pipeline execution role does not have sufficient permissions to the job."),
    (
        "Lambda",
        "AccessDeniedException: User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: s3:GetObject",
    ),
    ("Lambda", "An error occurred (403) when calling the HeadObject operation: Forbidden"),
    ("Callback", "role/Pipeline is not authorized to perform: sqs:SendMessage on q"),
    ("Callback", "an unknown text: the message was never sent, since there is no token"),
]
DENIALS_THAT_STAY = [
    "User: x is not authorized to perform: sagemaker-geospatial:StartVectorEnrichmentJob because no policy allows it",
    "User: x is not authorized to perform: s3:GetObject with an explicit deny in a service control policy",
    "An error occurred (AccessDeniedException) when calling the StartVectorEnrichmentJob operation: no",
    "AccessDeniedException: Only existing SageMaker geospatial customers can access the service.",
    "AccessDeniedException: The service is no longer available to new customers.",
]


@pytest.mark.parametrize(("kind", "text"), REAL_TEXTS_THAT_MAY_PASS)
def test_a_permission_may_only_be_late(kind: str, text: str) -> None:
    assert may_be_too_early(step(kind, text))


@pytest.mark.parametrize("text", DENIALS_THAT_STAY)
@pytest.mark.parametrize("kind", ["Lambda", "Callback", "Processing"])
def test_a_final_denial_is_not_too_early(kind: str, text: str) -> None:
    assert not may_be_too_early(step(kind, text))


def test_other_failures_are_not_too_early() -> None:
    assert not may_be_too_early(step("Lambda", "RuntimeError: x"))
    assert not may_be_too_early(step("Lambda", "AccessDenied: no", status="Succeeded"))
    answered = replace(step("Callback", "the operator said so"), token="abcdefghij")
    assert not may_be_too_early(answered)


def test_an_unknown_cause_of_a_lambda_step() -> None:
    assert has_unknown_cause(step("Lambda", "an unknown text"))
    assert not has_unknown_cause(step("Processing", "an unknown text"))
    assert not has_unknown_cause(step("Lambda", "an unknown text", status="Succeeded"))
    for text in (*DENIALS_THAT_STAY, "Task timed out after 3 seconds", "not authorized to perform: s3:GetObject"):
        assert not has_unknown_cause(step("Lambda", text))


def test_the_page_lists_every_code_with_its_advice() -> None:
    page = (ROOT / "docs/reference/failures.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert {code: advice for code, _, advice in rows} == dict(ADVICE)
    assert all(what for _, what, _ in rows)


def test_a_denial_in_the_log_explains_a_failed_callback() -> None:
    found = view(step("Callback", "The work was not done"))
    assert explain(found, None, ("tried again: AccessDenied calling PutObject",)).code == "access-denied"
    assert explain(found, COLUMN, ("AccessDenied",)).code == COLUMN.code


@pytest.mark.parametrize(
    ("kind", "reason", "missing", "log_line", "code"),
    [
        ("Lambda", "something went wrong", "function", "", "function-missing"),
        ("Lambda", "something went wrong", "", "[ERROR] KeyError: 'vej_name'", "handler-error"),
        ("Lambda", "something went wrong", "", "START RequestId: 1", "unknown"),
        ("Lambda", "Client Error: Received error from Lambda function: null", "function", "", "handler-error"),
        ("Callback", "The message could not be sent: SendMessage failed", "queue", "", "queue-missing"),
        ("Callback", "given up by hand", "queue", "", "callback-failed"),
    ],
)
def test_where_the_reason_is_unclear_the_state_decides(
    kind: str, reason: str, missing: str, log_line: str, code: str
) -> None:
    failure = explain(view(step(kind, reason)), None, (log_line,), missing=frozenset(filter(None, [missing])))
    assert (failure.code, failure.step, failure.reason) == (code, "s", reason)


@pytest.mark.parametrize(
    ("kind", "reason", "job", "can_retry"),
    [
        ("Lambda", "RuntimeError: x", None, True),
        ("Callback", "the job is FAILED", COLUMN, False),
        ("Fail", "too few rows", None, False),
    ],
)
def test_retry_is_advised_only_where_it_can_help(
    kind: str, reason: str, job: JobFailure | None, can_retry: bool
) -> None:
    failed = view(step(kind, reason))
    assert ("`retry`" in explain(failed, job, (), can_retry=True).advice) is can_retry
    assert "`retry`" not in explain(failed, job, ()).advice  # it is cleaned up, or ends with the emulator
