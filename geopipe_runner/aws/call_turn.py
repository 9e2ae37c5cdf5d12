"""Lets the threads of a command do the computing of their calls one after the other.

Python computes on one thread at a time anyway. Where hundreds of threads compete, each of them loses its place at every
lock, file and socket that it touches on the way to a request, and changing threads takes more CPU time than the calls.

So a thread has the turn while botocore makes and signs a request, and again while botocore reads what a response says.
No thread has the turn while it waits: for a response, for the lock of a deployment, or to repeat a call.
"""

from __future__ import annotations

import threading
from typing import Any


class CallTurn:
    """The turn of the clients whose events it watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def watch(self, events: Any) -> None:
        """Register for the events of a client. Its own hooks must be registered before: they may wait."""
        events.register_last("before-parameter-build", self._begin)
        events.register_last("before-send", self.give)
        events.register_first("before-parse", self._take)
        # First, since other hooks may print something, and botocore waits after all of them.
        events.register_first("needs-retry", self.give)

    def give(self, **_: Any) -> None:
        """Let the next thread take the turn, if this one has it."""
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()

    def _begin(self, model: Any, **_: Any) -> None:
        # The checksum of an upload takes long, and other threads can compute meanwhile.
        if not model.has_streaming_input:
            self._take()

    def _take(self, **_: Any) -> None:
        if self._holder != threading.get_ident():
            self._lock.acquire()
            self._holder = threading.get_ident()
