"""What is at a path. Unlike pathlib, these raise nothing: a text may be too long for a path, or not be one."""

from __future__ import annotations

import os
from pathlib import Path


def is_there(path: str | Path) -> bool:
    """Returns whether there is anything at the path."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Returns whether there is a file at the path."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Returns whether there is a folder at the path."""
    return os.path.isdir(path)  # noqa: PTH112
