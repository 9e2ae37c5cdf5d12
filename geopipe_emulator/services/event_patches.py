"""What delivers events, imported and made when the first call needs it: few runs do, and it would delay every start."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..http.request import Response
from ..service import Environment, ServiceEvent
from ..state.records import RecordTable

if TYPE_CHECKING:
    from ..events.agenda import Agenda
    from ..events.delivery import Delivery, Dispatcher
    from ..events.timetable import Timetable
    from ..gateway.call import Call, Forward, MotoPatch
    from .events.bus import EventBus
    from .events.moto_patch import EventsPatch
    from .s3.notifier import S3Notifier
    from .scheduler.moto_patch import SchedulerPatch
    from .sns.moto_patch import SnsPatch

Patch = TypeVar("Patch", bound="MotoPatch")


class EventPatches:
    """The parts that deliver, of which all services share one each."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        # The notification configurations of buckets, as XML.
        self._configurations: RecordTable[str, str] = environment.tables.open("s3 notification")
        # A service may send an event while it holds the lock of the state file. So the tables open now, and not later
        # under our own lock.
        self._waiting: RecordTable[str, Delivery] = environment.tables.open(
            "event delivery", simplify=lambda delivery: delivery.record(), restore=_restored
        )
        self._runs: RecordTable[str, str] = environment.tables.open("scheduler run")
        self._starts: RecordTable[str, tuple[str, str]] = environment.tables.open("event rule start")
        self._lock = threading.RLock()
        self._is_stopped = False
        self._events = LazyPatch("events", self._make_events, self._lock)
        self._scheduler = LazyPatch("scheduler", self._make_scheduler, self._lock)
        environment.emit = self._emit
        environment.resume_events = self._resume

    def lazy(self) -> list[MotoPatch]:
        """Return the patches of EventBridge, Scheduler and SNS."""
        return [self._events, self._scheduler, LazyPatch("sns", self._make_sns, self._lock)]

    @property
    def has_notifications(self) -> bool:
        """Whether a bucket has a notification configuration."""
        return bool(self._configurations)

    def notifier(self) -> S3Notifier:
        """Return the notifier for buckets."""
        with self._lock:
            return self._notifier

    def stop(self) -> None:
        """End all schedules, and drop what is not delivered yet."""
        with self._lock:
            self._is_stopped = True
            if "_agenda" in self.__dict__:
                self._agenda.stop()

    def _emit(self, event: ServiceEvent) -> None:
        # Without moto's EventBridge there are no rules.
        if "moto.events.models" in sys.modules:
            with self._lock:
                bus = self._bus
            bus.emit(event)

    def _resume(self) -> None:
        """Deliver what an earlier process has left, and run the schedules that moto has already.

        moto keeps its state when the emulator's own parts are made again.
        """
        if self._waiting:
            with self._lock:
                dispatcher = self._dispatcher
            dispatcher.resume()
        if "moto.events.models" in sys.modules:
            self._events.patch.resume()
        if "moto.scheduler.models" in sys.modules:
            self._scheduler.patch.resume()

    def _make_events(self) -> EventsPatch:
        from .events.moto_patch import EventsPatch

        return EventsPatch(self._bus, self._timetable, self._starts)

    def _make_scheduler(self) -> SchedulerPatch:
        from .scheduler.moto_patch import SchedulerPatch

        return SchedulerPatch(self._environment, self._dispatcher, self._timetable, self._runs)

    def _make_sns(self) -> SnsPatch:
        from .sns.moto_patch import SnsPatch

        return SnsPatch(self._dispatcher)

    @cached_property
    def _notifier(self) -> S3Notifier:
        from .s3.notifier import S3Notifier

        return S3Notifier(self._environment, self._dispatcher, self._configurations)

    @cached_property
    def _agenda(self) -> Agenda:
        from ..events.agenda import Agenda

        agenda = Agenda()
        if self._is_stopped:
            agenda.stop()
        return agenda

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        from ..events.delivery import Dispatcher

        return Dispatcher(self._environment, self._agenda, self._waiting)

    @cached_property
    def _timetable(self) -> Timetable:
        from ..events.timetable import Timetable

        return Timetable(self._agenda, self._environment.settings.time_scale)

    @cached_property
    def _bus(self) -> EventBus:
        from .events.bus import EventBus

        return EventBus(self._environment.settings.account_id, self._dispatcher)


def _restored(record: Mapping[str, Any]) -> Delivery:
    from ..events.delivery import Delivery

    return Delivery.from_record(record)


class LazyPatch(Generic[Patch]):
    """A moto patch that is made by the first call."""

    def __init__(self, service: str, make: Callable[[], Patch], lock: threading.RLock) -> None:
        self.service = service
        self._make = make
        self._lock = lock
        self._patch: Patch | None = None

    def handle(self, call: Call, forward: Forward) -> Response:
        """Let the patch handle the call."""
        return self.patch.handle(call, forward)

    @property
    def patch(self) -> Patch:
        """The patch itself."""
        with self._lock:
            if self._patch is None:
                self._patch = self._make()
            return self._patch

    def stop(self) -> None:
        """Let every request of the patch return."""
        if self._patch is not None:
            self._patch.stop()
