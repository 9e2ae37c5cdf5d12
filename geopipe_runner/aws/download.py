"""Fetching what AWS names by a presigned URL."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urlsplit

_SECONDS = 30.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def fetch(url: str) -> bytes | None:
    """The content behind `url`, None when it cannot be had. A proxy is not asked for what is on this machine."""
    local = urlsplit(url).hostname in _LOOPBACK
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except (urllib.error.URLError, OSError, ValueError):
        return None
