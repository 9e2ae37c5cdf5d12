"""Lets the threads of a command make their requests one after the other.

Python computes on one thread at a time anyway. Where hundreds of threads compete, each of them loses its place at every
lock, file and socket that it touches on the way to a request, and changing threads takes more CPU time than the calls.

So a thread has the turn while botocore makes and signs a request. No thread has it while it waits: for a response, for
the lock of a deployment, or to repeat a call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class CallTurn:
    """The turn of the clients whose events it watches. `refresh` gets new credentials where the old ones expire."""

    def __init__(self, refresh: Callable[[], object] = lambda: None) -> None:
        self._refresh = refresh
        self._lock = threading.Lock()
        self._holder = 0

    def watch(self, events: Any) -> None:
        """Register for the events of a client. Its own hooks must be registered before: they may wait."""
        events.register_last("before-parameter-build", self._take)
        events.register_last("before-send", self.give)

    def give(self, **_: Any) -> None:
        """Let the next thread take the turn, if this one has it."""
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()

    def _take(self, model: Any, **_: Any) -> None:
        # The checksum of an upload takes long, and other threads can compute meanwhile.
        if not model.has_streaming_input and self._holder != threading.get_ident():
            self._refresh()  # botocore would while it signs the request, which can take long
            self._lock.acquire()
            self._holder = threading.get_ident()
