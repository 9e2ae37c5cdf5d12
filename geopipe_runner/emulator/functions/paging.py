"""Pages of a sorted list. The marker is the key of the last item shown, so that deletions in between do no harm."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import ServiceError

Item = TypeVar("Item")


def page(
    items: Sequence[Item], key: Callable[[Item], str], marker: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """The items after `marker`, at most `limit`, and the marker of the next page if there is one."""
    ordered = sorted(items, key=key)
    if marker:
        last_shown = _read(marker)
        ordered = [item for item in ordered if key(item) > last_shown]
    shown, rest = ordered[:limit], ordered[limit:]
    return shown, base64.urlsafe_b64encode(key(shown[-1]).encode()).decode() if rest else None


def _read(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ServiceError("InvalidParameterValueException", "Invalid marker") from error
