"""Sorting and paging of list operations. A token names the last item, so that a new item cannot repeat an old one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ...protocol.errors import ServiceError

Item = TypeVar("Item")
# Small, so that a client without paging fails here and not on AWS.
DEFAULT_PAGE = 10


def page(
    items: Sequence[Item], identify: Callable[[Item], str], request: Mapping[str, Any], default: int = DEFAULT_PAGE
) -> tuple[Sequence[Item], dict[str, str]]:
    """Return the page that `request` asks for, and the NextToken entry of the response (empty on the last page)."""
    start = 0
    if token := request.get("NextToken"):
        last = _decode(token)
        start = next((i + 1 for i, item in enumerate(items) if identify(item) == last), -1)
        if start < 0:
            raise _bad_token()
    end = start + int(request.get("MaxResults") or default)
    next_token = {"NextToken": _encode(identify(items[end - 1]))} if end < len(items) else {}
    return items[start:end], next_token


def created_between(moment: datetime, request: Mapping[str, Any]) -> bool:
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
    return (after is None or moment >= after) and (before is None or moment <= before)


def descending(request: Mapping[str, Any]) -> bool:
    """Return whether the newest item comes first, which is the default in the integration tests of AWS's SDK."""
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
