"""The log of API calls, so that a test can prove what was called and, above all, what was not."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ..http.request import Response
from .call import Call, Forward

_READING = ("Get", "List", "Describe", "Head", "Lookup", "Search", "Simulate", "BatchGet", "Filter", "Test")
_HARMLESS = {("sts", "AssumeRole"), ("sts", "DecodeAuthorizationMessage"), ("logs", "StartQuery")}


class CallLog:
    """Counts calls by service and operation, those of our own services apart from those from outside."""

    def __init__(self) -> None:
        self._counts: dict[bool, Counter[tuple[str, str]]] = {False: Counter(), True: Counter()}
        self._lock = threading.Lock()

    def handle(self, call: Call, forward: Forward) -> Response:
        """Count the call and pass it on."""
        with self._lock:
            self._counts[call.is_internal][call.service, call.operation] += 1
        return forward(call)

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            for counter in self._counts.values():
                counter.clear()

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """The counts, with whether each operation changes anything."""
        with self._lock:
            return {"external": _rows(self._counts[False]), "internal": _rows(self._counts[True])}


def is_mutating(service: str, operation: str) -> bool:
    """Whether the call changes anything that an account's owner would notice. Unknown names count as changing."""
    return not operation.startswith(_READING) and (service, operation) not in _HARMLESS


def _rows(counter: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"service": service, "operation": operation, "count": count, "mutating": is_mutating(service, operation)}
        for (service, operation), count in sorted(counter.items())
    ]
