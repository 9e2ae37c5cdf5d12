"""An audit hook that refuses every connection and name look-up that leaves this machine."""

from __future__ import annotations

import sys
from typing import Any

_LOOPBACK = ("127.", "::1", "localhost")


def install() -> None:
    """Install the hook for the rest of the process; Python cannot remove an audit hook."""
    sys.addaudithook(_check)


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise PermissionError(f"no network in tests: connect to {address[0]}")
    elif event == "socket.getaddrinfo" and arguments[0] and not str(arguments[0]).startswith(_LOOPBACK):
        raise PermissionError(f"no network in tests: look-up of {arguments[0]}")
