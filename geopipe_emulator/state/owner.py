"""The file that says which emulator uses a folder. It is locked as long as that emulator lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any

OWNER_FILE = "emulator.json"
LOG_FILE = "emulator.log"


def write_owner(descriptor: int, content: dict[str, Any]) -> None:
    """Replace the content of a file that this process has locked."""
    data = json.dumps(content).encode() if content else b""
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def read_owner(path: Path) -> dict[str, Any]:
    """Returns pid, url and access_key_id of the emulator that uses a folder; nothing if none does."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and {"pid", "url", "access_key_id"} <= set(content) and is_locked(path):
            return content
    return {}


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of the file: it ends with its process, however that dies."""
    with path.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
