"""Files into S3: with one PutObject, or in parts where the file is larger than one PutObject takes.

The SHA-256 of the whole file can be read back afterwards either way. S3 keeps it as the object's checksum after
PutObject. Of parts it keeps only a checksum of checksums, so then the file's own goes into the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import AWS_ERRORS
from .parallel import in_parallel
from .transfer import Meter

if TYPE_CHECKING:
    from .clients import Aws

# Bytes (S3's limits and a part size that keeps the number of parts low).
LARGEST_PUT = 5 * 1024**3
PART_SIZE = 64 * 1024**2
MAX_PARTS = 10_000

_SHA256 = "geopipe-sha256"


def upload_file(
    aws: Aws,
    path: Path,
    bucket: str,
    key: str,
    *,
    content_type: str,
    metadata: Mapping[str, str],
    read_sha256: Callable[[], str],
) -> None:
    """Upload a file. `read_sha256` returns its hash as S3 writes it (base64)."""
    size = path.stat().st_size
    description = {"Bucket": bucket, "Key": key, "ContentType": content_type, "ChecksumAlgorithm": "SHA256"}
    if size <= LARGEST_PUT:
        with path.open("rb") as body:
            aws.client("s3").put_object(**description, Body=body, Metadata=dict(metadata))
    else:
        _upload_parts(aws, path, size, {**description, "Metadata": {**metadata, _SHA256: read_sha256()}})


def stored_sha256(head: Mapping[str, Any]) -> str | None:
    """Returns the SHA-256 (base64) of an object's whole content, given its HeadObject; None where S3 has none."""
    is_in_parts = "-" in head.get("ETag", "")  # the part of it that counts the parts
    sha256: str | None = head["Metadata"].get(_SHA256) if is_in_parts else head.get("ChecksumSHA256")
    return sha256


def _upload_parts(aws: Aws, path: Path, size: int, description: Mapping[str, Any]) -> None:
    s3 = aws.client("s3")
    upload = {"Bucket": description["Bucket"], "Key": description["Key"]}
    upload["UploadId"] = s3.create_multipart_upload(**description)["UploadId"]
    try:
        meter = Meter(aws.progress, f"Uploading {path.name}", size)
        part_size = max(PART_SIZE, -(-size // MAX_PARTS))
        parts = in_parallel(
            {
                str(number): partial(_upload_part, s3, upload, number, FilePart(path, offset, part_size), meter.add)
                for number, offset in enumerate(range(0, size, part_size), 1)
            }
        )
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": list(parts.values())})
    except BaseException:
        # Parts of an upload that was given up cost money until it is aborted.
        with suppress(*AWS_ERRORS):
            s3.abort_multipart_upload(**upload)
        raise


def _upload_part(
    s3: Any, upload: Mapping[str, str], number: int, body: FilePart, on_done: Callable[[int], None]
) -> dict[str, Any]:
    with body:
        response = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        on_done(body.size)
    return {"PartNumber": number, "ETag": response["ETag"], "ChecksumSHA256": response.get("ChecksumSHA256")}


class FilePart:
    """A part of a file, as a file of its own. It is opened when it is first read."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._path = path
        self._offset = offset
        self.size = min(size, path.stat().st_size - offset)
        self._position = 0
        self._file: Any = None

    def __enter__(self) -> FilePart:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self.size

    def read(self, size: int | None = -1) -> bytes:
        """Returns the next bytes of the part."""
        if self._file is None:
            self._file = self._path.open("rb")
        left = self.size - self._position
        self._file.seek(self._offset + self._position)
        data: bytes = self._file.read(left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position within the part."""
        start = {0: 0, 1: self._position, 2: self.size}[whence]
        self._position = max(0, min(self.size, start + offset))
        return self._position

    def tell(self) -> int:
        """Returns the position within the part."""
        return self._position

    def seekable(self) -> bool:
        """Whether the part can be read again: always."""
        return True
