"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def count(number: int, one: str, many: str | None = None) -> str:
    """Returns `1 row` or `2,000 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """Returns a duration: `0.42 s`, `12.5 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min"


def moment(iso: str | None) -> datetime | None:
    """Returns a time of `run.json` in UTC; None for null and for text that is not a time."""
    try:
        return datetime.fromisoformat(iso or "").astimezone(UTC)
    except ValueError:
        return None


def clock(iso: str | None) -> str:
    """Returns `2026-01-31 23:59:59 UTC`; an empty text for null."""
    at = moment(iso)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


def between(began: str | None, ended: str | None) -> float | None:
    """Returns seconds, never below zero; None where one of the times is missing."""
    first, last = moment(began), moment(ended)
    return max(0.0, (last - first).total_seconds()) if first and last else None


def percent(part: int, whole: int) -> str:
    """Returns `99.98 %`. Only all is 100 %, and only nothing is 0 %."""
    if part in (0, whole):
        return "100 %" if whole and part else "0 %"
    share = min(max(100 * part / whole, 0.01), 99.99)
    return f"{share:.2f}".rstrip("0").rstrip(".") + " %"
