"""Which messages of a batch are done with, by what the function answered. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any


def handled(message_ids: Collection[str], answer: bytes, *, succeeded: bool, reports_failures: bool) -> set[str]:
    """The ids to delete from the queue. Anything AWS cannot read as a report fails the whole batch."""
    everything = set(message_ids)
    if not succeeded:
        return set()
    if not reports_failures:
        return everything
    failures = _failures(answer)
    if failures is None or not failures <= everything:
        return set()
    return everything - failures


def _failures(answer: bytes) -> set[str] | None:
    """The ids a report names; empty when there is nothing to report, None when it makes no sense."""
    if not answer.strip():
        return set()
    try:
        report = json.loads(answer)
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
