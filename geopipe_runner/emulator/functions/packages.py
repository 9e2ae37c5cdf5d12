"""Deployment packages: what AWS checks of a zip before it takes it, and how it comes to lie on disk.

A package is only ever bytes here; folders belong to whoever asked for them to be filled.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from ..errors import ServiceError

DIRECT_ZIP_LIMIT = 50 * 1024 * 1024
UNZIPPED_LIMIT = 262_144_000
_BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@dataclass(frozen=True)
class Package:
    zip_file: bytes = field(repr=False)
    sha256: str
    """As AWS writes it: base64 of the digest of the zip's bytes."""

    @property
    def size(self) -> int:
        return len(self.zip_file)


def from_request(code: Mapping[str, Any], operation: str, s3_client: Callable[[], Any]) -> Package:
    """The checked package a request carries or points to."""
    given_zip, given_s3 = "ZipFile" in code, "S3Bucket" in code or "S3Key" in code
    if code.get("ImageUri"):
        raise ServiceError("InvalidParameterValueException", "Container images are not emulated; upload a zip")
    if given_zip and given_s3:
        raise _invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if given_zip:
        return _direct(code["ZipFile"], operation)
    if "S3Bucket" not in code or "S3Key" not in code:
        raise _invalid("Please provide a source for function code.")
    return checked(_fetch(code, s3_client()))


def _direct(zip_file: bytes, operation: str) -> Package:
    if len(zip_file) > DIRECT_ZIP_LIMIT:
        message = f"Request must be smaller than 70167211 bytes for the {operation} operation"
        raise ServiceError("RequestEntityTooLargeException", message, 413)
    return checked(zip_file)


def _fetch(code: Mapping[str, Any], s3: Any) -> bytes:
    place = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if code.get("S3ObjectVersion"):
        place["VersionId"] = code["S3ObjectVersion"]
    try:
        body: bytes = s3.get_object(**place)["Body"].read()
    except ClientError as error:
        told = error.response["Error"]
        message = f"Error occurred while GetObject. S3 Error Code: {told['Code']}. S3 Error Message: {told['Message']}"
        raise _invalid(message) from error
    return body


def checked(zip_file: bytes) -> Package:
    """Refuse what AWS would refuse: no zip, a broken one, an empty one, too large a one."""
    try:
        with zipfile.ZipFile(io.BytesIO(zip_file)) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
            if unzipped > UNZIPPED_LIMIT:
                raise _invalid(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
            empty = not any(not entry.is_dir() for entry in archive.infolist())
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise _invalid(_BAD_ZIP) from error
    if empty:
        raise _invalid("Uploaded file must be a non-empty zip")
    if damaged is not None:
        raise _invalid(_BAD_ZIP)
    return Package(zip_file, base64.b64encode(hashlib.sha256(zip_file).digest()).decode())


def unpack(package: Package, folder: Path) -> None:
    """Lay the files out in `folder`; nothing lands outside it, and executables stay executable."""
    with zipfile.ZipFile(io.BytesIO(package.zip_file)) as archive:
        for entry in archive.infolist():
            _extract(archive, entry, folder)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        _link(folder, entry.filename, archive.read(entry).decode())
        return
    target = Path(archive.extract(entry, folder))
    if not entry.is_dir():
        target.chmod(0o755 if mode & 0o111 else 0o644)


def _link(folder: Path, name: str, points_to: str) -> None:
    place = folder.joinpath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))
    inside = (place.parent / points_to).resolve().is_relative_to(folder.resolve())
    if not inside:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(points_to)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
