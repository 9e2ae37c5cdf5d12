"""Runs schedules.

Each schedule has a clock that shows the real time when the schedule is set. From then on, it runs as much faster as the
time scale says: at 0.1, a schedule of 10 minutes runs each minute. So cron expressions, too, come at the right distance
from each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
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
    started: datetime
    started_at: float
    next: datetime
    until: datetime | None
    end: Callable[[], None] | None


class Timetable:
    """The schedules that run now, by a key of their owner's."""

    def __init__(self, agenda: Agenda, time_scale: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._agenda = agenda
        self._scale = max(time_scale, _FASTEST)
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def put(
        self,
        key: str,
        schedule: Schedule,
        fire: Fire,
        first: datetime | None = None,
        until: datetime | None = None,
        end: Callable[[], None] | None = None,
    ) -> None:
        """Run a schedule in place of the one before with this key.

        Args:
            key: Identifies the schedule.
            schedule: When it runs.
            fire: Called with each time at which it is due. It must not wait.
            first: The first time; None means the next one of the schedule.
            until: No time after this one counts.
            end: Called after the last time.
        """
        now = datetime.now(UTC)
        moment = first or schedule.next_after(now)
        if moment is None:
            self.remove(key)
            return
        entry = _Entry(schedule, fire, now, self._clock(), moment, until, end)
        with self._lock:
            self._entries[key] = entry
        self._agenda.add(lambda: self._run(key, entry), self._seconds_until(entry, moment))

    def remove(self, key: str) -> None:
        """End the schedule with this key, if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def keep(self, part: str, keys: Collection[str]) -> None:
        """End all schedules whose key contains `part`, apart from these."""
        with self._lock:
            for key in [key for key in self._entries if part in key and key not in keys]:
                del self._entries[key]

    def _run(self, key: str, entry: _Entry) -> float | None:
        """Fire if it is due. Return the real seconds until the next time."""
        with self._lock:
            if self._entries.get(key) is not entry:
                return None
        is_over = entry.until is not None and entry.next > entry.until
        if not is_over:
            if (seconds := self._seconds_until(entry, entry.next)) > 0:
                return seconds
            entry.fire(entry.next)
        following = None if is_over else self._following(entry)
        if following is not None:
            entry.next = following
            return self._seconds_until(entry, following)
        with self._lock:
            is_current = self._entries.get(key) is entry
            if is_current:
                del self._entries[key]
        if is_current and entry.end is not None:
            entry.end()
        return None

    def _following(self, entry: _Entry) -> datetime | None:
        """Return the next time. What was missed, since the machine slept or was too busy, is not made up for."""
        following = entry.schedule.next_after(entry.next)
        now = self._now(entry)
        return entry.schedule.next_after(now) if following is not None and following <= now else following

    def _now(self, entry: _Entry) -> datetime:
        return entry.started + timedelta(seconds=(self._clock() - entry.started_at) / self._scale)

    def _seconds_until(self, entry: _Entry, moment: datetime) -> float:
        return max(0.0, (moment - self._now(entry)).total_seconds() * self._scale)
