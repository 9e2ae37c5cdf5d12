"""Why an execution failed, from its steps, its job and its log. Pure: others have read them.

What AWS says of a failed step is free text, and different for each kind of step; the patterns here are the texts of
Lambda, IAM and SageMaker, and those of our own function's answers.
"""

from __future__ import annotations

import re

from ..aws.error_codes import DENIED_TEXT, NOT_ASSUMABLE_TEXT, NOT_FOUND_TEXT, PASS_ROLE_TEXT, is_final_denial
from ..errors import Failure
from ..jobs.base import JobFailure
from .execution import ExecutionView, StepView

_ANY_STEP = (
    ("role-not-assumable", NOT_ASSUMABLE_TEXT),
    ("pass-role-denied", PASS_ROLE_TEXT),
    ("access-denied", DENIED_TEXT),
)
# What SageMaker cannot repeat, or what would end the same way.
_NO_RETRY = frozenset({"fail-step", "execution-failed", "callback-undeliverable"})
_NOT_SENT = re.compile(r"send.{0,20}message|SendMessage", re.IGNORECASE)
_RETURNED = re.compile(r"error from Lambda function", re.IGNORECASE)
# The function's own error, as opposed to the service's: "Client Error: ..." is how SageMaker begins its reasons.
_HANDLER_ERROR = re.compile(
    r"error from Lambda function|errorMessage|errorType|FunctionError|Unhandled|\b[A-Za-z_.]+(Error|Exception): ",
)
_LOGGED_ERROR = re.compile(r"\[ERROR\]|Traceback \(most recent", re.IGNORECASE)
_OUTPUT_TOO_LONG = re.compile(
    r"output.{0,80}(exceed|longer than|too long|at most|maximum|more than).{0,40}1,?024"
    r"|output.{0,80}(exceed|longer|too long)|1,?024 characters",
    re.IGNORECASE | re.DOTALL,
)
_LAMBDA_STEP = (
    (
        "function-missing",
        re.compile(
            r"Function not found|ResourceNotFoundException\) when calling the Invoke operation"
            r"|Failed to invoke[^:]*: .*ResourceNotFoundException",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (
        "handler-import-error",
        re.compile(r"ImportModuleError|Unable to import module|HandlerNotFound|MalformedHandlerName", re.IGNORECASE),
    ),
    ("handler-timeout", re.compile(r"Task timed out|Sandbox\.Timedout|Lambda step timed out", re.IGNORECASE)),
)
_CALLBACK_STEP = (
    (
        "queue-missing",
        re.compile(
            r"NonExistentQueue|QueueDoesNotExist|queue does not exist|specified queue .*not exist", re.IGNORECASE
        ),
    ),
    ("callback-deadline", re.compile(r"callback deadline of .* has passed", re.IGNORECASE)),
    ("callback-undeliverable", re.compile(r"reached the dead-letter queue", re.IGNORECASE)),
)


def explain(
    view: ExecutionView,
    job: JobFailure | None,
    log_lines: tuple[str, ...],
    *,
    missing: frozenset[str] = frozenset(),
    can_retry: bool = False,
) -> Failure:
    """Return why an execution that has ended, and not Succeeded, did so.

    Args:
        view: the execution with its steps.
        job: what the job says went wrong with itself.
        log_lines: what the function logged for this execution.
        missing: which of "function" and "queue" do not exist now, where that was read.
        can_retry: whether the execution will still be there to be retried.
    """
    failed = first_failed(view)
    reason = (failed.failure if failed else "") or view.failure or f"The execution ended {view.status}."
    code = "execution-stopped" if view.status == "Stopped" else _code(failed, reason, job, log_lines, missing)
    if code == "callback-failed" and any(DENIED_TEXT.search(line) for line in log_lines):
        code = "access-denied"  # what the function met while the callback waited; a reason has 256 characters at most
    can_retry = can_retry and job is None and code not in _NO_RETRY
    step = failed.name if failed else None
    return Failure(code, reason, step, job.text if job else None, log_lines, can_retry)


def first_failed(view: ExecutionView) -> StepView | None:
    """Returns the step that failed first; the failures of others may only follow from it."""
    failed = [step for step in view.steps if step.status == "Failed"]
    return min(failed, key=lambda step: step.ended.timestamp() if step.ended else float("inf"), default=None)


def may_be_too_early(step: StepView) -> bool:
    """Whether a step may have failed only because IAM had not yet spread a new role or policy.

    A denial that names a right or a trust counts, unless no waiting can change it. So does a Callback step without a
    token, with any text but "no such queue": SageMaker could not send the message.
    """
    if step.status != "Failed" or is_final_denial(step.failure) or NOT_FOUND_TEXT.search(step.failure):
        return False
    if step.kind == "Callback" and not step.token:
        return True
    return any(pattern.search(step.failure) for pattern in (NOT_ASSUMABLE_TEXT, DENIED_TEXT))


def has_unknown_cause(step: StepView) -> bool:
    """Whether nothing in the reason of a failed Lambda step says what failed."""
    known = (DENIED_TEXT, NOT_ASSUMABLE_TEXT, *(pattern for _, pattern in _LAMBDA_STEP))
    if step.kind != "Lambda" or step.status != "Failed" or is_final_denial(step.failure):
        return False
    return not any(pattern.search(step.failure) for pattern in (*known, NOT_FOUND_TEXT))


def _code(
    failed: StepView | None,
    reason: str,
    job: JobFailure | None,
    log_lines: tuple[str, ...],
    missing: frozenset[str],
) -> str:
    if failed is None:
        return _matching(_ANY_STEP, reason) or "execution-failed"
    if failed.kind == "Fail":
        return "fail-step"
    if failed.kind == "Callback":
        return _callback_code(reason, job, missing)
    if failed.kind == "Lambda":
        return _lambda_code(reason, log_lines, missing)
    return _matching(_ANY_STEP, reason) or "step-failed"


def _callback_code(reason: str, job: JobFailure | None, missing: frozenset[str]) -> str:
    code = _matching(_CALLBACK_STEP, reason) or (job.code if job else None) or _matching(_ANY_STEP, reason)
    if code:
        return code
    if _NOT_SENT.search(reason):
        return "queue-missing" if "queue" in missing else "callback-not-sent"
    return "callback-failed"


def _lambda_code(reason: str, log_lines: tuple[str, ...], missing: frozenset[str]) -> str:
    """A handler's error is called that only where the reason or the log shows one."""
    if _RETURNED.search(reason):  # the function ran, so what its error names is not what SageMaker called
        return _matching(_LAMBDA_STEP[1:] + _ANY_STEP, reason) or "handler-error"
    if code := _matching(_LAMBDA_STEP + _ANY_STEP, reason):
        return code
    if _OUTPUT_TOO_LONG.search(reason):
        return "output-too-long"
    if "function" in missing:
        return "function-missing"
    has_error = _HANDLER_ERROR.search(reason) or any(_LOGGED_ERROR.search(line) for line in log_lines)
    return "handler-error" if has_error else "unknown"


def _matching(patterns: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((code for code, pattern in patterns if pattern.search(text)), None)
