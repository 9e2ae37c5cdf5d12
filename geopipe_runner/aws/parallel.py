"""Calls on threads that never keep the process alive: a hung call must not survive Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

# More than a deployment has resources: calls wait for AWS, not for each other.
WORKERS = 20


def in_background(action: Callable[[], T]) -> Future[T]:
    """Start `action` on a thread of its own and return its future result."""
    future: Future[T] = Future()
    threading.Thread(target=_run, args=(future, action), name="geopipe", daemon=True).start()
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
                _run(futures[key], work[key])

    for _ in range(min(WORKERS, len(work))):
        threading.Thread(target=take_from_queue, name="geopipe", daemon=True).start()
    try:
        return {key: future.result() for key, future in futures.items()}
    except BaseException:
        for future in futures.values():
            future.cancel()
        raise


def _run(future: Future[T], action: Callable[[], T]) -> None:
    try:
        result = action()
    except BaseException as error:  # noqa: BLE001 - the one who asks for the result gets it, Interrupted included
        future.set_exception(error)
    else:
        future.set_result(result)
