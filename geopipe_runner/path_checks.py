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


def expand_home(path: str | Path) -> Path:
    """Returns the path with `~` and `~user` replaced, as far as the system knows those folders."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def read_beginning(path: str | Path) -> bytes:
    """Returns the first characters of a file, without white space before them; nothing if it cannot be read."""
    if not is_file(path):
        return b""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(64).lstrip()
    except OSError:
        return b""
