"""Who holds the lock of a deployment: a person, a machine and a process, and whether that process still runs."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST = 200  # characters of a text that another program may have written


@dataclass(frozen=True)
class LockOwner:
    """A process on a machine. What is not known is empty."""

    user: str = ""
    host: str = ""
    machine: str = ""
    """The start of the system and the namespace of process numbers. Two containers can have the same host name."""
    process: int = 0
    process_started: str = ""
    """The system's clock when the process began: another process can have the same number later."""
    caller: str = ""
    """The ARN behind the credentials."""
    since: str = ""
    """When the command took the lock, in ISO 8601, by the clock of its machine."""

    def __str__(self) -> str:
        who = self.user or self.caller or "an unknown owner"
        where = f" on {self.host}" if self.host else ""
        process = f" (process {self.process})" if self.process else ""
        return f"{who}{where}{process}{f', since {self.since}' if self.since else ''}"

    def document(self) -> dict[str, Any]:
        """Returns the owner as it is written into the lock."""
        return {name: value for name, value in vars(self).items() if value}

    def has_ended(self) -> bool:
        """Whether the process ran on this machine and does not any more. False where that is not known."""
        here = this_process()
        if self.process <= 0 or (self.host, self.machine) != (here.host, here.machine):
            return False
        try:
            os.kill(self.process, 0)
        except (ProcessLookupError, OverflowError):  # no process has so large a number
            return True
        except OSError:
            return False  # it is another user's
        started = _start_of(self.process)
        return bool(started and self.process_started and started != self.process_started)


def read_owner(document: Mapping[str, Any]) -> LockOwner:
    """Returns the owner in a lock, which any program may have written."""
    known: dict[str, Any] = {}
    for name, default in vars(LockOwner()).items():
        value = document.get(name)
        if isinstance(value, type(default)) and not isinstance(value, bool):
            known[name] = " ".join(value[:_LONGEST].split()) if isinstance(value, str) else value
    return LockOwner(**known)


def this_process(caller: str = "", since: str = "") -> LockOwner:
    """Returns this process as an owner."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"user {os.getuid()}"
    number = os.getpid()
    return LockOwner(user, socket.gethostname(), _machine(), number, _start_of(number), caller, since)


def _machine() -> str:
    """Returns what identifies this run of the system; "" where it does not say (macOS: the host name must do)."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is a link to no path
    return ""


def _start_of(process: int) -> str:
    with suppress(OSError, IndexError):
        # The name of the program, in parentheses, can have blanks and parentheses in it.
        after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return after_name.split()[19]  # field 22 of proc(5): the start, in clock ticks since boot
    return ""
