"""How far a long transfer has come, for the progress display."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

# Receives what is transferred (`Uploading points.csv`), and how many bytes of how many are done.
Progress = Callable[[str, int, int], None]

# Bytes; a smaller transfer is over before anyone has read about it.
MIN_REPORTED = 8 * 1024 * 1024

_HUNDREDTHS = 100


def ignore_progress(_what: str, _done: int, _total: int) -> None:
    """Take progress and do nothing with it."""


class Meter:
    """Emits the progress of one transfer of `total` bytes: its begin, its end, and each hundredth between them.

    Several threads may add to it.
    """

    def __init__(self, emit: Progress, what: str, total: int) -> None:
        self._emit = emit if total >= MIN_REPORTED else ignore_progress
        self._what = what
        self._total = total
        self._done = 0
        self._emitted = 0
        self._lock = threading.Lock()
        self._emit(what, 0, total)

    def add(self, count: int) -> None:
        """Add `count` bytes to what is done."""
        with self._lock:
            self._done += count
            is_next = self._done - self._emitted >= self._total / _HUNDREDTHS
            if not is_next and not self._done >= self._total > self._emitted:
                return
            self._emitted = self._done
            done = min(self._done, self._total)
        self._emit(self._what, done, self._total)


def watch_upload(emit: Progress, request: Any, keep_alive: Callable[[], None]) -> None:
    """Emit the progress of a large request's body, which is signed and about to be sent (botocore's `before-send`).

    Before that the body is read for its checksums, which is no progress. `keep_alive` is called at each read.
    """
    body, headers = request.body, request.headers
    size = int(headers.get("X-Amz-Decoded-Content-Length") or headers.get("Content-Length") or 0)
    if size < MIN_REPORTED or not hasattr(body, "read"):
        return
    parts = urlsplit(request.url)
    path = unquote(parts.path)
    is_part = "uploadId=" in parts.query  # one of many, all counted by one Meter
    meter = Meter(ignore_progress if is_part else emit, f"Uploading {path.rsplit('/', 1)[-1]}", size)
    request.body = CountingBody(body, meter, keep_alive)


class CountingBody:
    """A request body that counts what is read of it."""

    def __init__(self, body: Any, meter: Meter, on_read: Callable[[], None]) -> None:
        self._body = body
        self._meter = meter
        self._on_read = on_read

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes of the body."""
        data: bytes = self._body.read(size)
        self._meter.add(len(data))
        self._on_read()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
