"""Makes text from data, logs and AWS safe to show: nothing in it moves a cursor, hides or reorders what is shown.

Every sink calls this itself: the terminal, the page, the Markdown text and the JSON lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..aws.secrets import redact

# Control characters, what changes the direction of text, line ends of other systems, lone halves of surrogate pairs,
# invisible tags and what is no character at all.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffc\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f"
)
_UNSAFE_CHARACTER = re.compile(f"[{_UNSAFE}]")
_UNSAFE_IN_LINES = re.compile(f"(?![\\n\\t])[{_UNSAFE}]")


def printable(text: str) -> str:
    r"""Returns `text` on one line, redacted, with every unsafe character as an escape such as `\x1b`."""
    return _UNSAFE_CHARACTER.sub(_escape, redact(text))


def printable_lines(text: str) -> str:
    """Returns the same for a text of several lines: line breaks and tabs stay."""
    return _UNSAFE_IN_LINES.sub(_escape, redact(text))


def redact_all(value: Any) -> Any:
    """Returns JSON-like data in which every text, names included, is redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(name): redact_all(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    return value


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match.group(), f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def to_json(document: Any, indent: int | None = None) -> str:
    """Returns redacted JSON that is valid UTF-8 and harmless on a terminal.

    A lone half of a surrogate pair is no character, so it becomes the text of its escape. Other unsafe characters are
    escaped in JSON's way, so that a program reads them back as they were.
    """
    return _UNSAFE_IN_LINES.sub(_escape_in_json, json.dumps(redact_all(document), indent=indent, ensure_ascii=False))


def _escape_in_json(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xD800 <= code <= 0xDFFF:
        return f"\\\\u{code:04x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
