"""Order from dependencies: sorting, and doing independent work in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter

from ..aws.clock import Interrupted
from ..aws.parallel import WORKERS
from ..kinds.base import Resource


def ordered(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Returns the resources, each after its dependencies. A cycle or unknown key is a ValueError, a bug of a kind."""
    by_key = {resource.key: resource for resource in resources}
    unknown = {dependency for resource in by_key.values() for dependency in resource.dependencies} - set(by_key)
    if unknown:
        raise ValueError(f"unknown keys in dependencies: {sorted(unknown)}")
    try:
        keys = list(TopologicalSorter({key: resource.dependencies for key, resource in by_key.items()}).static_order())
    except CycleError as error:
        raise ValueError(f"resources depend on each other: {' -> '.join(error.args[1])}") from None
    return tuple(by_key[key] for key in keys)


class Walk:
    """Does one piece of work per key, each as soon as everything it waits for is done, several in parallel.

    Both callbacks run on the calling thread. `before` may veto a piece. `after` gets each outcome and returns whether
    the pieces that wait for it may start. If not, they are left out, and the others continue.
    """

    def __init__(self, waits_for: Mapping[str, Iterable[str]], work: Callable[[str], object]) -> None:
        self._waits_for = {
            key: {dependency for dependency in creation_dependencies if dependency in waits_for}
            for key, creation_dependencies in waits_for.items()
        }
        self._work = work

    def run(self, before: Callable[[str], bool], after: Callable[[str, BaseException | None], bool]) -> tuple[str, ...]:
        """Do the work and return the keys that were left out."""
        waiting = {key: set(creation_dependencies) for key, creation_dependencies in self._waits_for.items()}
        running: dict[Future[object], str] = {}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="geopipe") as pool:
            try:
                while True:
                    for key in [key for key, creation_dependencies in waiting.items() if not creation_dependencies]:
                        del waiting[key]
                        action = self._work if before(key) else _nothing
                        running[pool.submit(action, key)] = key
                    if not running:
                        return tuple(waiting)
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        key, error = running.pop(future), future.exception()
                        if isinstance(error, Interrupted):  # no failure of the resource: everything ends
                            raise error
                        if after(key, error):
                            for creation_dependencies in waiting.values():
                                creation_dependencies.discard(key)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _nothing(_key: str) -> None:
    return None
