"""CloudWatch Logs: events of several streams come in the order of their time."""

from __future__ import annotations

import time

import pytest

from emulator_endpoint import Emulator

GROUP = "/aws/lambda/interleaved"
SECOND = 1000


@pytest.fixture(scope="module")
def started(emulator: Emulator) -> int:
    """A group in which two streams write in turn; answers when, in milliseconds of the epoch."""
    logs, begin = emulator.client("logs"), (int(time.time()) - 60) * SECOND
    logs.create_log_group(logGroupName=GROUP)
    for stream, first in (("one", 0), ("two", 1)):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": begin + n * SECOND, "message": str(n)} for n in range(first, 6, 2)]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
    return begin


def messages(emulator: Emulator, **wanted: object) -> list[str]:
    pages = emulator.client("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP, **wanted)
    return [event["message"] for page in pages for event in page["events"]]


def test_streams_are_interleaved(emulator: Emulator, started: int) -> None:
    assert messages(emulator) == ["0", "1", "2", "3", "4", "5"]
    assert messages(emulator, interleaved=False) == ["0", "1", "2", "3", "4", "5"]


def test_also_page_by_page_and_for_a_part_of_the_time(emulator: Emulator, started: int) -> None:
    assert messages(emulator, limit=2) == ["0", "1", "2", "3", "4", "5"]
    assert messages(emulator, startTime=started + SECOND, endTime=started + 4 * SECOND)[:3] == ["1", "2", "3"]
