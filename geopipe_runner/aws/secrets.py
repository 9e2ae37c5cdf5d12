"""The values that no one may read: credentials, session tokens, callback tokens, Authorization headers.

The code that obtains a secret registers it. Every sink (terminal, events, report files, logs, error texts) passes its
text through `redact`, so a secret stays hidden even where botocore quotes it in an error. Header values that were never
registered are recognized by their form.
"""

from __future__ import annotations

import html
import json
import logging
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"

# A shorter value would also hide parts of ordinary words. AWS's shortest secret, a callback token, has 10 characters.
MIN_LENGTH = 8

_HEADER_FORMS = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=[^\"'\s]*(?:,\s*SignedHeaders=[^\"'\s]*)?(?:,\s*Signature=[0-9a-fA-F]*)?"
    r"|(?<=Signature=)[0-9a-fA-F]{16,}"
    r"|(?<=X-Amz-Signature=)[0-9a-fA-F]+"
    r"|(?<=X-Amz-Security-Token=)[^&\"'\s]+"
    r"|(?<=X-Amz-Credential=)[^&\"'\s]+"
    r"|(?i:(?<=authorization: )|(?<='authorization': ')|(?<=\"authorization\": \"))[^\r\n\"']+"
    r"|(?i:(?<=x-amz-security-token: )|(?<='x-amz-security-token': ')|(?<=\"x-amz-security-token\": \"))[^\r\n\"',]+"
    r"|(?i:(?<=bearer ))[A-Za-z0-9._~+/=-]{8,}"
)

_lock = threading.Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register(*values: str | None) -> None:
    """Hide these values from now on, as they are and in the spellings in which a text may quote them."""
    global _pattern
    new = {spelling for value in values if value for spelling in _spellings(value)}
    with _lock:
        if new <= _secrets:
            return
        _secrets.update(new)
        _pattern = re.compile("|".join(re.escape(text) for text in sorted(_secrets, key=len, reverse=True)))


def forget_all() -> None:
    """Empty the registry (for tests)."""
    global _pattern
    with _lock:
        _secrets.clear()
        _pattern = None


def redact(text: str) -> str:
    """Returns `text` with every registered secret, and every Authorization header value, replaced."""
    pattern = _pattern
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    return _HEADER_FORMS.sub(HIDDEN, text)


def _spellings(value: str) -> Iterator[str]:
    """Yields the value, without surrounding blanks, and as URLs, JSON, Python and HTML write it."""
    for text in {value, value.strip(), *value.split()}:
        if len(text) < MIN_LENGTH:
            continue
        yield text
        yield quote(text, safe="")
        yield quote(text)
        yield quote_plus(text)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield html.escape(text)


class RedactingFormatter(logging.Formatter):
    """A log format that shows no secret, in messages and tracebacks alike."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the formatted record without secrets."""
        return redact(super().format(record))
