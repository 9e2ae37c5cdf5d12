"""Runs work in the background, each piece at its time.

Few threads serve all deliveries and schedules. They start with the first piece of work, so that an emulator without
events has none of them.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import traceback
from collections.abc import Callable

from ..messages import warn

# Returns the seconds to wait before it runs again, or None when it is done.
Work = Callable[[], float | None]

_THREADS = 4


class Agenda:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._entries: list[tuple[float, int, Work]] = []
        self._changed = threading.Condition()
        self._threads = 0
        self._stopped = False

    def add(self, work: Work, seconds: float = 0.0) -> None:
        """Run `work` after some real seconds. Work that is due runs in the order in which it was added."""
        with self._changed:
            if self._stopped:
                return
            heapq.heappush(self._entries, (self._clock() + seconds, next(self._numbers), work))
            if self._threads < _THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, name="events", daemon=True).start()
            self._changed.notify()

    def stop(self) -> None:
        """Start nothing more, and drop what waits."""
        with self._changed:
            self._stopped = True
            self._entries.clear()
            self._changed.notify_all()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            try:
                seconds = work()
            except Exception:  # noqa: BLE001 - one broken delivery must not end the others
                warn(f"an event was not delivered\n{traceback.format_exc().rstrip()}")
                seconds = None
            if seconds is not None:
                self.add(work, seconds)

    def _next(self) -> Work | None:
        """Wait for the next piece of work; None when the agenda is stopped."""
        with self._changed:
            while not self._stopped:
                now = self._clock()
                if self._entries and self._entries[0][0] <= now:
                    return heapq.heappop(self._entries)[2]
                self._changed.wait(self._entries[0][0] - now if self._entries else None)
        return None
