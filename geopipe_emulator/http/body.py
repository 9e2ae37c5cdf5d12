"""The body of one request: exactly its bytes, counted, and no byte of the next request."""

from __future__ import annotations

import io
import re
from typing import Any

from .errors import ClientGone, MalformedRequestError

LARGEST_BODY = 5 * 1024**3 + 64 * 1024**2
"""Bytes: S3's largest PutObject, with room for the frames of `aws-chunked`."""
_MEMORY_SHARE = 4
"""A body may fill this fraction of the free memory: moto keeps objects in memory, and copies them on the way."""
_ALWAYS_FITS = 64 * 1024**2
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE = 4096
_MOST_TRAILERS = 64


class SizedBody(io.RawIOBase):
    """A body whose length the head states."""

    def __init__(self, stream: Any, length: int) -> None:
        require_room(length)
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._left)
        if not size:
            return 0
        count = _read_some(self._stream, memoryview(buffer)[:size])
        self._left -= count
        return count


class ChunkedBody(io.RawIOBase):
    """A body in chunks, each with its size in front. The last one has the size 0."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = 0
        self._total = 0
        self._started = False
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self._ended:
            self._begin_chunk()
        size = min(len(buffer), self._left)
        if not size:
            return 0
        count = _read_some(self._stream, memoryview(buffer)[:size])
        self._left -= count
        return count

    def _begin_chunk(self) -> None:
        if self._started and self._line() not in (b"\r\n", b"\n"):
            raise MalformedRequestError("A chunk of the body is longer than its size says.")
        self._started = True
        header = _CHUNK_SIZE.fullmatch(self._line())
        if header is None:
            raise MalformedRequestError("A chunk of the body does not begin with its size in hexadecimal digits.")
        self._left = int(header[1], 16)
        self._total += self._left
        if self._left:
            require_room(self._total)
            return
        self._ended = True
        for _ in range(_MOST_TRAILERS):
            if self._line() in (b"\r\n", b"\n"):
                return
        raise MalformedRequestError("The body has too many trailers.")

    def _line(self) -> bytes:
        try:
            line: bytes = self._stream.readline(_LONGEST_LINE)
        except OSError as error:
            raise ClientGone from error
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST_LINE:
                raise ClientGone
            raise MalformedRequestError("A chunk of the body has a header that is too long.")
        return line


def require_room(length: int) -> None:
    """Raise MalformedRequestError 413 for a body that is larger than S3 takes, or than memory has room for."""
    if length <= _ALWAYS_FITS:
        return
    if length > LARGEST_BODY:
        raise MalformedRequestError(f"The body is larger than {LARGEST_BODY} bytes.", 413)
    free = _free_memory()
    if free is not None and length > max(_ALWAYS_FITS, free // _MEMORY_SHARE):
        raise MalformedRequestError(
            f"The body has {length} bytes. The emulator keeps objects in memory, and has room for "
            f"{free // _MEMORY_SHARE} bytes now.",
            413,
        )


def _read_some(stream: Any, buffer: memoryview) -> int:
    try:
        count: int = stream.readinto(buffer)
    except OSError as error:
        raise ClientGone from error
    if not count:  # half a body must not be taken for a whole one
        raise ClientGone
    return count


def _free_memory() -> int | None:
    """Bytes, or None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as table:  # noqa: PTH123 - a plain read on the way of a request
            for line in table:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
