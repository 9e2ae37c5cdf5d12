"""The workers of one version of one function: who runs the next invocation, and when another worker is worth it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..errors import ServiceError
from .invocation import Invocation, Outcome

PATIENCE_SECONDS = 0.05
"""A cold start costs ten times this, so a busy worker that is about to be free is worth the wait."""
MAX_WORKERS = 16
IDLE_SECONDS = 300.0


class PooledWorker(Protocol):
    @property
    def ready(self) -> bool: ...

    @property
    def usable(self) -> bool: ...

    def run(self, invocation: Invocation) -> Outcome | None: ...

    def close(self) -> None: ...

    def join(self, timeout: float) -> None: ...


class PoolClosedError(Exception):
    """The function was deleted or replaced before the invocation got a worker."""


class Pool:
    def __init__(
        self,
        spawn: Callable[[], PooledWorker],
        on_drained: Callable[[], None],
        *,
        max_workers: int = MAX_WORKERS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spawn = spawn
        self._on_drained = on_drained
        self._max_workers = max_workers
        self._patience = patience
        self._clock = clock
        self._changed = threading.Condition()
        self._free: list[tuple[PooledWorker, float]] = []
        self._busy: set[PooledWorker] = set()
        self._spawning = 0
        self._closed = False
        self._drained = False

    @property
    def busy(self) -> int:
        with self._changed:
            return len(self._busy)

    def warm(self) -> None:
        """Start a worker ahead of the first invocation."""
        with self._changed:
            if self._closed or self._free or self._busy or self._spawning:
                return
            self._spawning += 1
        self._release(self._spawned())

    def run(self, invocation: Invocation, reserved: int | None = None) -> Outcome:
        """Run on a free worker, else on a new one; `reserved` limits how many may run at once."""
        while True:
            worker = self._acquire(reserved)
            try:
                outcome = worker.run(invocation)
            finally:
                self._release(worker)
            if outcome is not None:
                return outcome

    def close(self, *, at_once: bool = False) -> None:
        """No more invocations; running ones may finish, unless `at_once`."""
        with self._changed:
            self._closed = True
            doomed = [worker for worker, _ in self._free]
            if at_once:
                doomed += self._busy
            self._free.clear()
            self._changed.notify_all()
        for worker in doomed:
            worker.close()
        for worker in doomed:
            worker.join(1.0)
        self._finish_if_drained()

    def _acquire(self, reserved: int | None) -> PooledWorker:
        with self._changed:
            if reserved is not None and len(self._busy) >= reserved:
                raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)
            worker = self._take_free()
            if worker is None and (self._busy or self._spawning):
                self._changed.wait_for(lambda: self._free or self._closed, self._patience)
                worker = self._take_free()
            while worker is None and len(self._busy) + self._spawning >= self._max_workers:
                self._changed.wait()
                worker = self._take_free()
            if worker is not None:
                self._busy.add(worker)
                return worker
            self._spawning += 1
        worker = self._spawned()
        with self._changed:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            self._release(worker)
            raise PoolClosedError
        return worker

    def _take_free(self) -> PooledWorker | None:
        """The free worker used last, ready ones before those still starting."""
        if self._closed:
            raise PoolClosedError
        self._free = [(worker, since) for worker, since in self._free if worker.usable]
        if not self._free:
            return None
        best = max(range(len(self._free)), key=lambda index: (self._free[index][0].ready, index))
        return self._free.pop(best)[0]

    def _spawned(self) -> PooledWorker:
        try:
            return self._spawn()
        finally:
            with self._changed:
                self._spawning -= 1
                self._changed.notify_all()

    def _release(self, worker: PooledWorker) -> None:
        now = self._clock()
        with self._changed:
            self._busy.discard(worker)
            doomed = [idle for idle, since in self._free if now - since > IDLE_SECONDS]
            self._free = [(idle, since) for idle, since in self._free if now - since <= IDLE_SECONDS]
            if self._closed:
                doomed.append(worker)
            elif worker.usable:
                self._free.append((worker, now))
            self._changed.notify_all()
        for idle in doomed:
            idle.close()
            idle.join(1.0)
        self._finish_if_drained()

    def _finish_if_drained(self) -> None:
        with self._changed:
            if not self._closed or self._drained or self._busy or self._spawning:
                return
            self._drained = True
        self._on_drained()
