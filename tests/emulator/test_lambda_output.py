"""A worker's output: lines and framed records from one pipe, however the bytes arrive."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopipe_emulator.services.lambda_.logs import MAX_INIT_BYTES, MAX_PENDING_BYTES, FunctionLog, RuntimeLog
from geopipe_emulator.services.lambda_.output import MAX_LINE_BYTES, MessageSplitter, OutputPipe
from tests.support.wait import eventually

NOW = 1_700_000_000.0


def frame(message: str, level: int = 0x0E, moment: float = NOW) -> bytes:
    data = message.encode()
    head = bytes([0xA5, 0x5A, 0x00, level]) + len(data).to_bytes(4, "big")
    return head + int(moment * 1_000_000).to_bytes(8, "big") + data


def split(*chunks: bytes) -> list[tuple[str, float]]:
    messages: list[tuple[str, float]] = []
    splitter = MessageSplitter(lambda message, moment: messages.append((message, moment)), lambda: NOW + 5)
    for chunk in chunks:
        splitter.feed(chunk)
    splitter.flush()
    return messages


def test_lines_and_records_keep_their_order_and_a_record_its_lines() -> None:
    data = b"one\n" + frame("two\nlines\n") + b"begun " + frame("between") + "endé".encode()
    assert split(data) == [
        ("one\n", NOW + 5),
        ("two\nlines\n", NOW),
        ("begun ", NOW + 5),
        ("between", NOW),
        ("endé", NOW + 5),
    ]


@given(st.lists(st.one_of(st.text(), st.text().map(frame)), max_size=6), st.integers(1, 40))
def test_how_the_bytes_are_cut_makes_no_difference(parts: list[str | bytes], size: int) -> None:
    data = b"".join(part if isinstance(part, bytes) else part.encode(errors="replace") for part in parts)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert split(*chunks) == split(data)


MARK = b"\xa5\x5a\x00\x0e"


@pytest.mark.parametrize(
    "false_header",
    [
        MARK,
        MARK + b"\xff" * 12,
        MARK + b"\x00" * 12,
        MARK + b"\xff" * 4 + int(NOW * 1_000_000).to_bytes(8, "big"),
        MARK + (17 * 2**20).to_bytes(4, "big") + int(NOW * 1_000_000).to_bytes(8, "big"),
        MARK + (3).to_bytes(4, "big") + int((NOW - 90_000) * 1_000_000).to_bytes(8, "big"),
        "¥Z\x00\x02 is UTF-8".encode(),
    ],
)
def test_a_false_header_swallows_nothing(false_header: bytes) -> None:
    messages = [message for message, _ in split(b"before\n" + false_header + b"\nafter\n" + frame("record"))]
    assert (messages[0], messages[-2], messages[-1]) == ("before\n", "after\n", "record")


def test_a_header_whose_record_never_comes_is_text_at_the_end_of_the_invocation() -> None:
    header = MARK + (1000).to_bytes(4, "big") + int(NOW * 1_000_000).to_bytes(8, "big")
    messages = [message for message, _ in split(header + b"\nafter\n" + frame("record"))]
    assert messages[-2:] == ["after\n", "record"]


@pytest.mark.parametrize("data", [b"x", MARK + b"\xff" * 12, MARK])
def test_output_without_a_line_end_does_not_gather_in_memory(data: bytes) -> None:
    sizes: list[int] = []
    splitter = MessageSplitter(lambda message, moment: sizes.append(len(message)), lambda: NOW)
    for _ in range(40):
        splitter.feed(data * (65536 // len(data)))
    assert len(sizes) > 5
    assert max(sizes) < 2 * MAX_LINE_BYTES


def test_the_pipe_is_followed_until_its_last_writer_is_gone() -> None:
    messages: list[str] = []
    pipe = OutputPipe(lambda message, moment: messages.append(message))
    follower = threading.Thread(target=pipe.follow)
    follower.start()
    os.write(pipe.write_end, b"first\nsecond")
    assert pipe.drain(flush=True)
    assert messages == ["first\n", "second"]
    os.write(pipe.write_end, b"last")
    pipe.close_write_end()
    follower.join(5)
    assert messages == ["first\n", "second", "last"]
    assert not pipe.drain()


class FakeCloudWatchLogs:
    """CloudWatch Logs with nothing in it, as strict about order as the real one."""

    class exceptions:  # noqa: N801
        class ResourceNotFoundException(Exception):  # noqa: N818
            pass

        class ResourceAlreadyExistsException(Exception):  # noqa: N818
            pass

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self.puts = 0

    def create_log_group(self, *, logGroupName: str) -> None:  # noqa: N803
        self.groups[logGroupName] = {}

    def create_log_stream(self, *, logGroupName: str, logStreamName: str) -> None:  # noqa: N803
        if logGroupName not in self.groups:
            raise self.exceptions.ResourceNotFoundException
        if logStreamName in self.groups[logGroupName]:
            raise self.exceptions.ResourceAlreadyExistsException
        self.groups[logGroupName][logStreamName] = []

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: list[dict[str, object]]) -> None:  # noqa: N803
        if logStreamName not in self.groups.get(logGroupName, {}):
            raise self.exceptions.ResourceNotFoundException
        stamps = [event["timestamp"] for event in logEvents]
        assert stamps == sorted(stamps, key=lambda stamp: int(str(stamp)))
        assert sum(len(str(event["message"]).encode()) + 26 for event in logEvents) <= 1_048_576
        self.puts += 1
        for event in logEvents:
            self.groups[logGroupName][logStreamName].append((int(str(event["timestamp"])), str(event["message"])))


@pytest.fixture
def logs() -> FakeCloudWatchLogs:
    return FakeCloudWatchLogs()


@pytest.fixture
def log(logs: FakeCloudWatchLogs) -> FunctionLog:
    return FunctionLog("group", lambda: logs, lambda: None)


def test_time_never_goes_back_within_a_stream(logs: FakeCloudWatchLogs, log: FunctionLog) -> None:
    worker_log = RuntimeLog(log, "stream")
    for moment in (NOW + 2, NOW, NOW + 1):
        worker_log.begin(str(moment), moment)
    log.ship()
    assert [stamp for stamp, _ in logs.groups["group"]["stream"]] == [int((NOW + 2) * 1000)] * 3


def test_nothing_is_sent_before_the_first_invocation_nor_after_the_end(
    logs: FakeCloudWatchLogs, log: FunctionLog
) -> None:
    worker_log = RuntimeLog(log, "stream")
    worker_log.write("early", NOW)
    log.ship()
    assert logs.groups == {}
    worker_log.begin("START", NOW)
    log.close()
    assert [message for _, message in logs.groups["group"]["stream"]] == ["early", "START"]
    worker_log.write("late", NOW)
    log.ship()
    assert len(logs.groups["group"]["stream"]) == 2


def test_long_lines_and_many_lines_go_in_several_calls(logs: FakeCloudWatchLogs, log: FunctionLog) -> None:
    worker_log = RuntimeLog(log, "stream")
    worker_log.begin("x" * 1_000_000, NOW)
    for number in range(2500):
        worker_log.write(f"{number}\n", NOW)
    log.ship()
    sent = logs.groups["group"]["stream"]
    assert "".join(message for _, message in sent[:4]) == "x" * 1_000_000
    assert [message for _, message in sent[4:]] == [f"{number}\n" for number in range(2500)]
    assert 3 <= logs.puts <= 5


def test_a_function_that_prints_faster_than_lines_are_sent_waits(logs: FakeCloudWatchLogs, log: FunctionLog) -> None:
    runtime_log = RuntimeLog(log, "stream")
    runtime_log.begin("START\n", NOW)
    line = "x" * 100_000 + "\n"
    lines = 3 * MAX_PENDING_BYTES // len(line)
    written: list[int] = []

    def write() -> None:
        for number in range(lines):
            runtime_log.write(line, NOW)
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: len(written) * len(line) >= MAX_PENDING_BYTES - len(line))
    assert len(written) < lines / 2
    while writer.is_alive():
        log.ship()
    writer.join()
    log.ship()
    assert len(logs.groups["group"]["stream"]) == lines + 1


def test_the_tail_is_the_end_of_the_invocation_however_much_it_prints(log: FunctionLog) -> None:
    runtime_log = RuntimeLog(log, "stream")
    runtime_log.write("of an earlier invocation\n", NOW)
    runtime_log.begin("START\n", NOW)
    assert runtime_log.tail() == b"START\n"
    for number in range(2000):
        runtime_log.write(f"line {number}", NOW)
    everything = "START\n" + "".join(f"line {number}\n" for number in range(2000))
    assert runtime_log.tail() == everything.encode()[-4096:]


def test_output_before_the_first_invocation_is_bounded(logs: FakeCloudWatchLogs, log: FunctionLog) -> None:
    runtime_log = RuntimeLog(log, "stream")
    for _ in range(100):
        runtime_log.write("x" * 100_000 + "\n", NOW)
    runtime_log.begin("START\n", NOW)
    log.close()
    sent = logs.groups["group"]["stream"]
    assert sent[-1][1] == "START\n"
    assert sum(len(message) for _, message in sent) < 2 * MAX_INIT_BYTES
