"""The ledger of API calls, so that a test can prove what was called and, above all, what was not.

It keeps raw facts on the hot path and works out names only when somebody reads it.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

_READING = ("Get", "List", "Describe", "Head", "Lookup", "Search", "Simulate", "BatchGet", "Filter", "Test")
_HARMLESS = {("sts", "AssumeRole"), ("sts", "DecodeAuthorizationMessage"), ("logs", "StartQuery")}


class CallLedger:
    """Counts calls by (service, operation), those of our own services apart from those of the outside."""

    def __init__(self) -> None:
        self._counts: dict[bool, Counter[tuple[str, str]]] = {False: Counter(), True: Counter()}
        self._lock = threading.Lock()

    def record(self, service: str, operation: str, internal: bool) -> None:
        with self._lock:
            self._counts[internal][service, operation] += 1

    def clear(self) -> None:
        with self._lock:
            for counter in self._counts.values():
                counter.clear()

    def report(self) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return {
                "external": _rows(self._counts[False]),
                "internal": _rows(self._counts[True]),
            }


def is_mutating(service: str, operation: str) -> bool:
    """Does the call change anything an account's owner would notice? Unknown names count as changing."""
    return not operation.startswith(_READING) and (service, operation) not in _HARMLESS


def _rows(counter: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"service": service, "operation": operation, "count": count, "mutating": is_mutating(service, operation)}
        for (service, operation), count in sorted(counter.items())
    ]
