"""Download what a presigned URL of AWS names."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urlsplit

_SECONDS = 30.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def fetch(url: str) -> bytes | None:
    """Returns the content at `url`, or None when it cannot be read. What is on this machine needs no proxy."""
    local = urlsplit(url).hostname in _LOOPBACK
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    try:
        with opener.open(url, timeout=_SECONDS) as response:
            content: bytes = response.read()
            return content
    except (urllib.error.URLError, OSError, ValueError):
        return None
