"""Pages of sorted things. The token is the last one shown, so that what goes away in between does no harm."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .filters import invalid

Item = TypeVar("Item")

DEFAULT_RESOURCES = 50
RESOURCES = range(1, 101)
TAGS = range(100, 501)


def after(items: Iterable[Item], identify: Callable[[Item], str], token: str | None) -> list[Item]:
    """What is still to be shown, in order, once the pages up to `token` have been."""
    ordered = sorted(items, key=identify)
    if not token:
        return ordered
    last_shown = _read(token)
    return [item for item in ordered if identify(item) > last_shown]


def cut(left: Sequence[Item], identify: Callable[[Item], str], limit: int) -> tuple[Sequence[Item], str]:
    """One page, and the token of the next ("" on the last one)."""
    shown = left[:limit]
    return shown, _write(identify(shown[-1])) if len(shown) < len(left) else ""


def limit_of(request: Mapping[str, Any], tag_counts: Sequence[int]) -> int:
    """How many resources the page may show, given how many tags each of those to come has. At least one:
    a resource has fewer tags than the smallest page.
    """
    by_resources = _within(request, "ResourcesPerPage", RESOURCES, DEFAULT_RESOURCES)
    if request.get("TagsPerPage") is None:
        return by_resources
    left, count = _within(request, "TagsPerPage", TAGS, TAGS[-1]), 0
    for tags in tag_counts[:by_resources]:
        left -= max(tags, 1)
        if left < 0:
            break
        count += 1
    return count


def _within(request: Mapping[str, Any], name: str, allowed: range, default: int) -> int:
    given = request.get(name)
    value = default if given is None else int(given)
    if value not in allowed:
        raise invalid(f"{name} must be between {allowed[0]} and {allowed[-1]}, not {value}.")
    return value


def _write(identity: str) -> str:
    return base64.urlsafe_b64encode(identity.encode()).decode()


def _read(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("The PaginationToken is not valid.") from None
