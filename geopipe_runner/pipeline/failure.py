"""From what is known of an execution to why it failed. Pure: others have read the steps, the job and the log.

What AWS says of a failed step is free text, and different for each kind of step; the patterns here are the texts of
Lambda, IAM and SageMaker, and those of our own function's answers.
"""

from __future__ import annotations

import re

from ..failure_codes import Failure
from ..jobs.base import JobFailure
from .execution import ExecutionView, StepView

# The answer to HeadObject and HeadBucket has no body to name an error in: boto3 gives its number.
_DENIED = re.compile(r"AccessDenied|not authorized|\(403\) when calling", re.IGNORECASE)
_ANY_STEP = (
    ("role-not-assumable", re.compile(r"could not assume|cannot be assumed", re.IGNORECASE)),
    ("pass-role-denied", re.compile(r"iam:PassRole", re.IGNORECASE)),
    ("access-denied", _DENIED),
)
_LAMBDA_STEP = (
    (
        "handler-import-error",
        re.compile(r"ImportModuleError|Unable to import module|HandlerNotFound|MalformedHandlerName", re.IGNORECASE),
    ),
    ("handler-timeout", re.compile(r"Task timed out|Sandbox\.Timedout|Lambda step timed out", re.IGNORECASE)),
)
_CALLBACK_STEP = (
    ("callback-deadline", re.compile(r"callback deadline of .* has passed", re.IGNORECASE)),
    ("callback-undeliverable", re.compile(r"reached the dead-letter queue", re.IGNORECASE)),
)


def explain(view: ExecutionView, job: JobFailure | None, log_lines: tuple[str, ...]) -> Failure:
    """Why an execution that has ended, and not Succeeded, did so."""
    failed = first_failed(view)
    reason = (failed.failure if failed else "") or view.failure or f"The execution ended {view.status}."
    code = "execution-stopped" if view.status == "Stopped" else _code(failed, reason, job)
    if code == "callback-failed" and any(_DENIED.search(line) for line in log_lines):
        code = "access-denied"  # what the function met while the callback waited; a reason has 256 characters at most
    return Failure(code, reason, failed.name if failed else None, job.text if job else None, log_lines)


def first_failed(view: ExecutionView) -> StepView | None:
    """The step whose failure came first; the others, if any, may only follow from it."""
    failed = [step for step in view.steps if step.status == "Failed"]
    return min(failed, key=lambda step: step.ended.timestamp() if step.ended else float("inf"), default=None)


def denied(step: StepView) -> bool:
    """Whether a step failed for a right or a trust that its role has not, or not yet."""
    return any(pattern.search(step.failure) for pattern in (_ANY_STEP[0][1], _DENIED))


def _code(failed: StepView | None, reason: str, job: JobFailure | None) -> str:
    if failed is None:
        return _matching(_ANY_STEP, reason) or "execution-failed"
    if failed.kind == "Fail":
        return "fail-step"
    if failed.kind == "Callback":
        told_by_job = job.code if job else None
        return _matching(_CALLBACK_STEP, reason) or told_by_job or _matching(_ANY_STEP, reason) or "callback-failed"
    if failed.kind == "Lambda":
        return _matching(_LAMBDA_STEP + _ANY_STEP, reason) or "handler-error"
    return _matching(_ANY_STEP, reason) or "step-failed"


def _matching(patterns: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((code for code, pattern in patterns if pattern.search(text)), None)
