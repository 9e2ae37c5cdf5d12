"""The values that no one may read: credentials, session tokens, callback tokens, Authorization headers, named secrets.

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
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"

# A shorter value would also hide parts of ordinary words. AWS's shortest secret, a callback token, has 10 characters.
MIN_LENGTH = 8
# A secret of the user's own can be shorter. It is hidden where it stands alone, if it is no ordinary word or number.
MIN_LENGTH_ALONE = 4
_IN_ORDINARY_WORDS = "-_.,:/ "

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
_short_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register(*values: str | None) -> None:
    """Hide these values from now on, as they are and in the spellings in which a text may quote them."""
    texts = {text for value in values if value for text in (value, value.strip(), *value.split())}
    _add({text for text in texts if len(text) >= MIN_LENGTH}, set())


def register_settings(values: Iterable[str]) -> None:
    """Hide secrets of the user's configuration from now on, and each of their lines; also short ones that stand alone.

    `hunter2` is hidden in `password=hunter2`, and `hunter` and `1234` are not: masking these would cost more than it
    hides. The words of a secret are not hidden one by one, as those of a credential are.
    """
    texts = {text.strip() for value in values for text in (value, *value.splitlines())}
    short = {text for text in texts if MIN_LENGTH_ALONE <= len(text) < MIN_LENGTH and not _is_ordinary(text)}
    _add({text for text in texts if len(text) >= MIN_LENGTH}, short)


def _is_ordinary(value: str) -> bool:
    """Returns whether a short value is made as words, numbers and names are."""
    has_letters, has_digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    has_others = any(not (character.isalnum() or character in _IN_ORDINARY_WORDS) for character in value)
    return not (has_others or (has_letters and has_digits))


def _add(texts: Iterable[str], short_texts: Iterable[str]) -> None:
    global _pattern
    new = {spelling for text in texts for spelling in _spellings(text)}
    new_short = {spelling for text in short_texts for spelling in _spellings(text)}
    with _lock:
        if new <= _secrets and new_short <= _short_secrets:
            return
        _secrets.update(new)
        _short_secrets.update(new_short)
        forms = [re.escape(text) for text in sorted(_secrets, key=len, reverse=True)]
        if _short_secrets:
            alone = "|".join(re.escape(text) for text in sorted(_short_secrets, key=len, reverse=True))
            forms.append(f"(?<![A-Za-z0-9])(?:{alone})(?![A-Za-z0-9])")
        _pattern = re.compile("|".join(forms))


def forget_all() -> None:
    """Empty the registry (for tests)."""
    global _pattern
    with _lock:
        _secrets.clear()
        _short_secrets.clear()
        _pattern = None


def redact(text: str) -> str:
    """Returns `text` with every registered secret, and every Authorization header value, replaced."""
    pattern = _pattern
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    return _HEADER_FORMS.sub(HIDDEN, text)


def _spellings(text: str) -> Iterator[str]:
    """Yields the text as it is, and as URLs, JSON, Python and HTML write it."""
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
