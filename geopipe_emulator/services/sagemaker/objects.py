"""Objects of the emulated S3 by their URI, for property files and for the inputs and outputs of jobs.

A bucket that does not exist is created when something is written to it. On AWS the buckets that a definition names
exist before the pipeline does; an emulator that has just started is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

_DEFAULT_REGION = "us-east-1"


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`.

    Raises:
        ValueError: it is no such URI.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ValueError(f"{uri!r} is no S3 URI")
    return bucket, key


def read_object(s3: Any, uri: str) -> bytes:
    bucket, key = split_uri(uri)
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def write_object(s3: Any, uri: str, content: bytes | Path, region: str) -> None:
    """Write bytes, or the content of a file, to an object."""
    bucket, key = split_uri(uri)
    try:
        _put(s3, bucket, key, content)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        location = {} if region == _DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **location)
        _put(s3, bucket, key, content)


def _put(s3: Any, bucket: str, key: str, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return
    with content.open("rb") as file:
        s3.put_object(Bucket=bucket, Key=key, Body=file)


def list_keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", []))


def download(s3: Any, uri: str, folder: Path) -> int:
    """Download the object at `uri`, or all objects below it, into `folder`. Return their number."""
    bucket, prefix = split_uri(uri)
    count = 0
    for key in list_keys(s3, bucket, prefix):
        if key.endswith("/"):
            continue
        # A single object keeps its name; what is below a prefix keeps its path there.
        relative = key.rsplit("/", 1)[-1] if key == prefix else _relative(key, prefix)
        if relative is None:
            continue
        target = folder / relative
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"the key {key!r} leads out of its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
        count += 1
    return count


def _relative(key: str, prefix: str) -> str | None:
    """Return the path of a key below a prefix that ends in a slash or is followed by one."""
    if not prefix or prefix.endswith("/"):
        return key.removeprefix(prefix)
    rest = key.removeprefix(prefix)
    return rest.removeprefix("/") if rest.startswith("/") else None


def upload(s3: Any, folder: Path, uri: str, region: str) -> int:
    """Upload the files below `folder` to keys below `uri`. Links are not followed. Return the number of files."""
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            write_object(s3, f"{uri.rstrip('/')}/{path.relative_to(folder).as_posix()}", path, region)
            count += 1
    return count
