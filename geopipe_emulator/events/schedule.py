"""Schedule expressions of EventBridge: rate(…), cron(…) and at(…). Pure.

The fields of cron, their ranges and wildcards are those of the EventBridge user guide, "Cron expressions reference".
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


class InvalidScheduleError(ValueError):
    """An expression that AWS would refuse."""


class Schedule(Protocol):
    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment`; None if there is none."""


@dataclass(frozen=True)
class Rate:
    """Every so many seconds, counted from the time before."""

    seconds: int

    def next_after(self, moment: datetime) -> datetime | None:
        return moment + timedelta(seconds=self.seconds)

    def next_since(self, begin: datetime, moment: datetime) -> datetime:
        """Return the first time after `moment`, counted from `begin`."""
        period = timedelta(seconds=self.seconds)
        return begin + ((moment - begin) // period + 1) * period


@dataclass(frozen=True)
class Once:
    """One time only."""

    moment: datetime

    def next_after(self, moment: datetime) -> datetime | None:
        return self.moment if self.moment > moment else None


@dataclass(frozen=True)
class Cron:
    """The minutes, hours, days and so on that match, in a time zone."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: str
    months: frozenset[int]
    weekdays: str
    years: frozenset[int]
    zone: tzinfo = UTC

    def next_after(self, moment: datetime) -> datetime | None:
        local = moment.astimezone(self.zone)
        day = local.date()
        for year in sorted(year for year in self.years if year >= day.year):
            for month in sorted(self.months):
                if (year, month) < (day.year, day.month):
                    continue
                for number in sorted(self._days_of(year, month)):
                    if (found := self._first_on(date(year, month, number), moment)) is not None:
                        return found
        return None

    def _first_on(self, day: date, moment: datetime) -> datetime | None:
        if day < moment.astimezone(self.zone).date():
            return None
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                candidate = local.astimezone(UTC)
                # A time that the clocks skip in spring does not exist.
                is_real = candidate.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                if candidate > moment and is_real:
                    return candidate
        return None

    def _days_of(self, year: int, month: int) -> set[int]:
        last = calendar.monthrange(year, month)[1]
        if self.weekdays != "?":
            return _days_by_weekday(self.weekdays, year, month, last)
        if self.days == "L":
            return {last}
        if self.days.endswith("W"):
            return {_nearest_weekday(year, month, min(int(self.days[:-1]), last), last)}
        return {day for day in _numbers(self.days, 1, 31) if day <= last}


def parse_schedule(expression: str, zone: str = "UTC", *, allows_once: bool = False) -> Schedule:
    """Return the schedule of an expression.

    Args:
        expression: rate(…) or cron(…), or at(…) if `allows_once`.
        zone: The time zone of cron(…) and at(…), as in the IANA database.
        allows_once: Whether at(…) is valid: in EventBridge Scheduler it is, in rules it is not.

    Raises:
        InvalidScheduleError: AWS would refuse the expression or the zone.
    """
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression)
    if match is None or (match[1] == "at" and not allows_once):
        raise InvalidScheduleError(expression)
    where = _zone(zone)
    if match[1] == "rate":
        return _rate(match[2])
    if match[1] == "cron":
        return _cron(match[2], where)
    try:
        return Once(datetime.strptime(match[2], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=where).astimezone(UTC))
    except ValueError as problem:
        raise InvalidScheduleError(expression) from problem


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as problem:
        raise InvalidScheduleError(name) from problem


def _rate(text: str) -> Rate:
    match = re.fullmatch(r"([1-9]\d{0,8}) (minute|hour|day)(s?)", text)
    # AWS insists on the singular for 1, and on the plural otherwise.
    if match is None or (match[1] == "1") == bool(match[3]):
        raise InvalidScheduleError(text)
    return Rate(int(match[1]) * _UNITS[match[2]])


def _cron(text: str, zone: tzinfo) -> Cron:
    fields = text.split()
    if len(fields) != 6:
        raise InvalidScheduleError(text)
    minutes, hours, days, months, weekdays, years = (field.upper() for field in fields)
    # One of the two says when, and the other one has to be a question mark.
    if (days == "?") == (weekdays == "?"):
        raise InvalidScheduleError(text)
    cron = Cron(
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        days,
        _numbers(months, 1, 12, _MONTHS),
        weekdays,
        _numbers(years, _FIRST_YEAR, _LAST_YEAR),
        zone,
    )
    _check_days(days, weekdays)
    return cron


def _check_days(days: str, weekdays: str) -> None:
    if days not in ("?", "L") and not re.fullmatch(r"(?:[1-9]|[12]\d|3[01])W", days):
        _numbers(days, 1, 31)
    if weekdays not in ("?", "L") and not re.fullmatch(r"[1-7]L|(?:[1-7]|[A-Z]{3})#[1-5]", weekdays):
        _numbers(weekdays, 1, 7, _WEEKDAYS)
    elif "#" in weekdays:
        _numbers(weekdays.partition("#")[0], 1, 7, _WEEKDAYS)


def _numbers(text: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the numbers in a field: values, names, ranges, steps and lists of them."""
    numbers: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            low, high = least, most
        elif "-" in span:
            low, high = (_number(end, least, most, names) for end in span.split("-", 1))
        else:
            low = _number(span, least, most, names)
            high = most if step else low
        if "/" in part and not re.fullmatch(r"[1-9]\d{0,3}", step):
            raise InvalidScheduleError(part)
        if low > high:
            raise InvalidScheduleError(part)
        numbers.update(range(low, high + 1, int(step or 1)))
    return frozenset(numbers)


def _number(text: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + 1
    if not re.fullmatch(r"\d{1,4}", text) or not least <= int(text) <= most:
        raise InvalidScheduleError(text)
    return int(text)


def _days_by_weekday(field: str, year: int, month: int, last: int) -> set[int]:
    def weekday(day: int) -> int:
        """Sunday is 1."""
        return calendar.weekday(year, month, day) % 7 + 2 if calendar.weekday(year, month, day) < 6 else 1

    days = range(1, last + 1)
    if field == "L":
        return {day for day in days if weekday(day) == 7}
    if field.endswith("L"):
        return {max(day for day in days if weekday(day) == int(field[:-1]))}
    if "#" in field:
        name, _, nth = field.partition("#")
        (wanted,) = _numbers(name, 1, 7, _WEEKDAYS)
        matching = [day for day in days if weekday(day) == wanted]
        return set(matching[int(nth) - 1 : int(nth)])
    wanted_days = _numbers(field, 1, 7, _WEEKDAYS)
    return {day for day in days if weekday(day) in wanted_days}


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """Return the day from Monday to Friday that is nearest, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < last else day - 2
    return day
