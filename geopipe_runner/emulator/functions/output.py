"""Reads what a worker writes: plain lines, and the runtime's framed log records, from one pipe in their order.

Does not know what becomes of the messages.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Callable

Sink = Callable[[str, float], None]
"""Takes a message and its time in seconds since the epoch."""

# A frame begins with A5 5A 00 and a level byte: never a part of UTF-8 text. Then length and microseconds.
_BOUNDARY = re.compile(rb"\n|\xa5\x5a\x00[\x02-\x1b]")
_FRAME_HEADER = 16


class MessageSplitter:
    """Bytes in, messages out; keeps what is not complete yet."""

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.time) -> None:
        self._sink = sink
        self._clock = clock
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while boundary := _BOUNDARY.search(self._buffer):
            if boundary.group() == b"\n":
                self._emit_text(boundary.end())
                continue
            self._emit_text(boundary.start())
            if not self._emit_frame():
                return

    def flush(self) -> None:
        """What came without an end of line is a message too, once its writer has finished."""
        self._emit_text(len(self._buffer))

    def _emit_text(self, end: int) -> None:
        text, self._buffer = self._buffer[:end], self._buffer[end:]
        if text:
            self._sink(text.decode(errors="replace"), self._clock())

    def _emit_frame(self) -> bool:
        if len(self._buffer) < _FRAME_HEADER:
            return False
        end = _FRAME_HEADER + int.from_bytes(self._buffer[4:8], "big")
        if len(self._buffer) < end:
            return False
        moment = int.from_bytes(self._buffer[8:16], "big") / 1_000_000
        message, self._buffer = self._buffer[_FRAME_HEADER:end], self._buffer[end:]
        if message:
            self._sink(message.decode(errors="replace"), moment)
        return True


class OutputPipe:
    """The read end of a worker's output; `drain` may be called by whoever needs to be up to date."""

    def __init__(self, sink: Sink) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._splitter = MessageSplitter(sink)
        self._lock = threading.Lock()
        self._closed = False

    def drain(self, *, flush: bool = False) -> bool:
        """Take in all that has been written so far; False once there will be no more."""
        with self._lock:
            going_on = not self._closed and self._read_available()
            if flush or not going_on:
                self._splitter.flush()
            return going_on

    def _read_available(self) -> bool:
        while True:
            try:
                data = os.read(self._read_end, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._splitter.feed(data)

    def follow(self) -> None:
        """Drain whenever something comes, until every writer is gone; then let go of the pipe."""
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        going_on = True
        while going_on:
            poll.poll()
            going_on = self.drain()
        with self._lock:
            self._closed = True
            os.close(self._read_end)

    def close_write_end(self) -> None:
        """The worker has its own copy; ours would keep the pipe from ending."""
        os.close(self.write_end)
