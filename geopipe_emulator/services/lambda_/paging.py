"""Pages of a sorted list. The marker is the key of the last item, so a deletion between two pages skips nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...protocol.errors import ServiceError

Item = TypeVar("Item")


def page(
    items: Sequence[Item], key: Callable[[Item], str], marker: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Return the items after `marker`, at most `limit`, and the marker of the next page if there is one."""
    ordered = sorted(items, key=key)
    if marker:
        last_shown = _read(marker)
        ordered = [item for item in ordered if key(item) > last_shown]
    items, rest = ordered[:limit], ordered[limit:]
    return items, base64.urlsafe_b64encode(key(items[-1]).encode()).decode() if rest else None


def _read(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ServiceError("InvalidParameterValueException", "Invalid marker") from error
