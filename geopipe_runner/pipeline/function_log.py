"""The function's log of one execution: CloudWatch keeps the lines of all executions in one group.

Lambda brackets each invocation in START and REPORT lines, and a log stream has one invocation after the other. An
invocation belongs to an execution whose ARN, or whose job's ARN, one of its lines names. One that names neither is
counted in only where no other execution ran at the same time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..aws.not_found import none_if_not_found
from .execution import EXECUTION_STATES, ExecutionView, describe_pipeline_execution, every

if TYPE_CHECKING:
    from ..aws.clients import Aws

# The newest of them, for a function that logs without end.
_MAX_EVENTS = 50_000
# What is logged about an end comes a moment after it.
_LATE = timedelta(seconds=5)
# How many executions that began earlier are read, to see whether they had ended.
_OLDER_READ = 5
_EXECUTION_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:pipeline/[A-Za-z0-9-]+/execution/[A-Za-z0-9]+")
_START = re.compile(r"START RequestId: (\S+)")
_REPORT = re.compile(r"REPORT RequestId: (\S+)")
# How a handler's error shows: Lambda's own line for an uncaught one, a traceback, or a line that says so of itself.
_ERROR = re.compile(
    r'\[ERROR\]|Traceback \(most recent|"level": ?"ERROR"|Task timed out|Runtime\.\w+|"errorMessage"', re.IGNORECASE
)


@dataclass
class LoggedInvocation:
    """The lines of one invocation, in order, each with the position it had in the whole log."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    @property
    def has_begun(self) -> bool:
        return any(_START.match(line) for _, line in self.lines)

    @property
    def has_ended(self) -> bool:
        return any(_REPORT.match(line) for _, line in self.lines)

    def names(self, texts: Iterable[str]) -> bool:
        """Whether a line names one of these ARNs."""
        return any(text in line for text in texts for _, line in self.lines)

    @property
    def executions(self) -> set[str]:
        """The ARNs of executions that the lines name."""
        return {arn for _, line in self.lines for arn in _EXECUTION_ARN.findall(line)}


@dataclass(frozen=True)
class ExecutionLog:
    """What the function logged for one execution."""

    lines: tuple[str, ...] = ()
    is_complete: bool = True
    """Whether each invocation has reported its end; lines arrive late."""

    @property
    def errors(self) -> tuple[str, ...]:
        """The lines that say that something went wrong."""
        return tuple(line for line in self.lines if _ERROR.search(line))


def read_function_log(aws: Aws, log_group: str, pipeline: str, view: ExecutionView) -> ExecutionLog:
    """Return what the function logged for an execution of `pipeline`; nothing where there is no log group."""
    invocations = list(_invocations(none_if_not_found(lambda: deque(_events(aws, log_group, view), _MAX_EVENTS)) or ()))
    ours = {view.arn, *(value for value in view.outputs.values() if _is_of_execution(value, view))}
    named = [invocation.names(ours) for invocation in invocations]
    unclear = any(not is_named and not inv.executions for is_named, inv in zip(named, invocations, strict=True))
    is_alone = unclear and ran_alone(aws, pipeline, view)
    chosen = [
        invocation
        for is_named, invocation in zip(named, invocations, strict=True)
        if is_named or (is_alone and not invocation.executions)
    ]
    lines = sorted(entry for invocation in chosen for entry in invocation.lines)
    is_complete = bool(lines) and all(invocation.has_ended for invocation in chosen if invocation.has_begun)
    return ExecutionLog(tuple(line for _, line in lines), is_complete)


def read_function_logs(
    aws: Aws, log_groups: Sequence[str], pipeline: str, view: ExecutionView, needed: Collection[str] = ()
) -> ExecutionLog:
    """Return what several functions logged for an execution, one after the other.

    The log is complete when each has ended what it began, and those `needed` have begun.
    """
    logs = {group: read_function_log(aws, group, pipeline, view) for group in log_groups}
    lines = tuple(line for log in logs.values() for line in log.lines)
    has_needed = all(logs[group].lines for group in needed)
    return ExecutionLog(lines, has_needed and all(log.is_complete for log in logs.values() if log.lines))


def _is_of_execution(output: str, view: ExecutionView) -> bool:
    """Whether a step's output names something that only this execution has: its job, or an object below its run id."""
    return output.startswith("arn:") or bool(output.startswith("s3://") and view.run_id and view.run_id in output)


def ran_alone(aws: Aws, pipeline: str, view: ExecutionView) -> bool:
    """Return whether no other execution of the pipeline ran at the same time, as far as its newest ones show."""
    ended, older = _end(view), 0
    for other in every(aws, pipeline):
        if other.arn == view.arn or (ended and other.started and other.started > ended + _LATE):
            continue
        if not view.started or not other.started or other.started >= view.started or older == _OLDER_READ:
            return older == _OLDER_READ
        older += 1
        other = describe_pipeline_execution(aws.client("sagemaker"), other.arn)
        if not EXECUTION_STATES.is_final(other.status) or not other.modified or other.modified > view.started:
            return False
    return True


def _end(view: ExecutionView) -> datetime | None:
    if not EXECUTION_STATES.is_final(view.status):
        return None
    return max((step.ended for step in view.steps if step.ended), default=None) or view.modified


def _events(aws: Aws, log_group: str, view: ExecutionView) -> Iterator[dict[str, Any]]:
    until = _end(view)
    times = {"startTime": _milliseconds(view.started)} if view.started else {}
    times |= {"endTime": _milliseconds(until + _LATE)} if until else {}
    for page in aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group, **times):
        yield from page["events"]


def _invocations(events: Iterable[dict[str, Any]]) -> Iterator[LoggedInvocation]:
    """Split each stream at its START lines. What comes before the first one is loading code, and belongs to it."""
    open_ones: dict[str, LoggedInvocation] = {}
    for position, event in enumerate(events):
        stream, line = str(event.get("logStreamName", "")), str(event["message"]).rstrip("\n")
        current = open_ones.get(stream)
        if current is None or (_START.match(line) and current.has_begun):
            if current is not None:
                yield current
            current = open_ones[stream] = LoggedInvocation()
        current.lines.append((position, line))
    yield from open_ones.values()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
