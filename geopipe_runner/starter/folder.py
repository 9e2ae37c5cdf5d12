"""Writes the files of a new pipeline, all of them or none, and never over a file that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import AwsError, UsageError
from ..whole_files import write_whole


def write_files(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write texts by their path below `folder`, and return their paths.

    Raises:
        UsageError: A file exists. Nothing is written then.
        AwsError: A file cannot be written.
    """
    paths = {folder / path: text for path, text in files.items()}
    if existing := sorted(str(path) for path in paths if path.exists() or path.is_symlink()):
        raise UsageError(
            f"{', '.join(existing)}: already there, so nothing was written.",
            "Name an empty folder with --folder.",
        )
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
    except OSError as error:
        raise AwsError(f"Cannot write {error.filename or folder}: {error.strerror}.") from None
    return tuple(paths)


def next_steps(folder: Path, change: str, program: str) -> Iterator[str]:
    """Yield what to do with the files. `change` names those to change first."""
    config = folder / "config.yaml"
    yield f"Check it:   {program} validate {config}"
    yield f"Run it:     {program} run {config}"
    yield f"Change it:  {change}"
