"""Runs schedules on the emulator's clock.

That clock shows the real time when the emulator starts. From then on, it runs as much faster as the time scale says: at
0.1, a schedule of 10 minutes runs each minute. So cron expressions, too, come at the right distance from each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .agenda import Agenda
from .schedule import Schedule

Fire = Callable[[datetime], None]

# A minute lasts at least a tenth of a real second, or a time scale of 0 would leave no time for anything else.
_FASTEST = 1 / 600


@dataclass(eq=False)
class _Entry:
    schedule: Schedule
    fire: Fire
    next: datetime
    until: datetime | None


class Timetable:
    """The schedules that run now, by a key of their owner's."""

    def __init__(self, agenda: Agenda, time_scale: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._agenda = agenda
        self._scale = max(time_scale, _FASTEST)
        self._clock = clock
        self._started_at = clock()
        self._started = datetime.now(UTC)
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time on the emulator's clock."""
        return self._started + timedelta(seconds=(self._clock() - self._started_at) / self._scale)

    def put(
        self, key: str, schedule: Schedule, fire: Fire, first: datetime | None = None, until: datetime | None = None
    ) -> None:
        """Run a schedule in place of the one before with this key.

        Args:
            key: Identifies the schedule.
            schedule: When it runs.
            fire: Called with each time at which it is due. It must not wait.
            first: The first time; None means the next one of the schedule.
            until: No time after this one counts.
        """
        moment = first or schedule.next_after(self.now())
        if moment is None:
            self.remove(key)
            return
        entry = _Entry(schedule, fire, moment, until)
        with self._lock:
            self._entries[key] = entry
        self._agenda.add(lambda: self._run(key, entry), self._seconds_until(moment))

    def remove(self, key: str) -> None:
        """End the schedule with this key, if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def _run(self, key: str, entry: _Entry) -> float | None:
        """Fire if it is due. Return the real seconds until the next time."""
        with self._lock:
            if self._entries.get(key) is not entry:
                return None
            if entry.until is not None and entry.next > entry.until:
                del self._entries[key]
                return None
        if (seconds := self._seconds_until(entry.next)) > 0:
            return seconds
        entry.fire(entry.next)
        following = entry.schedule.next_after(entry.next)
        now = self.now()
        if following is not None and following <= now:
            # The machine slept or was too busy. As on AWS, what was missed is not made up for.
            following = entry.schedule.next_after(now)
        if following is None:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            return None
        entry.next = following
        return self._seconds_until(following)

    def _seconds_until(self, moment: datetime) -> float:
        return max(0.0, (moment - self.now()).total_seconds() * self._scale)
