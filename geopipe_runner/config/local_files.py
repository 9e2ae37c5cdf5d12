"""Reads files of this machine once for all rules, and for all configurations that are loaded together."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LocalFiles:
    """What has been read so far. It is as old as this object, so each load of configurations needs one of its own."""

    def __init__(self) -> None:
        self._read: dict[Hashable, Any] = {}

    def once(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what `read` returns for hashable arguments. It is shared: do not change it. Errors are not kept."""
        key = (read, args, tuple(kwargs.items()))
        if key not in self._read:
            self._read[key] = read(*args, **kwargs)
        result: T = self._read[key]
        return result
