"""The execution environments of one version of a function: which one runs the next invocation, and when to add one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ...protocol.errors import ServiceError
from .invocation import Invocation, InvocationResult

# An invocation waits this long for a busy environment before it starts another: a cold start takes ten times as long.
QUEUE_SECONDS = 0.05
MAX_ENVIRONMENTS = 16
IDLE_SECONDS = 300.0
# A killed process ends within milliseconds, but on a busy machine it may take seconds until it gets its turn.
_END_SECONDS = 5.0


class PooledEnvironment(Protocol):
    @property
    def is_ready(self) -> bool: ...

    @property
    def is_usable(self) -> bool: ...

    def run(self, invocation: Invocation) -> InvocationResult | None: ...

    def close(self) -> None: ...

    def join(self, timeout: float) -> None: ...


class PoolClosedError(Exception):
    """The function was deleted or replaced before the invocation got an environment."""


class Pool:
    def __init__(
        self,
        spawn: Callable[[], PooledEnvironment],
        on_drained: Callable[[], None],
        *,
        max_environments: int = MAX_ENVIRONMENTS,
        queue_seconds: float = QUEUE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spawn = spawn
        self._on_drained = on_drained
        self._max_environments = max_environments
        self._queue_seconds = queue_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._free: list[tuple[PooledEnvironment, float]] = []
        self._busy: set[PooledEnvironment] = set()
        self._spawning = 0
        self._closed = False
        self._drained = False

    @property
    def busy(self) -> int:
        with self._changed:
            return len(self._busy)

    @property
    def is_closed(self) -> bool:
        with self._changed:
            return self._closed

    def warm(self) -> None:
        """Start an environment before the first invocation."""
        with self._changed:
            if self._closed or self._free or self._busy or self._spawning:
                return
            self._spawning += 1
        self._release(self._spawned())

    def run(self, invocation: Invocation, reserved: int | None = None) -> InvocationResult:
        """Run on a free environment, else on a new one. `reserved` limits how many run at the same time."""
        while True:
            environment = self._acquire(reserved)
            try:
                outcome = environment.run(invocation)
            finally:
                self._release(environment)
            if outcome is not None:
                return outcome

    def close(self, *, kill_running: bool = False) -> None:
        """Take no more invocations. Running ones may finish, unless `kill_running`."""
        with self._changed:
            self._closed = True
            ending = [environment for environment, _ in self._free]
            if kill_running:
                ending += self._busy
            self._free.clear()
            self._changed.notify_all()
        self._end(ending)
        self._finish_if_drained()

    def _end(self, environments: Sequence[PooledEnvironment]) -> None:
        for environment in environments:
            environment.close()
        deadline = self._clock() + _END_SECONDS
        for environment in environments:
            environment.join(max(0.0, deadline - self._clock()))

    def _acquire(self, reserved: int | None) -> PooledEnvironment:
        with self._changed:
            if reserved is not None and len(self._busy) >= reserved:
                raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)
            environment = self._take_free()
            if environment is None and (self._busy or self._spawning):
                self._changed.wait_for(lambda: self._free or self._closed, self._queue_seconds)
                environment = self._take_free()
            while environment is None and len(self._busy) + self._spawning >= self._max_environments:
                self._changed.wait()
                environment = self._take_free()
            if environment is not None:
                self._busy.add(environment)
                return environment
            self._spawning += 1
        environment = self._spawned()
        with self._changed:
            self._busy.add(environment)
            closed = self._closed
        if closed:
            self._release(environment)
            raise PoolClosedError
        return environment

    def _take_free(self) -> PooledEnvironment | None:
        """Return the environment that was used last; one that is ready comes before one that still starts."""
        if self._closed:
            raise PoolClosedError
        self._free = [(environment, since) for environment, since in self._free if environment.is_usable]
        if not self._free:
            return None
        best = max(range(len(self._free)), key=lambda index: (self._free[index][0].is_ready, index))
        return self._free.pop(best)[0]

    def _spawned(self) -> PooledEnvironment:
        try:
            return self._spawn()
        finally:
            with self._changed:
                self._spawning -= 1
                self._changed.notify_all()

    def _release(self, environment: PooledEnvironment) -> None:
        now = self._clock()
        with self._changed:
            self._busy.discard(environment)
            ending = [idle for idle, since in self._free if now - since > IDLE_SECONDS]
            self._free = [(idle, since) for idle, since in self._free if now - since <= IDLE_SECONDS]
            if self._closed:
                ending.append(environment)
            elif environment.is_usable:
                self._free.append((environment, now))
            self._changed.notify_all()
        self._end(ending)
        self._finish_if_drained()

    def _finish_if_drained(self) -> None:
        with self._changed:
            if not self._closed or self._drained or self._busy or self._spawning:
                return
            self._drained = True
        self._on_drained()
