"""Removes the temporary folders of emulators that were killed. Their names have the id of the process."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def sweep(parent: Path, prefix: str) -> None:
    """Remove this user's folders `<prefix><process id>-...` in `parent` whose process has ended."""
    for folder in parent.glob(f"{prefix}*-*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and folder.stat().st_uid == os.getuid() and not _alive(int(owner)):
                remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder of ours, also one whose folders have lost their permissions to write."""
    for parent, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(parent).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
