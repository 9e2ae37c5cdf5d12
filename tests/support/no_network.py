"""Cuts off the network, except loopback, for this process and all its children.

A network namespace with only loopback stops everything. Where the system does not allow one, an audit hook in every
Python process (this one, and its children through `PYTHONPATH`) refuses other addresses. The hook does not reach
handlers that the emulator runs, because their environment does not come from the caller.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

HOOK_FOLDER = Path(__file__).parent / "no_network_hook"


def enter() -> str:
    """Cut off the network and return how: "namespace" or "audit hook"."""
    if sys.platform == "linux" and _unshare():
        _loopback_up()
        return "namespace"
    from tests.support.no_network_hook import loopback_only

    loopback_only.install()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HOOK_FOLDER), os.environ.get("PYTHONPATH", "")]))
    return "audit hook"


def _unshare() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        return bool(libc.unshare(_CLONE_NEWNET) == 0)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return True


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
