"""Wait for a condition in a test, never for a fixed time."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any


def eventually(condition: Callable[[], Any], patience: float = 90.0, *, what: str = "", every: float = 0.02) -> Any:
    """Returns the first true value of `condition`.

    Raises AssertionError after `patience` seconds, saying what it waited for and what `condition` returned last.
    """
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {patience:g} s for {what or _source(condition)}; the last value was {value!r}"
            )
        time.sleep(every)
    return value


def _source(condition: Callable[[], Any]) -> str:
    """The condition as it is written in the test."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
