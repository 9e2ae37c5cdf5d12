"""Why an execution did not succeed: reads its job and the function's last lines, and says it with a code and advice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from ..aws.failures import AWS_ERRORS, reason
from ..aws.polling import TimedOut
from ..errors import ExecutionFailed
from ..failure_codes import Failure
from ..jobs import JOBS
from ..pipeline import execution, failure
from ..pipeline.execution import ExecutionView
from .work import Work

T = TypeVar("T")

_LOG_LINES = 15
_MARK = re.compile(r"(START|REPORT) RequestId: (\S+)")
"""What Lambda itself writes at the beginning and the end of each invocation."""
_LOG_PATIENCE = 5.0
"""Seconds within which a function's last lines should have come; AWS gives no sign of it."""


@dataclass(frozen=True)
class Explanation:
    """Why an execution failed, as data and as the lines of a message."""

    failure: Failure
    lines: tuple[str, ...]


def error(work: Work, view: ExecutionView) -> ExecutionFailed:
    """What to raise for an execution that did not succeed."""
    told = explain(work, view)
    return ExecutionFailed("\n".join(told.lines), told.failure.advice, told.failure)


def explain(work: Work, view: ExecutionView) -> Explanation:
    """Everything known about why. What cannot be read is named; an explanation that lacks it is still one."""
    unread: list[str] = []
    job = _read("the job", lambda: JOBS[work.config.job.kind].failure(work.aws, view.outputs), unread)
    logged = _read("the function's log", lambda: _log_lines(work, view), unread) or ()
    told = failure.explain(view, job, logged)
    return Explanation(told, (*_lines(view, told, work.config.function.log_group), *unread))


def _lines(view: ExecutionView, told: Failure, log_group: str) -> Iterator[str]:
    yield f"Pipeline execution {view.arn} ended {view.status} ({told.code})."
    if view.failure:
        yield f"Reason: {view.failure}"
    for step in view.steps:
        if step.status == "Failed":
            yield f"Step {step.name} failed: {step.failure}"
    if told.job_error:
        yield told.job_error
    if told.log_lines:
        yield f"Last lines of {log_group}:"
        yield from (f"    {line}" for entry in told.log_lines for line in entry.splitlines())


def _read(what: str, read: Callable[[], T], unread: list[str]) -> T | None:
    try:
        return read()
    except AWS_ERRORS as error:
        unread.append(f"({what} could not be read: {reason(error)})")
        return None


def _log_lines(work: Work, view: ExecutionView) -> tuple[str, ...]:
    """The function's last lines. They arrive late, so a failed call of the function is worth a moment's wait."""
    seen: tuple[str, ...] = ()

    def read() -> tuple[str, ...]:
        nonlocal seen
        seen = execution.log_lines(work.aws, work.config.function.log_group, view.started, _LOG_LINES)
        return seen

    called = any(step.kind == "Lambda" for step in view.steps)
    with suppress(TimedOut):
        work.aws.retrier.poll(read, _told_to_the_end, every=0.5, within=_LOG_PATIENCE if called else 0)
    return seen


def _told_to_the_end(lines: tuple[str, ...]) -> bool:
    """Whether each invocation that shows has reported its end."""
    marks = [match for line in lines if (match := _MARK.match(line))]
    ids = {word: {match[2] for match in marks if match[1] == word} for word in ("START", "REPORT")}
    return bool(lines) and ids["START"] <= ids["REPORT"]
