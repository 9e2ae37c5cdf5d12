"""Gives a process a view of the file system of its own, in mount namespaces of Linux.

Scripts of child processes import it, so it needs the standard library only. No rights are needed where the system lets
a user have user namespaces; many containers and some distributions do not. The user and the group stay the same.
"""

from __future__ import annotations

import ctypes
import os

# Linux's <sched.h> and <sys/mount.h>.
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
# What a mount must keep when it is mounted again: as statvfs and as mount spell it.
_KEPT_FLAGS = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))


class MountNamespace:
    """The namespaces of this process, and of all that it starts from now on. The process must have one thread.

    Raises:
        OSError: the system does not allow it. So do all functions.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        user, group = os.getuid(), os.getgid()
        if user or self._libc.unshare(_CLONE_NEWNS):
            self._check(self._libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
            lines = (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"))
            for name, text in lines:
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow
                    file.write(text)
        # No mount of this process reaches others.
        self._mount("", "/", _MS_REC | _MS_PRIVATE)

    def show(self, source: str, target: str) -> None:
        """Show the file or folder `source` as `target`, which exists."""
        self._mount(source, target, _MS_BIND | _MS_REC)

    def show_read_only(self, source: str, target: str) -> None:
        """Show the folder `source` as `target`, without permission to write."""
        self.show(source, target)
        kept = sum(flag for mask, flag in _KEPT_FLAGS if os.statvfs(target).f_flag & mask)
        self._mount("", target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)

    def show_memory(self, target: str, megabytes: int) -> None:
        """Show an empty folder in memory as `target`. It can hold `megabytes`, and everyone can write to it."""
        self._mount("tmpfs", target, _MS_NOSUID | _MS_NODEV, "tmpfs", f"size={megabytes}m,mode=1777")

    def _mount(self, source: str, target: str, flags: int, kind: str = "", options: str = "") -> None:
        names = [os.fsencode(text) if text else None for text in (source, target, kind)]
        result = self._libc.mount(*names, ctypes.c_ulong(flags), options.encode() or None)
        self._check(result, f"mount {target}")

    def _check(self, result: int, what: str) -> None:
        if result:
            code = ctypes.get_errno()
            raise OSError(code, f"{what}: {os.strerror(code)}")
