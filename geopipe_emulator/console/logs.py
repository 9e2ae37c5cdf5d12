"""Log lines of functions, and the invocations in them: Lambda has no operation that lists invocations."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from .api import AccountApi, error_code

_MOST_STREAMS = 6
_MOST_EVENTS = 1000
_MOST_LINES = 200
_MOST_INVOCATIONS = 50
_START = re.compile(r"START RequestId: ([\w-]+)")
_REPORT = re.compile(r"REPORT RequestId: ([\w-]+)")


@dataclass(frozen=True)
class ShownLine:
    """A line, and when it was written, in seconds since the epoch."""

    moment: float
    text: str


@dataclass
class InvocationLines:
    """One invocation as its log has it. Without a REPORT line it still runs, or its environment was killed."""

    request_id: str
    started: float
    lines: list[ShownLine] = field(default_factory=list)
    duration: str = ""
    memory: str = ""
    status: str = "running"
    error: str = ""

    def _end(self, report: str) -> None:
        facts = dict(part.split(": ", 1) for part in report.strip().split("\t") if ": " in part)
        self.duration = facts.get("Duration", "")
        self.memory = facts.get("Max Memory Used", "")
        self.status = facts.get("Status", "success").strip()
        self.error = facts.get("Error Type", "").strip()


def function_log(api: AccountApi, name: str) -> list[InvocationLines]:
    """Return the last invocations of a function, newest first."""
    logs, group = api.client("logs"), f"/aws/lambda/{name}"
    invocations: list[InvocationLines] = []
    for stream in _newest_streams(logs, group):
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=_MOST_EVENTS, startFromHead=False)[
            "events"
        ]
        invocations += _invocations(events)
    invocations.sort(key=lambda invocation: invocation.started, reverse=True)
    return invocations[:_MOST_INVOCATIONS]


def _newest_streams(logs: Any, group: str) -> list[str]:
    try:
        streams = logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=_MOST_STREAMS
        )["logStreams"]
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return []
        raise
    return [stream["logStreamName"] for stream in streams]


def _invocations(events: list[dict[str, Any]]) -> list[InvocationLines]:
    """Divide the events of one execution environment, which runs one invocation at a time."""
    invocations: list[InvocationLines] = []
    for event in events:
        line = ShownLine(event["timestamp"] / 1000, event["message"].rstrip("\n"))
        if match := _START.match(line.text):
            invocations.append(InvocationLines(match[1], line.moment))
        if invocations:  # lines before belong to the start of the environment, or to what was cut off
            invocations[-1].lines.append(line)
            if _REPORT.match(line.text):
                invocations[-1]._end(line.text)
    return invocations


def lines_between(
    api: AccountApi, group: str, start: datetime, end: datetime | None, prefix: str = "", request_id: str = ""
) -> list[ShownLine]:
    """Return the last lines of a log group between two moments.

    With `prefix`, those of streams whose names begin with it; with `request_id`, those of one invocation.
    """
    window: dict[str, Any] = {"startTime": int(start.timestamp() * 1000)}
    if end is not None:
        window["endTime"] = int(end.timestamp() * 1000) + 1
    if prefix:
        window["logStreamNamePrefix"] = prefix
    try:
        events = api.client("logs").filter_log_events(logGroupName=group, limit=_MOST_EVENTS, **window)["events"]
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return []
        raise
    if request_id:
        streams: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            streams.setdefault(event["logStreamName"], []).append(event)
        invocations = [invocation for stream in streams.values() for invocation in _invocations(stream)]
        found = next((invocation for invocation in invocations if invocation.request_id == request_id), None)
        return found.lines[-_MOST_LINES:] if found else []
    return [ShownLine(event["timestamp"] / 1000, event["message"].rstrip("\n")) for event in events][-_MOST_LINES:]
