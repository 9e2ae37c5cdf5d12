"""Sends log lines to CloudWatch Logs in the background, so that no invocation waits for them.

A closed log takes nothing more: the last lines of a process must not create a log group again that its owner has
deleted after the function. Memory is bounded: a function that prints faster than the lines can be sent waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...messages import warn

MAX_EVENT_BYTES = 256 * 1024 - 26
_MAX_BATCH_EVENTS = 1000
_MAX_BATCH_BYTES = 1_000_000
_EVENT_OVERHEAD = 26
# Bytes of one function's lines that may wait to be sent.
MAX_PENDING_BYTES = 8_000_000
# A pause before sending lasts at least as many times as long as the last sending.
_PAUSE_FACTOR = 2
_LONGEST_PAUSE = 0.5
# Bytes that one environment may print before its first invocation; the rest is dropped.
MAX_INIT_BYTES = 1_000_000
TAIL_BYTES = 4096

Event = dict[str, Any]


class FunctionLog:
    """The log group of one function, to which its environments write."""

    def __init__(self, group: str, client: Callable[[], Any], wake: Callable[[], None]) -> None:
        self._group = group
        self._client = client
        self._wake = wake
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._shipping = threading.Lock()
        self._pending: dict[str, deque[Event]] = {}
        self._pending_bytes = 0
        self._known_streams: set[str] = set()
        self._closed = False

    def write_through(self, client: Callable[[], Any]) -> None:
        """Use another client: the function has another role."""
        self._client = client

    def add(self, stream: str, events: list[Event]) -> None:
        """Take events to send. This waits while too much is pending."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._pending_bytes < MAX_PENDING_BYTES)
            if self._closed or not events:
                return
            self._pending.setdefault(stream, deque()).extend(events)
            self._pending_bytes += sum(map(_size, events))
        self._wake()

    def ship(self) -> None:
        """Send the pending events; wait also for events that another thread sends, so that all can be read."""
        with self._shipping:
            while batch := self._take():
                self._send(*batch)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.ship()

    def _take(self) -> tuple[str, list[Event]] | None:
        with self._lock:
            for stream, events in self._pending.items():
                batch = _next_batch(events)
                if not events:
                    del self._pending[stream]
                self._pending_bytes -= sum(map(_size, batch))
                self._changed.notify_all()
                return stream, batch
        return None

    def _send(self, stream: str, events: list[Event]) -> None:
        target = {"logGroupName": self._group, "logStreamName": stream}
        try:
            client = self._client()
            if stream not in self._known_streams:
                self._create(client, target)
            try:
                client.put_log_events(**target, logEvents=events)
            except client.exceptions.ResourceNotFoundException:
                # The group or stream was deleted while the function exists: Lambda creates it again.
                self._create(client, target)
                client.put_log_events(**target, logEvents=events)
        except (ClientError, BotoCoreError) as error:
            # As on AWS, the function does not fail when its log cannot be written.
            warn(f"log events of {self._group} are lost: {error}")

    def _create(self, client: Any, target: dict[str, str]) -> None:
        try:
            _create_stream(client, target)
        except client.exceptions.ResourceNotFoundException:
            client.create_log_group(logGroupName=self._group)
            _create_stream(client, target)
        self._known_streams.add(target["logStreamName"])


def _create_stream(client: Any, target: dict[str, str]) -> None:
    try:
        client.create_log_stream(**target)
    except client.exceptions.ResourceAlreadyExistsException:
        return


def _size(event: Event) -> int:
    return len(event["message"].encode()) + _EVENT_OVERHEAD


def _next_batch(events: deque[Event]) -> list[Event]:
    batch: list[Event] = []
    bytes_left = _MAX_BATCH_BYTES
    while events and len(batch) < _MAX_BATCH_EVENTS:
        bytes_left -= _size(events[0])
        if bytes_left < 0 and batch:
            break
        batch.append(events.popleft())
    return batch


class LogShipper:
    """One background thread for all functions. It waits a moment before it sends, so that many lines are one call."""

    def __init__(self, gather_seconds: float = 0.1) -> None:
        self._gather_seconds = gather_seconds
        self._logs: list[FunctionLog] = []
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="function-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def open(self, group: str, client: Callable[[], Any]) -> FunctionLog:
        log = FunctionLog(group, client, self._awake.set)
        with self._lock:
            self._logs.append(log)
        return log

    def close(self, log: FunctionLog) -> None:
        """Send what the function has written so far, and nothing after that."""
        log.close()
        with self._lock:
            self._logs.remove(log)

    def stop(self) -> None:
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = self._gather_seconds
        while not self._stopping.is_set():
            self._awake.wait()
            self._stopping.wait(pause)
            self._awake.clear()
            began = time.monotonic()
            self._ship()
            # With many environments at work, the lines of a longer moment are as many calls.
            pause = max(self._gather_seconds, min(_LONGEST_PAUSE, _PAUSE_FACTOR * (time.monotonic() - began)))
        self._ship()

    def _ship(self) -> None:
        with self._lock:
            logs = list(self._logs)
        for log in logs:
            log.ship()


class RuntimeLog:
    """The log stream of one execution environment.

    It sends nothing before the first invocation: an environment that is started in advance must not create a log group
    that AWS would not have yet.
    """

    def __init__(self, log: FunctionLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._lock = threading.Lock()
        self._held_back: list[Event] | None = []
        self._held_back_bytes = 0
        self._tail: deque[str] = deque()
        self._tail_characters = 0
        self._last_moment = 0

    def write(self, message: str, moment: float) -> None:
        with self._lock:
            events = self._stamped(message, moment)
            self._add_to_tail(message)
            if self._held_back is None:
                self._log.add(self._stream, events)
            elif self._held_back_bytes < MAX_INIT_BYTES:
                self._held_back.extend(events)
                self._held_back_bytes += sum(map(_size, events))

    def begin(self, message: str, moment: float) -> None:
        """Write the first line of an invocation: the tail begins with it."""
        with self._lock:
            self._tail.clear()
            self._tail_characters = 0
            self._add_to_tail(message)
            events = (self._held_back or []) + self._stamped(message, moment)
            self._held_back = None
            self._log.add(self._stream, events)

    def tail(self) -> bytes:
        """Return the last lines of the invocation, at most 4 KB."""
        with self._lock:
            # A record of the runtime may lack a line end; before another line it needs one.
            return "".join(self._tail).encode()[-TAIL_BYTES:]

    def _add_to_tail(self, message: str) -> None:
        self._tail.append(message[-TAIL_BYTES:] if message.endswith("\n") else f"{message[-TAIL_BYTES:]}\n")
        self._tail_characters += len(self._tail[-1])
        while self._tail_characters - len(self._tail[0]) > TAIL_BYTES:
            self._tail_characters -= len(self._tail.popleft())

    def _stamped(self, message: str, moment: float) -> list[Event]:
        """PutLogEvents refuses events out of order, so time never goes back within a stream."""
        self._last_moment = max(self._last_moment, int(moment * 1000))
        return [{"timestamp": self._last_moment, "message": part} for part in _parts(message)]


def _parts(message: str) -> list[str]:
    if len(message) * 4 <= MAX_EVENT_BYTES:
        return [message]
    data = message.encode()
    if len(data) <= MAX_EVENT_BYTES:
        return [message]
    # A cut can fall into a character, which is then replaced. In a line of 256 KB that does not matter.
    cuts = range(0, len(data), MAX_EVENT_BYTES - 8)
    return [data[cut : cut + MAX_EVENT_BYTES - 8].decode(errors="replace") for cut in cuts]
