"""Lists the files that make up the function's code, by their names in its zip, and says which of them cannot be packed.

Links are followed, but not out of their folder: the zip holds files only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from .messages import quote

# Lambda's limit for the code without compression (AWS Lambda quotas: 250 MB).
MAX_CODE_BYTES = 250 * 1024 * 1024
# Beyond this it is a home folder, and not code. Looking through it would take minutes.
MAX_CODE_FILES = 20_000
_SHOWN_FOLDERS = 10

_NOT_CODE = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".git", ".DS_Store"}


def code_files(source: Path, follow_links: bool = False) -> Iterator[tuple[str, Path]]:
    """Yields name and path of every file in a folder, or of the one file that `source` is.

    With `follow_links`, links out of the folder are followed too.
    """
    if safely(source.is_file):
        yield source.name, source
        return
    for path in _entries(source, follow_links):
        if safely(path.is_file) and (follow_links or not _leads_out(path, source)):
            yield path.relative_to(source).as_posix(), path


def file_sizes(files: Iterable[tuple[str, Path]]) -> dict[str, int]:
    """Returns the size of each file by its name, without those that cannot be read."""
    sizes: dict[str, int] = {}
    for name, path in files:
        with suppress(OSError):
            sizes[name] = path.stat().st_size
    return sizes


def largest_folders(sizes: Mapping[str, int]) -> str:
    """Returns a sentence on what takes most of the room: the folders at the top, and the files there."""
    totals: dict[str, int] = {}
    for name, size in sizes.items():
        top, slash, _ = name.partition("/")
        totals[top + slash] = totals.get(top + slash, 0) + size
    largest = sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))[:_SHOWN_FOLDERS]
    return f"The largest: {', '.join(f'{name} ({size:,})' for name, size in largest)}."


def code_problems(source: Path, follow_links: bool) -> Iterator[tuple[str, str]]:
    """Yields what cannot be packed into the function's zip, and what to do about it."""
    entries = iter([source]) if safely(source.is_file) else _entries(source, follow_links)
    for path in islice(entries, MAX_CODE_FILES):
        # Below its source, since a long path would be cut at its end.
        name = quote(source.name if path == source else path.relative_to(source))
        if not _is_utf8(path):
            yield f"the name of {name} is not UTF-8", "rename the file"
        elif not follow_links and path != source and _leads_out(path, source):
            target = quote(os.path.realpath(path))
            valid = "replace it by a copy, or set function.follow_links: true"
            yield f"{name} is a link out of its folder, to {target}", valid
        elif not safely(path.exists):
            yield f"{name} is a link to nothing", "remove it"
        elif safely(path.is_dir) and path.is_symlink():
            yield f"{name} is a link to a folder that it is in", "remove it"
        elif not safely(path.is_file) and not safely(path.is_dir):
            yield f"{name} is a socket, a pipe or a device, not a file", "remove it"
        elif safely(path.is_dir) or not os.access(path, os.R_OK):
            yield f"{name} cannot be read", "change its permissions, or remove it"


def _entries(source: Path, follow_links: bool) -> Iterator[Path]:
    """Yields all that is below a folder, but only those folders that cannot be entered."""
    yield from _below(source, source, follow_links, frozenset())


def _below(folder: Path, source: Path, follow_links: bool, above: frozenset[str]) -> Iterator[Path]:
    inside = above | {os.path.realpath(folder)}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name in _NOT_CODE:
            continue
        may_enter = not entry.is_symlink() or (
            os.path.realpath(path) not in inside and (follow_links or not _leads_out(path, source))
        )
        if may_enter and safely(path.is_dir):
            yield from _below(path, source, follow_links, inside)
        else:
            yield path


def _leads_out(path: Path, source: Path) -> bool:
    """Whether a path below `source` is a link to something outside; links above it have been checked before."""
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source))


def safely(test: Callable[[], bool]) -> bool:
    """Returns what `test` says of a path; False where the system cannot say it.

    Such are names that are too long, folders that may not be entered, and links in a circle.
    """
    try:
        return test()
    except (OSError, ValueError):
        return False


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
