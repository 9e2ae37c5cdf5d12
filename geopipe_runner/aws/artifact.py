"""Builds the function's zip, so that the same files always give the same bytes.

Lambda's `CodeSha256` is the hash of the zip it has. A zip that differs without cause would be uploaded on every run. So
names are sorted, and dates and modes are fixed. Only the version of zlib can make a difference. The function's kind
then compares the fingerprints of the files, and sees that nothing has changed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from ..config.code_files import MAX_CODE_BYTES, code_files, code_problems, file_sizes, largest_folders
from ..errors import AwsError

# Bytes of a zip that CreateFunction and UpdateFunctionCode take directly (Lambda quotas). A larger one goes through S3.
DIRECT_UPLOAD_LIMIT = 50 * 1024 * 1024

_NO_PACKAGES: Mapping[str, Path] = MappingProxyType({})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
_MODES = {False: 0o100644, True: 0o100755}
_UNIX = 3
_COMPRESSION_LEVEL = 6


@dataclass(frozen=True)
class Package:
    """A zip, its hash as Lambda returns it (base64 of SHA-256), and the fingerprint of each file in it."""

    content: bytes
    sha256: str
    files: Mapping[str, str]
    installed: frozenset[str] = frozenset()
    """The names of the files that pip has installed for the function's platform."""

    @property
    def is_large(self) -> bool:
        """Whether Lambda takes it from S3 only."""
        return len(self.content) > DIRECT_UPLOAD_LIMIT


def build(
    *sources: Path,
    follow_links: bool = False,
    packages: Mapping[str, Path] = _NO_PACKAGES,
    installed: Path | None = None,
) -> Package:
    """Zip the content of folders, and single files at the top; the folders `packages` below their names.

    `installed` is a folder that pip has filled. Its files lie at the top too.

    Raises:
        AwsError: a file cannot be read or has no valid name, two files have the same name, or the files are larger
            than Lambda takes.
    """
    installed_files = [*code_files(installed)] if installed else []
    files = _files(sources, follow_links, packages, installed_files)
    _refuse_too_large(files)
    buffer = io.BytesIO()
    fingerprints: dict[str, str] = {}
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in files:
            data, is_executable = read_file(path)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODES[is_executable] << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)
            fingerprints[name] = _fingerprint(data, is_executable)
    content = buffer.getvalue()
    return Package(content, code_sha256(content), fingerprints, frozenset(name for name, _ in installed_files))


def code_sha256(content: bytes) -> str:
    """Return the hash of a zip in the form of Lambda's `CodeSha256`."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def file_hashes(content: bytes) -> dict[str, str]:
    """Return the fingerprint of each file in a zip; nothing if `content` is not a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                entry.filename: _fingerprint(archive.read(entry), bool(entry.external_attr >> 16 & stat.S_IXUSR))
                for entry in archive.infolist()
                if not entry.is_dir()
            }
    except zipfile.BadZipFile:
        return {}


def _fingerprint(data: bytes, is_executable: bool) -> str:
    """Return the SHA-256 (hex) of a file, with a mark if it is executable: both make a difference to the function."""
    digest = hashlib.sha256(data).hexdigest()
    return f"x{digest}" if is_executable else digest


def _files(
    sources: Sequence[Path],
    follow_links: bool,
    packages: Mapping[str, Path],
    installed_files: Sequence[tuple[str, Path]],
) -> list[tuple[str, Path]]:
    """Return name and path of each file in the zip, sorted by name."""
    # `validate` has said so before, unless the folder has changed since.
    for source in sources:
        for what, valid in code_problems(source, follow_links):
            raise AwsError(f"The function's zip cannot be built from {source}: {what}.", f"{valid.capitalize()}.")
    ours = [(f"{name}/{file}", path) for name, folder in packages.items() for file, path in code_files(folder)]
    theirs = [file for source in sources for file in code_files(source, follow_links)]
    files = sorted([*ours, *installed_files, *theirs])
    for (name, path), (next_name, other) in pairwise(files):
        if name == next_name:
            raise AwsError(f"The function's zip would have {name} twice: {path} and {other}.", "Rename one of them.")
    return files


def read_file(path: Path) -> tuple[bytes, bool]:
    """Return a file's content, and whether it is executable.

    Raises:
        AwsError: it cannot be read, or is not a file.
    """
    try:
        # Opening a FIFO would wait for a writer, and reading a device may never end.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise AwsError(f"{path} is not a file, so the function's zip cannot hold it.", "Remove it.")
            return file.read(), bool(mode & stat.S_IXUSR)
    except OSError as error:
        raise AwsError(
            f"{path} cannot be packed into the function's zip: {error.strerror}.", "Make it readable, or remove it."
        ) from error


def _refuse_too_large(files: Sequence[tuple[str, Path]]) -> None:
    """Look at the sizes before anything is read: a folder can hold more than this machine's memory."""
    sizes = file_sizes(files)
    total = sum(sizes.values())
    if total > MAX_CODE_BYTES:
        raise AwsError(
            f"The function's files have {total:,} bytes; Lambda takes at most {MAX_CODE_BYTES:,} when unzipped.",
            f"Remove what the handler does not need; boto3 is there already. {largest_folders(sizes)}",
        )
