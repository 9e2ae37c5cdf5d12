"""CloudWatch Logs: events of several streams come in the order of their time."""

from __future__ import annotations

import time
import uuid

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.services.logs import moto_patch
from geopipe_emulator.services.logs.cold_events import BLOCK_EVENTS
from tests.support.emulator_endpoint import Emulator

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


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ERROR", ["ERROR boom", '{"level":"ERROR","n":1}']),
        ("?boom ?START", ["START one", "ERROR boom"]),
        ("-START", ["ERROR boom", '{"level":"ERROR","n":1}', "END"]),
        ('{ $.level = "ERROR" }', ['{"level":"ERROR","n":1}']),
        ("%bo+m%", ["ERROR boom"]),
        ("[w1=ERROR, w2]", ["ERROR boom"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_filter_pattern_selects_events(emulator: Emulator, pattern: str, expected: list[str], limit: int) -> None:
    logs, group = emulator.client("logs"), f"/filtered/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    lines = ["START one", "ERROR boom", '{"level":"ERROR","n":1}', "END"]
    moment = int(time.time() * SECOND)
    logs.put_log_events(
        logGroupName=group, logStreamName="s", logEvents=[{"timestamp": moment, "message": line} for line in lines]
    )
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern=pattern, PaginationConfig={"PageSize": limit}
    )
    found = [[event["message"] for event in page["events"]] for page in pages]
    assert [message for page in found for message in page] == expected
    assert max(map(len, found)) <= limit


def test_a_pattern_outside_of_the_language_is_refused(emulator: Emulator, started: int) -> None:
    with pytest.raises(ClientError, match="Invalid filter pattern: ") as caught:
        messages(emulator, filterPattern="{ $.level")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_the_tags_of_a_deleted_group_do_not_come_back(emulator: Emulator) -> None:
    logs, group = emulator.client("logs"), f"/tagged/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group, tags={"owner": "before"})
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {}


@pytest.fixture(scope="module")
def long_stream(emulator: Emulator) -> tuple[str, list[str], int]:
    """A stream with several blocks of events and a rest: its group, its lines, and the time of the first one."""
    logs, group, count = emulator.client("logs"), f"/long/{uuid.uuid4().hex}", 3 * BLOCK_EVENTS + 7
    begin = (int(time.time()) - count - 60) * SECOND
    lines = [f"line {number} ä" for number in range(count)]
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    for first in range(0, count, 50):
        events = [
            {"timestamp": begin + number * SECOND, "message": lines[number]}
            for number in range(first, min(first + 50, count))
        ]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    return group, lines, begin


def test_all_events_of_a_long_stream_are_kept_in_order(
    emulator: Emulator, long_stream: tuple[str, list[str], int]
) -> None:
    group, lines, begin = long_stream
    logs = emulator.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 60})
    found = [event for page in pages for event in page["events"]]
    assert [event["message"] for event in found] == lines
    assert [event["timestamp"] for event in found] == [begin + number * SECOND for number in range(len(lines))]
    assert len({event["eventId"] for event in found}) == len(lines)
    read = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in read] == lines
    last = logs.get_log_events(logGroupName=group, logStreamName="s", limit=2)["events"]
    assert [event["message"] for event in last] == lines[-2:]


def test_a_long_stream_is_described_and_queried(emulator: Emulator, long_stream: tuple[str, list[str], int]) -> None:
    group, lines, begin = long_stream
    logs = emulator.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["firstEventTimestamp"] == begin
    assert stream["lastEventTimestamp"] == begin + (len(lines) - 1) * SECOND
    assert stream["storedBytes"] == sum(map(len, lines))
    query = logs.start_query(
        logGroupName=group, startTime=begin // SECOND, endTime=int(time.time()), queryString="fields @message"
    )
    results = logs.get_query_results(queryId=query["queryId"])["results"]
    assert sorted(field["value"] for row in results for field in row if field["field"] == "@message") == sorted(lines)


def test_a_part_of_the_time_of_a_long_stream(emulator: Emulator, long_stream: tuple[str, list[str], int]) -> None:
    group, lines, begin = long_stream
    logs = emulator.client("logs")
    for first, last in ((0, 1), (BLOCK_EVENTS - 1, BLOCK_EVENTS), (70, 190), (len(lines) - 3, len(lines) - 1)):
        wanted = {"startTime": begin + first * SECOND, "endTime": begin + last * SECOND}
        found = logs.filter_log_events(logGroupName=group, **wanted)["events"]
        assert [event["message"] for event in found] == lines[first : last + 1]
        read = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **wanted)["events"]
        assert set(lines[first:last]) <= {event["message"] for event in read} <= set(lines[first : last + 1])
    assert len(logs.filter_log_events(logGroupName=group)["events"]) == len(lines), "no limit is left behind"


@pytest.mark.parametrize("limit", [1, 3, 50, 100])
def test_what_matches_on_later_pages_is_found(
    emulator: Emulator, long_stream: tuple[str, list[str], int], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(moto_patch, "MAX_EVENTS", 100)
    group, lines, _ = long_stream
    pages = (
        emulator.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=group, filterPattern="%9 %", PaginationConfig={"PageSize": limit})
    )
    found = [[event["message"] for event in page["events"]] for page in pages]
    assert [message for page in found for message in page] == [line for line in lines if "9 " in line]
    assert all(len(page) <= limit for page in found)
