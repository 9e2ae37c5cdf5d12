"""Which requests still get their responses while an emulator with a state folder ends.

All that had a success as response must be in the folder. So new requests are refused first, and those that run may
end. When the folder takes nothing more, the results of the others do not count either.
"""

from __future__ import annotations

import threading


class Admission:
    """Counts the requests that run, and knows whether they still count."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._is_closed = False
        self._is_over = False

    def enter(self) -> bool:
        """Return whether a request may begin. Then `leave` must follow."""
        with self._changed:
            self._running += not self._is_closed
            return not self._is_closed

    def leave(self) -> bool:
        """Return whether the result of a request that has ended counts."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()
            return not self._is_over

    def close(self) -> None:
        """Let no more requests begin."""
        with self._changed:
            self._is_closed = True

    def await_end(self, seconds: float) -> None:
        """Wait until no request runs, at most so long. From then on no result counts."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            self._is_over = True
