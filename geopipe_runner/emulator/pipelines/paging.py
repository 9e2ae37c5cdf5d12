"""Sorting and paging of list operations: a token names the last item seen, so that new items cannot repeat old ones."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ..errors import ServiceError

Item = TypeVar("Item")
DEFAULT_PAGE = 10
"""Small on purpose: who forgets to page notices here instead of on AWS."""


def page(
    items: Sequence[Item], identify: Callable[[Item], str], request: Mapping[str, Any], default: int = DEFAULT_PAGE
) -> tuple[Sequence[Item], dict[str, str]]:
    """The page that `request` asks for, and the NextToken entry of the answer (empty on the last page)."""
    start = 0
    if token := request.get("NextToken"):
        last = _decode(token)
        start = next((i + 1 for i, item in enumerate(items) if identify(item) == last), -1)
        if start < 0:
            raise _bad_token()
    end = start + int(request.get("MaxResults") or default)
    following = {"NextToken": _encode(identify(items[end - 1]))} if end < len(items) else {}
    return items[start:end], following


def created_between(moment: datetime, request: Mapping[str, Any]) -> bool:
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
    return (after is None or moment >= after) and (before is None or moment <= before)


def descending(request: Mapping[str, Any]) -> bool:
    """Newest first unless asked otherwise. AWS does not document it; its SDK's integration tests find steps so."""
    return bool(request.get("SortOrder", "Descending") == "Descending")


def _encode(identity: str) -> str:
    return base64.urlsafe_b64encode(identity.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise _bad_token() from None


def _bad_token() -> ServiceError:
    return ServiceError("ValidationException", "Invalid NextToken.")
