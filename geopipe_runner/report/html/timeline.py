"""The timeline of a run: every step of the definition with its state, on one scale of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..text.messages import moment, span

NOT_BEGUN = "Not started"

_STYLES = {
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
    """One step. `style` is good, bad, busy, warn or idle; `sign` says the same without color."""

    name: str
    kind: str
    status: str
    style: str
    sign: str
    duration: str
    failure: str
    outputs: Mapping[str, str]
    bar: Bar | None


@dataclass(frozen=True)
class Tick:
    """A mark on the scale, `at` percent of it."""

    at: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """All steps, in the order of the definition, and their scale of time."""

    rows: tuple[StepRow, ...]
    ticks: tuple[Tick, ...]

    def describe(self) -> str:
        """Returns the steps and their states as a sentence, for people who cannot see the drawing."""
        return "; ".join(
            f"{row.name}: {row.status}{' in ' + row.duration if row.duration else ''}" for row in self.rows
        )


def status_style(status: str | None) -> tuple[str, str]:
    """Returns the style and the sign of a status."""
    return _STYLES.get(status or NOT_BEGUN, ("idle", "○"))


def build_timeline(document: Mapping[str, Any]) -> Timeline:
    """Returns the timeline of the run in `document`. A step that still runs lasts until the document's end."""
    steps: dict[str, Mapping[str, Any]] = {step["name"]: step for step in document["steps"]}
    kinds = {step["name"]: step["type"] for step in document["definition"]}
    kinds |= {name: step["type"] for name, step in steps.items() if name not in kinds}

    spans: dict[str, tuple[datetime, datetime]] = {}
    for name, step in steps.items():
        start, end = moment(step["started"]), moment(step["ended"] or document["ended"])
        if start is not None:
            spans[name] = start, max(end or start, start)
    began = min((start for start, _ in spans.values()), default=None)
    ended = max((end for _, end in spans.values()), default=None)
    whole = max((ended - began).total_seconds(), 0.001) if began and ended else 0.0

    rows = []
    for name, kind in kinds.items():
        step = steps.get(name, {})
        status = step.get("status") or NOT_BEGUN
        bar, duration = None, ""
        if name in spans and began:
            start, end = spans[name]
            seconds = (end - start).total_seconds()
            left = 100 * (start - began).total_seconds() / whole
            bar, duration = Bar(round(left, 3), round(max(100 * seconds / whole, 0.4), 3)), span(seconds)
        outputs = {output: str(value) for output, value in step.get("outputs", {}).items()}
        rows.append(
            StepRow(name, kind, status, *status_style(status), duration, step.get("failure") or "", outputs, bar)
        )
    return Timeline(tuple(rows), _ticks(whole) if spans else ())


def _ticks(seconds: float) -> tuple[Tick, ...]:
    """Returns round numbers, at most a handful of them."""
    days = _DAY * (seconds // (_DAY * _MOST_TICKS) + 1)
    step: float = next((step for step in _SCALES if seconds / step <= _MOST_TICKS), days)
    return tuple(
        Tick(round(100 * n * step / seconds, 3), _tick(n * step, step)) for n in range(int(seconds / step) + 1)
    )


def _tick(at: float, step: float) -> str:
    if step >= _HOUR:
        return f"{at / _HOUR:g} h"
    return f"{at / 60:g} min" if step >= 60 else f"{at:g} s"
