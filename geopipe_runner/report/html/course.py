"""How a run went: every step of the definition with its state, and where it lies on one scale of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..wording import moment, span

NOT_BEGUN = "Not started"

_LOOKS = {
    "Succeeded": ("good", "✓"),
    "Failed": ("bad", "✕"),
    "Executing": ("busy", "…"),
    "Starting": ("busy", "…"),
    "Stopping": ("warn", "…"),
    "Stopped": ("warn", "■"),
    NOT_BEGUN: ("idle", "○"),
}
_HOUR = 3600
_DAY = 24 * _HOUR
_FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_SCALES = (
    *_FRACTIONS,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    _HOUR,
    2 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
)
_MOST_TICKS = 5


@dataclass(frozen=True)
class Bar:
    """Where a step lies, in percent of the whole."""

    left: float
    width: float


@dataclass(frozen=True)
class StepRow:
    """One step. `look` is good, bad, busy, warn or idle; `sign` says the same without colour."""

    name: str
    kind: str
    status: str
    look: str
    sign: str
    lasted: str
    failure: str
    outputs: Mapping[str, str]
    bar: Bar | None


@dataclass(frozen=True)
class Tick:
    """A mark on the scale, `at` percent of it."""

    at: float
    label: str


@dataclass(frozen=True)
class Course:
    """All steps, in the order of the definition, and their scale of time."""

    rows: tuple[StepRow, ...]
    ticks: tuple[Tick, ...]


def look(status: str | None) -> tuple[str, str]:
    """How a status looks: a class and a sign."""
    return _LOOKS.get(status or NOT_BEGUN, ("idle", "○"))


def course(document: Mapping[str, Any]) -> Course:
    """The course of the run in `document`. A step still going lasts until the document's end."""
    seen: dict[str, Mapping[str, Any]] = {step["name"]: step for step in document["steps"]}
    declared = [{"name": step["name"], "type": step["type"]} for step in document["definition"]]
    names = {step["name"] for step in declared}
    entries = [*declared, *({"name": n, "type": s["type"]} for n, s in seen.items() if n not in names)]
    times = [(moment(s["started"]), moment(s["ended"] or document["ended"])) for s in seen.values()]
    starts = [start for start, _ in times if start]
    if not starts:
        return Course(tuple(_row(entry, seen.get(entry["name"]), None) for entry in entries), ())
    began, ended = min(starts), max([end for _, end in times if end] + starts)
    scale = _Scale(began, max((ended - began).total_seconds(), 0.001), document["ended"])
    rows = tuple(_row(entry, seen.get(entry["name"]), scale) for entry in entries)
    return Course(rows, _ticks(scale.seconds))


@dataclass(frozen=True)
class _Scale:
    began: datetime
    seconds: float
    now: str | None

    def bar(self, step: Mapping[str, Any]) -> tuple[Bar | None, str]:
        """Where the step lies, and how long it took."""
        start, end = moment(step["started"]), moment(step["ended"] or self.now)
        if start is None:
            return None, ""
        lasted = max(0.0, ((end or start) - start).total_seconds())
        left = 100 * (start - self.began).total_seconds() / self.seconds
        return Bar(round(left, 3), round(max(100 * lasted / self.seconds, 0.4), 3)), span(lasted)


def _row(entry: Mapping[str, str], step: Mapping[str, Any] | None, scale: _Scale | None) -> StepRow:
    status = step["status"] if step else NOT_BEGUN
    bar, lasted = scale.bar(step) if scale and step else (None, "")
    outputs = {name: str(value) for name, value in (step["outputs"] if step else {}).items()}
    failure = (step["failure"] or "") if step else ""
    return StepRow(entry["name"], entry["type"], status, *look(status), lasted, failure, outputs, bar)


def _ticks(seconds: float) -> tuple[Tick, ...]:
    """Round numbers, at most a handful of them."""
    days = _DAY * (seconds // (_DAY * _MOST_TICKS) + 1)
    step: float = next((step for step in _SCALES if seconds / step <= _MOST_TICKS), days)
    return tuple(
        Tick(round(100 * n * step / seconds, 3), _tick(n * step, step)) for n in range(int(seconds / step) + 1)
    )


def _tick(at: float, step: float) -> str:
    if step >= _HOUR:
        return f"{at / _HOUR:g} h"
    return f"{at / 60:g} min" if step >= 60 else f"{at:g} s"


def names(rows: Sequence[StepRow]) -> str:
    """The steps and their states as a sentence, for those who cannot see the drawing."""
    return "; ".join(f"{row.name}: {row.status}{' in ' + row.lasted if row.lasted else ''}" for row in rows)
