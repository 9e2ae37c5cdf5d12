"""Time as an argument: a clock and a sleep that a signal can end."""

from __future__ import annotations

import time
from typing import Protocol

# Seconds after which a waiting thread checks for an interruption.
_SLICE = 0.1


class Interrupted(Exception):  # noqa: N818 - the name of an event
    """The user interrupted a wait."""


class Time(Protocol):
    """What waiting needs: a clock and a sleep."""

    def clock(self) -> float:
        """Returns seconds; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Clock:
    """Interruptible time: after `interrupt`, every wait on any thread ends with Interrupted.

    Signal handlers call `interrupt`, possibly while this very thread is inside `sleep`. Neither may take a lock, which
    rules out threading's events.
    """

    def __init__(self) -> None:
        self._over = False

    def clock(self) -> float:
        """Returns seconds; only differences mean anything."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted within a tenth of a second of an interruption."""
        deadline = time.monotonic() + seconds
        while not self._over and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
        if self._over:
            raise Interrupted

    def interrupt(self) -> None:
        """End all waiting, now and later."""
        self._over = True

    def renew(self) -> None:
        """Allow waiting again, to clean up after an interruption."""
        self._over = False


class StoppableClock(Clock):
    """The time of one of several deployments, whose command runs on a thread that no signal reaches.

    After `interrupt`, the next wait and the next call of AWS end with Interrupted. Only calls about the lock do not, so
    that it can be released. Calls under way end as they would.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason = "Interrupted."
        self.is_unattended = False
        """Whether no one will come back, so that the clean-up policy applies: after SIGTERM and SIGHUP."""

    def stop(self, reason: str, *, is_unattended: bool) -> None:
        """Interrupt, and say why."""
        self.reason, self.is_unattended = reason, is_unattended
        self.interrupt()

    def check(self) -> None:
        """Raises Interrupted after an interruption."""
        if self._over:
            raise Interrupted
