"""What a page is, and the words, signs and colors that all pages share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# Styles are good, bad, busy, warn or idle. The sign says the same without color.
_STYLES = {
    "Succeeded": ("good", "✓"),
    "success": ("good", "✓"),
    "Active": ("good", "✓"),
    "Enabled": ("good", "✓"),
    "Failed": ("bad", "✕"),
    "error": ("bad", "✕"),
    "timeout": ("bad", "✕"),
    "Executing": ("busy", "…"),
    "Starting": ("busy", "…"),
    "Waiting": ("busy", "?"),
    "running": ("busy", "…"),
    "Pending": ("busy", "…"),
    "in flight": ("busy", "→"),
    "Stopping": ("warn", "…"),
    "Stopped": ("warn", "■"),
    "delayed": ("warn", "◷"),
}


@dataclass(frozen=True)
class ConsolePage:
    """A template with its values. `section` is the entry of the navigation that it belongs to."""

    template: str
    section: str
    title: str
    values: Mapping[str, Any]
    interval: float = 0.5
    """Seconds between two looks for what has changed."""


class NoPageError(Exception):
    """There is no such page, or what it would show does not exist."""


class ActionError(Exception):
    """A button had no effect; the text says why."""


def status_style(status: str) -> tuple[str, str]:
    """Return the style and the sign of a state."""
    return _STYLES.get(status, ("idle", "○"))


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took, or has taken so far in whole seconds, so that a page changes once a second."""
    if start is None:
        return None
    if end is not None:
        return max((end - start).total_seconds(), 0.0)
    return float(max(int(time.time() - start.timestamp()), 0))


def duration(seconds: float | None) -> str:
    """Return a number of seconds in words: 0.42 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return ""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(moment: datetime | float | None) -> str:
    """Return a moment in local time: the time of day, and the date of another day."""
    if not moment:
        return ""
    local = _local(moment)
    is_today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M:%S}"


def full_time(moment: datetime | float | None) -> str:
    """Return a moment in local time with its date and its offset."""
    return _local(moment).isoformat(sep=" ", timespec="milliseconds") if moment else ""


def size(count: int) -> str:
    """Return a number of bytes in words."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1024 or unit == "GB":
            break
        value /= 1024
    return f"{count:,} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"


def _local(moment: datetime | float) -> datetime:
    return moment.astimezone() if isinstance(moment, datetime) else datetime.fromtimestamp(moment).astimezone()
