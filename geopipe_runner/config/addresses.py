"""Says which host a URL names, and whether that is this machine: the same for the checks and for the clients."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def host_of(endpoint: str) -> str | None:
    """Returns the host that a URL names; None when the URL cannot be used."""
    try:
        parts = urlsplit(endpoint)
        return parts.hostname if parts.port != 0 else None
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: all of 127.0.0.0/8, ::1, and localhost by name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
