"""Values of the configuration that are not shown: secrets by their name, and what came from the environment.

Such a value may be as short and common as `prod`, so it is not cut out of texts as credentials are (`aws.secrets`).
A value that contains one is replaced as a whole, and only where values of the configuration are shown. Those that have
the name of a secret too (`Config.named_secrets`) are also cut out of all other texts.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "(hidden)"

# Characters. A shorter value from the environment is recognized only where it is the whole value.
_SHORTEST_PART = 4

_SECRET_NAME = re.compile(
    r"secret|token|passw|credential|private|api_?key|access_?key|authori[sz]ation|(?<![a-z])auth(?![a-z])",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")

_lock = threading.Lock()
_values: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """Announce values that came from the environment: `is_secret_value` recognizes them from now on."""
    with _lock:
        _values.update(value for value in values if value)


def forget_all() -> None:
    """Forget the values announced so far; for tests, which share one process."""
    with _lock:
        _values.clear()


def is_secret_name(name: str) -> bool:
    """Returns whether a parameter, an output or a variable with this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def is_secret_value(value: Any) -> bool:
    """Returns whether a value, or a part of it, came from the environment or is a URL with a password."""
    if isinstance(value, Mapping):
        return any(map(is_secret_value, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_secret_value, value))
    text = str(value)
    if _PASSWORD_IN_URL.search(text):
        return True
    return any(text == part or (len(part) >= _SHORTEST_PART and part in text) for part in _values)


def password_in_url(value: str) -> str:
    """Returns the password of a URL that is the value or in it; "" if there is none."""
    found = _PASSWORD_IN_URL.search(value)
    return found[1] if found else ""


def hide_secret(name: str, value: Any) -> Any:
    """Returns `value`, or `(hidden)` where its name or the value itself is secret."""
    return HIDDEN if is_secret_name(name) or is_secret_value(value) else value
