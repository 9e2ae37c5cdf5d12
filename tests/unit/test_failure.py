"""Why an execution failed, from what its steps, its job and its log say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from geopipe_runner.failure_codes import ADVICE
from geopipe_runner.jobs.base import JobFailure
from geopipe_runner.jobs.reverse_geocoding import failure_of
from geopipe_runner.pipeline.execution import ExecutionView, StepView
from geopipe_runner.pipeline.failure import denied, explain

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
            "Runtime.HandlerNotFound: Handler 'nobody' missing on module 'handler'",
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
        ("Callback", "somebody said so", None, "callback-failed"),
        ("Callback", "role/Pipeline is not authorized to perform: sqs:SendMessage on q", None, "access-denied"),
        ("Callback", "AccessDenied: told by whoever answered", COLUMN, "input-column-missing"),
        ("Lambda", "An error occurred (403) when calling the HeadObject operation: Forbidden", None, "access-denied"),
        ("Lambda", "Runtime.MalformedHandlerName: Bad handler 'handler'", None, "handler-import-error"),
        ("Processing", "ClientError: not authorized to perform: s3:GetObject", None, "access-denied"),
        ("Fail", "too few rows", None, "fail-step"),
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


def test_a_stopped_execution_is_stopped_whatever_else_is_said() -> None:
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


def test_a_right_that_may_only_be_late() -> None:
    assert denied(step("Lambda", "Could not assume role x")) and denied(step("Lambda", "AccessDenied: no"))
    assert denied(step("Callback", "not authorized to perform: sqs:SendMessage on q"))
    assert denied(step("Lambda", "An error occurred (403) when calling the HeadObject operation: Forbidden"))
    assert not denied(step("Lambda", "RuntimeError: x"))


def test_the_page_lists_every_code_with_its_advice() -> None:
    page = (Path(__file__).parents[2] / "docs/failures.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert {code: advice for code, _, advice in rows} == dict(ADVICE)
    assert all(what for _, what, _ in rows)


def test_a_denial_in_the_log_tells_why_a_callback_failed() -> None:
    found = view(step("Callback", "The work was not done"))
    assert explain(found, None, ("tried again: AccessDenied calling PutObject",)).code == "access-denied"
    assert explain(found, COLUMN, ("AccessDenied",)).code == COLUMN.code
