"""The lines of several log groups as they arrive: each once, also those that arrive late.

CloudWatch Logs shows a line some seconds after it was written, and not in order: a line that was written earlier can
arrive later. So each read begins some time before the newest line, and leaves out the events that have been seen, by
their ids.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..aws.not_found import none_if_not_found

if TYPE_CHECKING:
    from ..aws.clients import Aws

# Milliseconds that a line may arrive after one that was written later.
_LATE = 120_000
_PREFIX = "/aws/lambda/"


@dataclass(frozen=True)
class LogLine:
    """One event of a log group. Its text can have several lines."""

    time: datetime
    function: str
    text: str


class LogLines:
    """What functions log from a moment on. A log group that does not exist has no lines yet."""

    def __init__(self, aws: Aws, groups: Sequence[str], start: datetime) -> None:
        self._aws = aws
        self._groups = groups
        self._start = int(start.timestamp() * 1000)
        self._newest = dict.fromkeys(groups, self._start)
        self._seen: dict[str, dict[str, int]] = {group: {} for group in groups}

    def read(self) -> Iterator[LogLine]:
        """Yield the lines that have arrived since the last read, in the order of their time."""
        merged = heapq.merge(*(self._events(group) for group in self._groups), key=itemgetter("timestamp"))
        for event in merged:
            time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            yield LogLine(time, event["group"].removeprefix(_PREFIX), str(event["message"]).rstrip("\n"))

    def _events(self, group: str) -> Iterator[dict[str, Any]]:
        # A line may have a time in the future; lines of now are not late because of it.
        newest = min(self._newest[group], int(datetime.now(UTC).timestamp() * 1000))
        begin = max(self._start, newest - _LATE)
        seen = self._seen[group] = {event: time for event, time in self._seen[group].items() if time >= begin}
        paginator = self._aws.client("logs").get_paginator("filter_log_events")
        listing = iter(paginator.paginate(logGroupName=group, startTime=begin))
        while page := none_if_not_found(lambda: next(listing, None)):
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen[event["eventId"]] = event["timestamp"]
                    self._newest[group] = max(self._newest[group], event["timestamp"])
                    yield {**event, "group": group}
