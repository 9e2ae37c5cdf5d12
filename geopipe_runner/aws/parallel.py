"""Calls on threads that never keep the process alive: a hung call must not survive Ctrl-C."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

# More than a deployment has resources: calls wait for AWS, not for each other.
WORKERS = 20

# Threads that are kept for later work. More have ended work at the same time only in a command on many deployments.
_MOST_IDLE = 100


class _Threads:
    """Threads that do one piece of work after the other: to start a thread takes longer than many a piece."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self, action: Callable[[], None]) -> None:
        """Run `action`, which raises nothing, on a thread that does nothing else meanwhile."""
        with self._lock:
            is_new = not self._idle
            if not is_new:
                self._idle -= 1
        if is_new:
            threading.Thread(target=self._run, name="geopipe", daemon=True).start()
        # Last: a signal can interrupt this, and no work may be left that no thread waits for.
        self._work.put(action)

    def _run(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                if self._idle >= _MOST_IDLE:
                    return
                self._idle += 1


_threads = _Threads()


def _forget_threads() -> None:
    global _threads
    _threads = _Threads()


# No thread but the one that forks exists in the child.
os.register_at_fork(after_in_child=_forget_threads)


def in_background(action: Callable[[], T]) -> Future[T]:
    """Start `action` on a thread of its own and return its future result."""
    future: Future[T] = Future()
    _threads.run(partial(fulfill, future, action))
    return future


def in_parallel(work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Returns the result of each piece of work, all done at the same time. The first error ends it."""
    futures: dict[str, Future[T]] = {key: Future() for key in work}
    queue: SimpleQueue[str] = SimpleQueue()
    for key in work:
        queue.put(key)

    def take_from_queue() -> None:
        while True:
            try:
                key = queue.get_nowait()
            except Empty:
                return
            if futures[key].set_running_or_notify_cancel():
                fulfill(futures[key], work[key])

    for _ in range(min(WORKERS, len(work))):
        _threads.run(take_from_queue)
    try:
        # One wait for all: among many threads, to wait for each result in turn takes CPU time.
        wait(futures.values(), return_when=FIRST_EXCEPTION)
        return {key: future.result() for key, future in futures.items()}
    except BaseException:
        for future in futures.values():
            future.cancel()
        raise


def fulfill(future: Future[T], action: Callable[[], T]) -> None:
    """Run `action` and give `future` its result or its error."""
    try:
        result = action()
    except BaseException as error:  # noqa: BLE001 - the one who asks for the result gets it, Interrupted included
        future.set_exception(error)
    else:
        future.set_result(result)
