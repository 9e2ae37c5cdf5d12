"""Deployment packages: what AWS checks before it takes a zip, and how its files are written to a folder."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError

DIRECT_ZIP_LIMIT = 50 * 1024 * 1024
UNZIPPED_LIMIT = 262_144_000
_SPECIAL_FILES = frozenset({stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK})
_BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@dataclass(frozen=True)
class DeploymentPackage:
    """An uploaded zip. `sha256` is in AWS's form: base64 of the digest of its bytes."""

    zip_file: bytes = field(repr=False)
    sha256: str

    @property
    def size(self) -> int:
        return len(self.zip_file)


def from_request(code: Mapping[str, Any], operation: str, s3_client: Callable[[], Any]) -> DeploymentPackage:
    """Return the checked package in a request, or in S3."""
    has_zip, has_s3 = "ZipFile" in code, "S3Bucket" in code or "S3Key" in code
    if code.get("ImageUri"):
        raise ServiceError("InvalidParameterValueException", "Container images are not emulated; upload a zip")
    if has_zip and has_s3:
        raise _invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if has_zip:
        return _direct(code["ZipFile"], operation)
    if "S3Bucket" not in code or "S3Key" not in code:
        raise _invalid("Please provide a source for function code.")
    return checked(_fetch(code, s3_client()))


def _direct(zip_file: bytes, operation: str) -> DeploymentPackage:
    if len(zip_file) > DIRECT_ZIP_LIMIT:
        message = f"Request must be smaller than 70167211 bytes for the {operation} operation"
        raise ServiceError("RequestEntityTooLargeException", message, 413)
    return checked(zip_file)


def _fetch(code: Mapping[str, Any], s3: Any) -> bytes:
    location = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if code.get("S3ObjectVersion"):
        location["VersionId"] = code["S3ObjectVersion"]
    try:
        response = s3.get_object(**location)
        if response["ContentLength"] > UNZIPPED_LIMIT:
            raise _invalid(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
        body: bytes = response["Body"].read()
    except ClientError as error:
        code_and_message = f"S3 Error Code: {error.response['Error']['Code']}. "
        code_and_message += f"S3 Error Message: {error.response['Error']['Message']}"
        message = f"Error occurred while GetObject. {code_and_message}"
        raise _invalid(message) from error
    return body


def checked(zip_file: bytes) -> DeploymentPackage:
    """Return the package, or refuse what AWS would refuse: no zip, a broken one, an empty one, too large a one."""
    try:
        with zipfile.ZipFile(io.BytesIO(zip_file)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > UNZIPPED_LIMIT:
                raise _invalid(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise _invalid(_BAD_ZIP) from error
    if all(entry.is_dir() for entry in entries):
        raise _invalid("Uploaded file must be a non-empty zip")
    if damaged is not None:
        raise _invalid(_BAD_ZIP)
    for entry in entries:
        if stat.S_IFMT(entry.external_attr >> 16) in _SPECIAL_FILES:
            raise _invalid(f"{_BAD_ZIP} {entry.filename!r} is a device, a socket or a pipe")
    return DeploymentPackage(zip_file, base64.b64encode(hashlib.sha256(zip_file).digest()).decode())


def unzipped_size(package: DeploymentPackage) -> int:
    with zipfile.ZipFile(io.BytesIO(package.zip_file)) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def unpack(package: DeploymentPackage, folder: Path) -> None:
    """Extract the files into `folder`. Nothing lands outside it; executables stay executable.

    What an earlier layer has there is replaced. Files come before links, so no file is written through a link.

    Raises:
        ServiceError: a file cannot be written. The folder is then incomplete.
    """
    links: list[tuple[Path, str]] = []
    with zipfile.ZipFile(io.BytesIO(package.zip_file)) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            try:
                if stat.S_ISLNK(mode):
                    links.append((_path_below(folder, entry.filename), os.fsdecode(archive.read(entry))))
                    continue
                path = Path(archive.extract(entry, folder))
                if not entry.is_dir():
                    path.chmod(0o755 if mode & 0o111 else 0o644)
            except (OSError, ValueError) as error:
                raise _cannot_unpack(entry.filename, error) from error
    _create_links(links, folder)


def _path_below(folder: Path, name: str) -> Path:
    return folder.joinpath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))


def _create_links(links: list[tuple[Path, str]], folder: Path) -> None:
    """Create the links that stay inside the folder.

    A link can lead out of the folder through others that come after it, so all are created before they are judged.
    Removing one can only shorten the way of another.
    """
    created: list[Path] = []
    root = folder.resolve()
    for path, target in links:
        try:
            # A parent may be a link that was created before.
            if path.parent.resolve().is_relative_to(root):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(target)
                created.append(path)
        except FileExistsError:
            continue
        except (OSError, ValueError, RuntimeError) as error:
            raise _cannot_unpack(str(path.relative_to(folder)), error) from error
    while leading_out := [path for path in created if path.is_symlink() and not _leads_inside(path, root)]:
        for path in leading_out:
            path.unlink()


def _leads_inside(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links that lead to each other
        return False


def _cannot_unpack(name: str, error: Exception) -> ServiceError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ServiceError("ServiceException", f"The function's file {name!r} cannot be unpacked: {reason}", 500)


def make_read_only(folder: Path) -> None:
    """Take everyone's permission to write. It stops neither the superuser nor an owner who gives it back."""
    for parent, _, files in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
