"""Where temporary files are, and the removal of what killed emulators left there. Its names have the process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def temporary_folder() -> Path:
    """Returns the system's temporary folder; instead of /tmp, /var/tmp if it is as good.

    /tmp is in memory on many systems, and functions can have a /tmp of their own.
    """
    folder, other = Path(tempfile.gettempdir()), Path("/var/tmp")
    return other if folder == Path("/tmp") and other.is_dir() and os.access(other, os.W_OK) else folder


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
