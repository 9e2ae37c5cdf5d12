"""The function's zip, built so that the same files always give the same bytes.

Lambda tells us only the hash of what it has (`CodeSha256`), so a zip that differs without cause would be uploaded
on every run. Nothing is compressed: what comes out of that depends on the version of zlib.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import AwsError

DIRECT_UPLOAD_LIMIT = 50 * 1024 * 1024
"""Bytes of a zip that CreateFunction and UpdateFunctionCode take directly (Lambda quotas)."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
_READABLE_FILE = 0o100644 << 16
_NOT_CODE = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".git", ".DS_Store"}


@dataclass(frozen=True)
class Package:
    """A zip, its hash as Lambda gives it (base64 of SHA-256), and the SHA-256 (hex) of each file in it."""

    content: bytes
    sha256: str
    files: Mapping[str, str]


def build(source: Path) -> Package:
    """Zip the folder `source`. Raises AwsError when it is larger than Lambda takes directly."""
    buffer = io.BytesIO()
    files: dict[str, str] = {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in _files(source):
            name = path.relative_to(source).as_posix()
            data = path.read_bytes()
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _READABLE_FILE
            archive.writestr(entry, data)
            files[name] = hashlib.sha256(data).hexdigest()
    return _sized(Package(buffer.getvalue(), code_sha256(buffer.getvalue()), files), source)


def code_sha256(content: bytes) -> str:
    """The hash of a zip in the form Lambda's `CodeSha256` has."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def file_hashes(content: bytes) -> dict[str, str]:
    """The SHA-256 (hex) of each file in a zip; nothing for what is no zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}
    except zipfile.BadZipFile:
        return {}


def _files(source: Path) -> Iterator[Path]:
    paths = (path for path in source.rglob("*") if path.is_file())
    kept = (path for path in paths if not _NOT_CODE.intersection(path.relative_to(source).parts))
    return iter(sorted(kept, key=lambda path: path.relative_to(source).as_posix()))


def _sized(package: Package, source: Path) -> Package:
    if len(package.content) > DIRECT_UPLOAD_LIMIT:
        raise AwsError(
            f"The function's zip from {source} has {len(package.content):,} bytes; Lambda takes at most "
            f"{DIRECT_UPLOAD_LIMIT:,} directly.",
            "Remove what the handler does not import; boto3 is there already.",
        )
    return package
