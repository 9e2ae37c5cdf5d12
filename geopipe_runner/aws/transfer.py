"""How far a long transfer is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

Progress = Callable[[str, int, int], None]
"""Told what is under way (`Uploading points.csv`), and how many bytes of how many are done."""

WORTH_TELLING = 8 * 1024 * 1024
"""Bytes; less is over before anyone has read about it."""

_HUNDREDTHS = 100


def nobody_watches(_what: str, _done: int, _total: int) -> None:
    """A Progress that goes nowhere."""


class Meter:
    """Tells of one transfer of `total` bytes: at its begin, its end, and each hundredth between them."""

    def __init__(self, tell: Progress, what: str, total: int) -> None:
        self._tell = tell if total >= WORTH_TELLING else nobody_watches
        self._what = what
        self._total = total
        self._done = 0
        self._told = 0
        self._tell(what, 0, total)

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        self._done += count
        if self._done >= self._total > self._told or self._done - self._told >= self._total / _HUNDREDTHS:
            self._told = self._done
            self._tell(self._what, min(self._done, self._total), self._total)


def watch_upload(tell: Progress, request: Any) -> None:
    """Tell how far the body of a large request is, once it is signed and about to be sent (botocore's `before-send`).

    Before that it is read for its checksums, which is no progress.
    """
    body, headers = request.body, request.headers
    size = int(headers.get("X-Amz-Decoded-Content-Length") or headers.get("Content-Length") or 0)
    if size >= WORTH_TELLING and hasattr(body, "read"):
        name = unquote(urlsplit(request.url).path.rsplit("/", 1)[-1])
        request.body = _Watched(body, Meter(tell, f"Uploading {name}", size))


class _Watched:
    """A body that counts what is read of it."""

    def __init__(self, body: Any, meter: Meter) -> None:
        self._body = body
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._body.read(size)
        self._meter.add(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
