"""The two ways we handle "there is no such thing"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .error_codes import ClientError, is_not_found

T = TypeVar("T")


def none_if_not_found(read: Callable[[], T]) -> T | None:
    """Returns what `read` returns, or None where nothing exists to read."""
    try:
        return read()
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


def ignore_not_found(remove: Callable[[], object]) -> None:
    """Remove something that may no longer exist."""
    none_if_not_found(remove)
