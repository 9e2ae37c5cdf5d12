"""The request quota of an account in one region."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Amazon Location serves bursts of 80 % of the quota within any part of a second.
BURST_SHARE = 0.8


class RateLimit:
    """A token bucket: it holds `BURST_SHARE` of a second's requests and is refilled at the quota.

    Args:
        per_second: The quota.
        clock: Returns seconds that never go back.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SHARE)
        self._clock = clock
        self._tokens = self._most
        self._filled_at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Count one request. Returns whether it is within the quota."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._per_second)
            self._filled_at = now
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
