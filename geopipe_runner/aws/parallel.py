"""Calls that do not wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

WORKERS = 20
"""More than a deployment has resources: calls wait for AWS, not for each other."""


def in_parallel(work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """The result of each piece of work, all done at the same time; the first error ends it."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="geopipe") as pool:
        futures = {key: pool.submit(action) for key, action in work.items()}
        try:
            return {key: future.result() for key, future in futures.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
