"""Settings of the C library's memory allocator."""

from __future__ import annotations

import sys

_M_ARENA_MAX = -8  # of mallopt(3)
_ARENAS = 2


def share_arenas() -> None:
    """Let all threads allocate from two arenas.

    glibc gives threads arenas of their own, sixteen on two cores, and returns little of them. Thousands of short-lived
    threads then keep a third more memory after each execution than is in use. Other C libraries do as they please.
    """
    if sys.platform != "linux":
        return
    import ctypes

    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_ARENA_MAX, _ARENAS)
