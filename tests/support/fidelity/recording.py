"""What is kept of AWS calls: the shape of each request and of what came back, and when. Nothing of the account.

A recording is a JSON file in `tests/emulator/recorded/`. Calls that look alike are kept once, with their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

FOLDER = ROOT / "tests/emulator/recorded"
_FORMAT = 1
_PREFIX = "aws-"


@dataclass(frozen=True)
class RecordedCall:
    """Calls of one scenario that look alike.

    `request` and `response` are shapes: the names of members, with the type of each value or, where AWS's model lists
    the possible values, the value. `at` is when the first of them was sent, in seconds after the scenario began, and
    `until` the last; `seconds` is the longest time until an answer.
    """

    scenario: str
    service: str
    operation: str
    request: Any
    status: int
    code: str
    message: str
    response: Any
    at: float
    until: float
    seconds: float
    count: int = 1

    @property
    def outcome(self) -> tuple[str, str, int, str]:
        """What a call is compared by: the operation and how it ended."""
        return self.service, self.operation, self.status, self.code


@dataclass(frozen=True)
class Recording:
    """The calls that a person with an account has recorded. `recorded_on` is a date, as in 2026-11-29."""

    recorded_on: str
    region: str
    calls: tuple[RecordedCall, ...]


def merge(calls: Iterable[RecordedCall]) -> tuple[RecordedCall, ...]:
    """Returns the calls with those that look alike as one, in the order of the first of each."""
    merged: dict[str, RecordedCall] = {}
    for call in calls:
        alike = replace(call, at=0, until=0, seconds=0, count=0)
        key = json.dumps(asdict(alike), sort_keys=True)
        known = merged.get(key)
        merged[key] = call if known is None else _together(known, call)
    return tuple(merged.values())


def _together(first: RecordedCall, second: RecordedCall) -> RecordedCall:
    return replace(
        first,
        at=min(first.at, second.at),
        until=max(first.until, second.until),
        seconds=max(first.seconds, second.seconds),
        count=first.count + second.count,
    )


def read_calls(path: Path) -> tuple[RecordedCall, ...]:
    """Returns the calls that recorded commands have written, one in a line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return merge(RecordedCall(**json.loads(line)) for line in lines)


def save(recording: Recording, folder: Path = FOLDER) -> Path:
    """Write a recording and return its path."""
    path = folder / f"{_PREFIX}{recording.recorded_on}-{recording.region}.json"
    path.write_text(json.dumps({"format": _FORMAT, **asdict(recording)}, indent=1) + "\n", encoding="utf-8")
    return path


def recordings(folder: Path = FOLDER) -> tuple[Recording, ...]:
    """Returns all recordings there are. Raises ValueError: a file has a format that this code does not know."""
    found = []
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != _FORMAT:
            raise ValueError(f"{path} has another format than {_FORMAT}: record it again")
        calls = tuple(RecordedCall(**call) for call in content.pop("calls"))
        found.append(Recording(**content, calls=calls))
    return tuple(found)
