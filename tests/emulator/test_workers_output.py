"""A worker's output: lines and framed records from one pipe, however the bytes arrive."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopipe_runner.emulator.functions.logs import FunctionLog, WorkerLog
from geopipe_runner.emulator.functions.output import MessageSplitter, OutputPipe

NOW = 1_700_000_000.0


def frame(message: str, level: int = 0x0E, moment: float = NOW) -> bytes:
    data = message.encode()
    head = bytes([0xA5, 0x5A, 0x00, level]) + len(data).to_bytes(4, "big")
    return head + int(moment * 1_000_000).to_bytes(8, "big") + data


def split(*chunks: bytes) -> list[tuple[str, float]]:
    messages: list[tuple[str, float]] = []
    splitter = MessageSplitter(lambda message, moment: messages.append((message, moment)), lambda: 5.0)
    for chunk in chunks:
        splitter.feed(chunk)
    splitter.flush()
    return messages


def test_lines_and_records_keep_their_order_and_a_record_its_lines() -> None:
    data = b"one\n" + frame("two\nlines\n") + b"begun " + frame("between") + "endé".encode()
    assert split(data) == [("one\n", 5.0), ("two\nlines\n", NOW), ("begun ", 5.0), ("between", NOW), ("endé", 5.0)]


@given(st.lists(st.one_of(st.text(), st.text().map(frame)), max_size=6), st.integers(1, 40))
def test_how_the_bytes_are_cut_makes_no_difference(parts: list[str | bytes], size: int) -> None:
    data = b"".join(part if isinstance(part, bytes) else part.encode(errors="replace") for part in parts)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert split(*chunks) == split(data)


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


class FakeLogs:
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
def logs() -> FakeLogs:
    return FakeLogs()


@pytest.fixture
def log(logs: FakeLogs) -> FunctionLog:
    return FunctionLog("group", lambda: logs, lambda: None)


def test_time_never_goes_back_within_a_stream(logs: FakeLogs, log: FunctionLog) -> None:
    worker_log = WorkerLog(log, "stream")
    for moment in (NOW + 2, NOW, NOW + 1):
        worker_log.begin(str(moment), moment)
    log.ship()
    assert [stamp for stamp, _ in logs.groups["group"]["stream"]] == [int((NOW + 2) * 1000)] * 3


def test_nothing_is_sent_before_the_first_invocation_nor_after_the_end(logs: FakeLogs, log: FunctionLog) -> None:
    worker_log = WorkerLog(log, "stream")
    worker_log.write("early", NOW)
    log.ship()
    assert logs.groups == {}
    worker_log.begin("START", NOW)
    log.close()
    assert [message for _, message in logs.groups["group"]["stream"]] == ["early", "START"]
    worker_log.write("late", NOW)
    log.ship()
    assert len(logs.groups["group"]["stream"]) == 2


def test_long_lines_and_many_lines_go_in_several_calls(logs: FakeLogs, log: FunctionLog) -> None:
    worker_log = WorkerLog(log, "stream")
    worker_log.begin("x" * 1_000_000, NOW)
    for number in range(2500):
        worker_log.write(f"{number}\n", NOW)
    log.ship()
    sent = logs.groups["group"]["stream"]
    assert "".join(message for _, message in sent[:4]) == "x" * 1_000_000
    assert [message for _, message in sent[4:]] == [f"{number}\n" for number in range(2500)]
    assert 3 <= logs.puts <= 5
