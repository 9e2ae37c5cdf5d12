"""When API calls arrived, so that a test can prove a client's rate. Calls that meet a fault on purpose count, too."""

from __future__ import annotations

import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable

from ..http.request import Response
from .call import Call, Forward

# Older times are dropped: an emulator may run for weeks.
MOST_TIMES = 300_000


class Arrivals:
    """The times of the calls from outside by service and operation, in seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._times: defaultdict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))
        self._lock = threading.Lock()

    def handle(self, call: Call, forward: Forward) -> Response:
        """Record the time and pass the call on."""
        if not call.is_internal:
            with self._lock:
                times = self._times[call.service, call.operation]
                times.append(self._now())
                if len(times) > MOST_TIMES:
                    del times[: MOST_TIMES // 2]
        return forward(call)

    def clear(self) -> None:
        """Forget all times."""
        with self._lock:
            self._times.clear()

    def times(self, service: str, operation: str) -> list[float]:
        """Returns the times of the last calls, oldest first."""
        with self._lock:
            return list(self._times.get((service, operation), ()))
