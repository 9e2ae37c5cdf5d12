"""Pages of sorted items. The token is the last item, so a deletion between two pages skips nothing."""

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
    """Return the items after the page that ended with `token`, in order."""
    ordered = sorted(items, key=identify)
    if not token:
        return ordered
    last_item = _read(token)
    return [item for item in ordered if identify(item) > last_item]


def cut(left: Sequence[Item], identify: Callable[[Item], str], limit: int) -> tuple[Sequence[Item], str]:
    """Return one page, and the token of the next ("" on the last one)."""
    page = left[:limit]
    return page, _write(identify(page[-1])) if len(page) < len(left) else ""


def limit_of(request: Mapping[str, Any], tag_counts: Sequence[int]) -> int:
    """Return how many resources the page may have, from the number of tags of each resource that follows.

    It is at least one: a resource has fewer tags than the smallest page.
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
    requested = request.get(name)
    value = default if requested is None else int(requested)
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
