"""Why an execution did not succeed: reads its job, its function and its queue, and says it with a code and advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from ..aws.errors import AWS_ERRORS, reason
from ..aws.poll import TimedOut
from ..context import Context
from ..deployment import DeployedFunction, Deployment
from ..errors import ExecutionFailed, Failure
from ..events import ExecutionShown, Note
from ..jobs.registry import job_of
from ..pipeline import failure
from ..pipeline.execution import EXECUTION_STATES, ExecutionView, StepView
from ..pipeline.function_log import ExecutionLog, read_function_logs
from . import waiting
from .find import with_steps

T = TypeVar("T")

_LOG_LINES = 15
# Seconds within which a function's last lines should have arrived; AWS gives no sign of it.
_LOG_DELAY = 15.0


@dataclass(frozen=True)
class Explanation:
    """Why an execution failed, as data and as the lines of a message."""

    failure: Failure
    lines: tuple[str, ...]


def show(context: Context, view: ExecutionView, *, stopped_on_purpose: bool = False) -> None:
    """Show an execution as it is now: its steps, and why it failed or still waits.

    What this command has just stopped needs no explanation.
    """
    view = with_steps(context, view)
    is_over = EXECUTION_STATES.is_final(view.status)
    if is_over and not view.succeeded and not (stopped_on_purpose and view.status == "Stopped"):
        explanation = explain(context, view)
        context.report.emit(ExecutionShown(view, explanation.lines, explanation.failure))
        return
    context.report.emit(ExecutionShown(view, ()))
    for line in () if is_over else waiting.explain(context, view):
        context.report.emit(Note(line))


def error(context: Context, view: ExecutionView) -> ExecutionFailed:
    """Return what to raise for an execution that did not succeed."""
    explanation = explain(context, view)
    return ExecutionFailed("\n".join(explanation.lines), explanation.failure.advice, explanation.failure)


def explain(context: Context, view: ExecutionView) -> Explanation:
    """Return everything known about why. What cannot be read is named; an explanation that lacks it is still one."""
    unread: list[str] = []
    job_kind = job_of(context.config.job)
    job = _read("the job", lambda: job_kind.failure(context.aws, view.outputs), unread)
    log_lines = _read("the function's log", lambda: _log_lines(context, view), unread)
    missing = _read("the function or the queue", lambda: _missing(context, view), unread)
    cause = failure.explain(
        view,
        job,
        log_lines or (),
        missing=missing or frozenset(),
        can_retry=context.options.cleanup_policy(context.config) != "all" and not context.config.forgets,
    )
    return Explanation(cause, (*_lines(view, cause, " and ".join(context.blueprint.deployment.log_groups)), *unread))


def _lines(view: ExecutionView, cause: Failure, log_group: str) -> Iterator[str]:
    yield f"Pipeline execution {view.arn} ended {view.status} ({cause.code})."
    if view.failure:
        yield f"Reason: {view.failure}"
    for step in view.steps:
        if step.status == "Failed":
            yield f"Step {step.name} failed: {step.failure}"
    if cause.job_error:
        yield cause.job_error
    if cause.log_lines:
        yield f"Last lines of {log_group} for this execution:"
        yield from (f"    {line}" for entry in cause.log_lines for line in entry.splitlines())


def _read(what: str, read: Callable[[], T], unread: list[str]) -> T | None:
    try:
        return read()
    except AWS_ERRORS as error:
        unread.append(f"({what} could not be read: {reason(error)})")
        return None


def _missing(context: Context, view: ExecutionView) -> frozenset[str]:
    """Whether the "function" or the "queue" that a failed step needed does not exist now."""
    deployment = context.blueprint.deployment
    needed: dict[str, str] = {}
    for step in view.steps:
        if step.status == "Failed" and step.kind == "Lambda":
            function = deployment.function_at(step.target or deployment.function_arn)
            needed |= {function.key: "function"} if function else {}
        if step.status == "Failed" and step.kind == "Callback":
            queue = deployment.queue_at(step.target)
            needed |= {queue.key: "queue"} if queue else {}
    return frozenset(
        needed[resource.key]
        for resource in context.blueprint.resources
        if resource.key in needed and resource.kind.observe(context.aws, resource.spec) is None
    )


def _functions(deployment: Deployment, step: StepView) -> Iterator[DeployedFunction]:
    """Yield the function that a Lambda step calls, or the one that receives the messages of a Callback step."""
    function = None
    if step.kind == "Lambda":
        function = deployment.function_at(step.target or deployment.function_arn)
    elif step.kind == "Callback" and (queue := deployment.queue_at(step.target)):
        function = deployment.receiver_of(queue)
    if function:
        yield function


def _log_lines(context: Context, view: ExecutionView) -> tuple[str, ...]:
    """Return the functions' last lines. They arrive late, so a step that failed with a function is worth a wait."""
    log, deployment = ExecutionLog(), context.blueprint.deployment
    failed = [function for step in view.steps if step.status == "Failed" for function in _functions(deployment, step)]
    needed = {function.log_group for function in failed}

    def read() -> ExecutionLog:
        nonlocal log
        pipeline = context.config.pipeline.name
        log = read_function_logs(context.aws, deployment.log_groups, pipeline, view, needed)
        return log

    with suppress(TimedOut):
        context.aws.retrier.poll(read, lambda log: log.is_complete, every=0.5, within=_LOG_DELAY if needed else 0)
    return log.lines[-_LOG_LINES:]
