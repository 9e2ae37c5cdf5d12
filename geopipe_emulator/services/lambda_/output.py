"""Reads the output of a runtime: plain lines, and framed log records, from one pipe and in their order."""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Callable

# Takes a message and its time in seconds since the epoch.
Sink = Callable[[str, float], None]

# A frame begins with A5 5A 00 and a level byte. Length, microseconds since the epoch, and the record follow.
_BOUNDARY = re.compile(rb"\n|\xa5\x5a\x00[\x02-\x1b](?=[\x00\x01]|\Z)")
_FRAME_HEADER = 16
# A handler can print these bytes, too. A real header has a time close to now, and a record of a sensible length.
_MAX_CLOCK_DIFFERENCE = 24 * 3600.0
MAX_FRAME_BYTES = 16 * 1024 * 1024
# A longer line becomes several messages. CloudWatch Logs would split it at this size anyway.
MAX_LINE_BYTES = 256 * 1024


class MessageSplitter:
    """Splits bytes into messages. It keeps what is not complete yet, up to the limits above."""

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.time) -> None:
        self._sink = sink
        self._clock = clock
        self._buffer = bytearray()
        # With fewer bytes, the frame in the buffer is not complete.
        self._needed = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= self._needed:
            self._emit(is_end=False)

    def flush(self) -> None:
        """Emit the rest: its writer has finished, so a line stays without its end, and an incomplete frame is text."""
        self._emit(is_end=True)

    def _emit(self, *, is_end: bool) -> None:
        self._needed = start = 0
        while boundary := _BOUNDARY.search(self._buffer, start):
            if boundary.group() == b"\n":
                self._emit_text(boundary.end())
                start = 0
                continue
            header = self._buffer[boundary.start() : boundary.start() + _FRAME_HEADER]
            end = boundary.start() + _FRAME_HEADER
            if len(header) == _FRAME_HEADER:
                if not self._is_header(header):
                    start = boundary.end()
                    continue
                end += int.from_bytes(header[4:8], "big")
            if len(self._buffer) < end:
                if is_end:
                    start = boundary.end()
                    continue
                self._needed = end
                if boundary.start() > MAX_LINE_BYTES:
                    self._needed -= boundary.start()
                    self._emit_text(boundary.start())
                return
            self._emit_text(boundary.start())
            self._emit_frame(header)
            start = 0
        if is_end:
            self._emit_text(len(self._buffer))
        elif len(self._buffer) > MAX_LINE_BYTES:
            # The last bytes may be the beginning of a character or of a frame.
            self._emit_text(len(self._buffer) - 3)

    def _is_header(self, header: bytearray) -> bool:
        length, microseconds = int.from_bytes(header[4:8], "big"), int.from_bytes(header[8:16], "big")
        return length <= MAX_FRAME_BYTES and abs(microseconds / 1e6 - self._clock()) <= _MAX_CLOCK_DIFFERENCE

    def _emit_text(self, end: int) -> None:
        text = bytes(self._buffer[:end])
        del self._buffer[:end]
        if text:
            self._sink(text.decode(errors="replace"), self._clock())

    def _emit_frame(self, header: bytearray) -> None:
        end = _FRAME_HEADER + int.from_bytes(header[4:8], "big")
        message = bytes(self._buffer[_FRAME_HEADER:end])
        del self._buffer[:end]
        if message:
            self._sink(message.decode(errors="replace"), int.from_bytes(header[8:16], "big") / 1_000_000)


class OutputPipe:
    """The read end of a runtime's output. Any thread that needs the latest messages may call `drain`."""

    def __init__(self, sink: Sink) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._splitter = MessageSplitter(sink)
        self._lock = threading.Lock()
        self._closed = False

    def drain(self, *, flush: bool = False) -> bool:
        """Read everything that has been written so far; return False once nothing can follow."""
        with self._lock:
            is_open = not self._closed and self._read_available()
            if flush or not is_open:
                self._splitter.flush()
            return is_open

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
        """Drain whenever something arrives, until every writer has ended; then close the pipe."""
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        is_open = True
        while is_open:
            poll.poll()
            is_open = self.drain()
        with self._lock:
            self._closed = True
            os.close(self._read_end)

    def close_write_end(self) -> None:
        """Close our copy of the write end, so that the pipe ends with the last process that has one."""
        os.close(self.write_end)
