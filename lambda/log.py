"""One JSON line per log entry, on standard output, which Lambda sends to CloudWatch Logs.

A callback token completes a pipeline step and a receipt handle deletes a message, so neither may be printed. `redact`
masks them by the name of their key. `JsonLog.hide` masks their text wherever else it occurs, since the error message
of a service can repeat a token.
"""

import json
from collections.abc import Callable
from typing import Any

_MASK = "***"
_MAX_DEPTH = 20
# A callback token has ten characters. Masking much shorter text would mask ordinary words.
_MIN_SECRET_LENGTH = 6


class JsonLog:
    """The log of one invocation."""

    def __init__(self, request_id: str = "", write: Callable[[str], None] = print) -> None:
        self._request_id = request_id
        self._write = write
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Mask this text in every later line."""
        secret = secret.strip()
        if len(secret) >= _MIN_SECRET_LENGTH:
            self._secrets.add(secret)

    def info(self, message: str, **facts: Any) -> None:
        self._line("INFO", message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        self._line("WARNING", message, facts)

    def error(self, message: str, **facts: Any) -> None:
        self._line("ERROR", message, facts)

    def _line(self, level: str, message: str, facts: dict[str, Any]) -> None:
        line = {"level": level, "message": message, "requestId": self._request_id, **facts}
        self._write(json.dumps(self._masked(line), default=str))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._masked(str(key)): self._masked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        if isinstance(value, str):
            for secret in sorted(self._secrets, key=len, reverse=True):
                value = value.replace(secret, _MASK)
        return value


def redact(value: Any, hide: Callable[[str], None], depth: int = 0) -> Any:
    """Returns a copy of an event with tokens and receipt handles masked and message bodies parsed.

    Calls `hide` with every secret, because the same text may occur elsewhere under another key.
    """
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {key: _redact_entry(str(key), item, hide, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, hide, depth + 1) for item in value]
    return value


def _redact_entry(key: str, value: Any, hide: Callable[[str], None], depth: int) -> Any:
    key = key.lower()
    if key.endswith("token") or key == "receipthandle":
        hide(value if isinstance(value, str) else "")
        return _MASK
    if key != "body":
        return redact(value, hide, depth + 1)
    try:
        body = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return redact(body, hide, depth + 1)
    # The token can be anywhere in a body that is not a JSON object, so none of it is printed.
    return f"unreadable, {len(str(value))} characters"
