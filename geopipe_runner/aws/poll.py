"""Waiting for something to end, by a table of states. An unknown state is an error, not a reason to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import AwsError

T = TypeVar("T")


@dataclass(frozen=True)
class StateTable:
    """The meaning of each state of a `thing`."""

    thing: str
    running: frozenset[str]
    succeeded: frozenset[str]
    failed: frozenset[str]

    def is_final(self, state: str) -> bool:
        """Whether `state` is final. Raises AwsError for a state that is not in the table."""
        if state in self.running:
            return False
        if state in self.succeeded or state in self.failed:
            return True
        known = ", ".join(sorted(self.running | self.succeeded | self.failed))
        raise AwsError(f"The {self.thing} has the unknown state {state!r}; known are {known}.")


class TimedOut(Exception):  # noqa: N818 - the name of an outcome
    """The time was over before a final state. `last` is the last value that was read."""

    def __init__(self, last: object) -> None:
        super().__init__(last)
        self.last = last


def poll(
    read: Callable[[], T],
    is_final: Callable[[T], bool],
    *,
    every: float,
    within: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Returns what `read` returns once it is final; reads `every` s. Raises TimedOut after `within` s."""
    import tenacity  # takes as long as a call; a command that only reads needs none of it

    deadline = clock() + within
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda value: not is_final(value)),
        wait=lambda _state: max(0.0, min(every, deadline - clock())),
        stop=lambda _state: clock() >= deadline,
        sleep=sleep,
    )
    try:
        return retrying(read)
    except tenacity.RetryError as error:
        raise TimedOut(error.last_attempt.result()) from None
