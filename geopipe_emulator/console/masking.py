"""Hides in what the console shows the values that look like secrets, and the characters that lie about a text."""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "••••••"
_SECRET_NAME = re.compile(
    r"secret|token|passw|credential|private_?key|api_?key|access_?key|authorization|signature|session_?key|cookie",
    re.IGNORECASE,
)
# The value ends where a quote, a space or a separator begins.
_ASSIGNMENT = re.compile(
    r"""(?i)([\w.-]*(?:secret|token|passw|credential|private_?key|api_?key|access_?key|signature)[\w.-]*["']?\s*[:=]\s*["']?)"""
    r"""([^\s"',;&}\])]{4,})"""
)
_SECRET_VALUES = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}"),
    re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"),
)
# Control characters, and those that turn the direction of the text around.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def is_secret(name: str) -> bool:
    """Return whether the value of something with this name is not shown."""
    return _SECRET_NAME.search(name) is not None


def mask(value: Any) -> Any:
    """Return a JSON value without its secrets: by the names of its fields, and by what its texts look like."""
    if isinstance(value, dict):
        return {
            mask_text(str(key)): MASK if entry and isinstance(entry, str) and is_secret(str(key)) else mask(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask(entry) for entry in value]
    return mask_text(value) if isinstance(value, str) else value


def mask_text(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern in _SECRET_VALUES:
        text = pattern.sub(MASK, text)
    return _ASSIGNMENT.sub(rf"\g<1>{MASK}", text)


def show(text: str) -> str:
    """Return a body, an argument or a log line as people read it: JSON over several lines, and without secrets."""
    if text[:1] in ("{", "["):
        try:
            return json.dumps(mask(json.loads(text)), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return mask_text(text)


def printable(text: str) -> str:
    """Return a text with a visible sign for each character that cannot be seen."""
    return _UNPRINTABLE.sub("�", text)
