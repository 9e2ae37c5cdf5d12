"""One JSON line per event on standard output, from where Lambda brings it to CloudWatch Logs.

A callback token completes somebody's pipeline step and a receipt handle deletes somebody's message, so neither may
ever be printed: they are taken out by the name of their key, and out of free text (an error message of a service can
repeat a token) by `hide`.
"""

import json
from collections.abc import Callable
from typing import Any

_MASK = "***"
_DEEPEST = 20
# A callback token has ten characters; masking much shorter text would eat the words of the log.
_SHORTEST_SECRET = 6


class Log:
    """The log of one invocation."""

    def __init__(self, request_id: str = "", write: Callable[[str], None] = print) -> None:
        self._request_id = request_id
        self._write = write
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Keep this text out of every later line."""
        secret = secret.strip()
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets.add(secret)

    def info(self, message: str, **facts: Any) -> None:
        self._line("INFO", message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        self._line("WARNING", message, facts)

    def error(self, message: str, **facts: Any) -> None:
        self._line("ERROR", message, facts)

    def _line(self, level: str, message: str, facts: dict[str, Any]) -> None:
        line = {"level": level, "message": message, "requestId": self._request_id, **facts}
        self._write(json.dumps({key: self._without_secrets(value) for key, value in line.items()}, default=str))

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._mask(str(key)): self._without_secrets(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._without_secrets(item) for item in value]
        return self._mask(value) if isinstance(value, str) else value

    def _mask(self, value: str) -> str:
        for secret in self._secrets:
            value = value.replace(secret, _MASK)
        return value


def redact(value: Any, hide: Callable[[str], None], depth: int = 0) -> Any:
    """A copy of an event that may be printed: tokens and receipt handles masked, message bodies opened.

    `hide` is told every secret found, for the same text may stand elsewhere in the event under an innocent key.
    """
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {key: _redact_entry(str(key), item, hide, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, hide, depth + 1) for item in value]
    return value


def _redact_entry(key: str, value: Any, hide: Callable[[str], None], depth: int) -> Any:
    lowered = key.lower()
    if lowered.endswith("token") or lowered == "receipthandle":
        hide(value if isinstance(value, str) else "")
        return _MASK
    return _redact_body(value, hide, depth) if lowered == "body" else redact(value, hide, depth + 1)


def _redact_body(body: Any, hide: Callable[[str], None], depth: int) -> Any:
    """A body that is not a JSON object is not shown at all: who knows where its token is."""
    try:
        opened = json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        opened = None
    if isinstance(opened, dict):
        return redact(opened, hide, depth + 1)
    return f"unreadable, {len(str(body))} characters"
