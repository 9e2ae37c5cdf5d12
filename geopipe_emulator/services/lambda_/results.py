"""Finds the messages of a batch that are processed, from what the function returned. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any


def processed_messages(
    message_ids: Collection[str], response: bytes, *, succeeded: bool, reports_failures: bool
) -> set[str]:
    """Return the ids to delete from the queue. A response that AWS cannot read as a report fails the whole batch."""
    everything = set(message_ids)
    if not succeeded:
        return set()
    if not reports_failures:
        return everything
    failures = _failures(response)
    if failures is None or not failures <= everything:
        return set()
    return everything - failures


def _failures(response: bytes) -> set[str] | None:
    """Return the ids in a report: none if nothing failed, None if it is not a valid report."""
    if not response.strip():
        return set()
    try:
        report = json.loads(response)
    except ValueError:
        return None
    if not report and not isinstance(report, bool | int | float):
        return set()
    if not isinstance(report, dict):
        return None
    return _named(report.get("batchItemFailures"))


def _named(failures: Any) -> set[str] | None:
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return None
    names = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    known = {name for name in names if isinstance(name, str) and name}
    return known if all(isinstance(name, str) and name for name in names) else None
