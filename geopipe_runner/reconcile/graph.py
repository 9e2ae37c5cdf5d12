"""Order from dependencies: sorting, and doing independent work at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter

from ..aws.parallel import WORKERS
from ..kinds.base import Resource


def ordered(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources, each after those it needs. Raises ValueError (a bug of a kind) for a cycle or unknown key."""
    by_key = {resource.key: resource for resource in resources}
    unknown = {need for resource in by_key.values() for need in resource.rests_on} - set(by_key)
    if unknown:
        raise ValueError(f"unknown keys in `needs`: {sorted(unknown)}")
    try:
        keys = list(TopologicalSorter({key: resource.rests_on for key, resource in by_key.items()}).static_order())
    except CycleError as error:
        raise ValueError(f"resources need each other: {' -> '.join(error.args[1])}") from None
    return tuple(by_key[key] for key in keys)


class Walk:
    """Does one piece of work per key, each as soon as all it waits for is done, several at a time.

    `before` (on the calling thread) may veto a piece; `after` (on the calling thread) is told each outcome and says
    whether those waiting for it may go on. When it says no for one, they are left out; the rest continues.
    """

    def __init__(self, waits_for: Mapping[str, Iterable[str]], work: Callable[[str], object]) -> None:
        self._waits_for = {key: {need for need in needs if need in waits_for} for key, needs in waits_for.items()}
        self._work = work

    def run(self, before: Callable[[str], bool], after: Callable[[str, BaseException | None], bool]) -> tuple[str, ...]:
        """Answers the keys that were left out."""
        waiting = {key: set(needs) for key, needs in self._waits_for.items()}
        running: dict[Future[object], str] = {}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="geopipe") as pool:
            try:
                while True:
                    for key in [key for key, needs in waiting.items() if not needs]:
                        del waiting[key]
                        action = self._work if before(key) else _nothing
                        running[pool.submit(action, key)] = key
                    if not running:
                        return tuple(waiting)
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        key = running.pop(future)
                        if after(key, future.exception()):
                            for needs in waiting.values():
                                needs.discard(key)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _nothing(_key: str) -> None:
    return None
