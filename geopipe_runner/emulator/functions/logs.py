"""Carries log lines to CloudWatch Logs in the background, so that no invocation waits for them.

A function's log takes nothing more once it is closed: what a late worker still says must not bring back
a log group that its owner has deleted after the function.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

MAX_EVENT_BYTES = 256 * 1024 - 26
_MAX_BATCH_EVENTS = 1000
_MAX_BATCH_BYTES = 1_000_000
_EVENT_OVERHEAD = 26

Event = dict[str, Any]


class FunctionLog:
    """The log group of one function, as its workers write it."""

    def __init__(self, group: str, client: Callable[[], Any], wake: Callable[[], None]) -> None:
        self._group = group
        self._client = client
        self._wake = wake
        self._lock = threading.Lock()
        self._shipping = threading.Lock()
        self._pending: dict[str, deque[Event]] = {}
        self._known_streams: set[str] = set()
        self._closed = False

    def write_through(self, client: Callable[[], Any]) -> None:
        """From now on with this client: the function has another role."""
        self._client = client

    def add(self, stream: str, events: list[Event]) -> None:
        with self._lock:
            if self._closed or not events:
                return
            self._pending.setdefault(stream, deque()).extend(events)
        self._wake()

    def ship(self) -> None:
        """Send what has gathered; also waits for a sending under way, so afterwards it can be read."""
        with self._shipping:
            while batch := self._take():
                self._send(*batch)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self.ship()

    def _take(self) -> tuple[str, list[Event]] | None:
        with self._lock:
            for stream, events in self._pending.items():
                batch = _next_batch(events)
                if not events:
                    del self._pending[stream]
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
                # The group or stream was deleted under a living function: Lambda makes it anew.
                self._create(client, target)
                client.put_log_events(**target, logEvents=events)
        except (ClientError, BotoCoreError) as error:
            # As on AWS, a log that cannot be written costs the function nothing.
            print(f"log events of {self._group} are lost: {error}", file=sys.stderr)

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


def _next_batch(events: deque[Event]) -> list[Event]:
    batch: list[Event] = []
    room = _MAX_BATCH_BYTES
    while events and len(batch) < _MAX_BATCH_EVENTS:
        room -= len(events[0]["message"].encode()) + _EVENT_OVERHEAD
        if room < 0 and batch:
            break
        batch.append(events.popleft())
    return batch


class LogShipper:
    """One background thread for all functions; gathers for a moment, so a burst of lines is one call."""

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
        """Send what the function has said so far, and nothing after that."""
        log.close()
        with self._lock:
            self._logs.remove(log)

    def stop(self) -> None:
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait()
            self._stopping.wait(self._gather_seconds)
            self._awake.clear()
            self._ship()
        self._ship()

    def _ship(self) -> None:
        with self._lock:
            logs = list(self._logs)
        for log in logs:
            log.ship()


class WorkerLog:
    """The log stream of one worker. Before its first invocation it only gathers: a worker started ahead of
    its first use must not create a log group that AWS would not have yet."""

    def __init__(self, log: FunctionLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._lock = threading.Lock()
        self._held_back: list[Event] | None = []
        self._tail: list[str] = []
        self._last_moment = 0

    def write(self, message: str, moment: float) -> None:
        with self._lock:
            events = self._stamped(message, moment)
            self._tail.append(message)
            if self._held_back is not None:
                self._held_back.extend(events)
                return
            self._log.add(self._stream, events)

    def begin(self, message: str, moment: float) -> None:
        """An invocation starts: its tail begins here."""
        with self._lock:
            self._tail = [message]
            events = (self._held_back or []) + self._stamped(message, moment)
            self._held_back = None
            self._log.add(self._stream, events)

    def tail(self, size: int = 4096) -> bytes:
        with self._lock:
            # A record of the runtime need not end its line; in a text of many it must.
            return "".join(line if line.endswith("\n") else f"{line}\n" for line in self._tail).encode()[-size:]

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
    # Cut at byte positions: a character on a cut is replaced, as nobody reads 256 KB lines to the letter.
    cuts = range(0, len(data), MAX_EVENT_BYTES - 8)
    return [data[cut : cut + MAX_EVENT_BYTES - 8].decode(errors="replace") for cut in cuts]
