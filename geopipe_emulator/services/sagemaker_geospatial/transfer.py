"""Reads an object from S3 as a stream, and writes a file to S3. It never has a whole object in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

READ_SIZE = 1024 * 1024


@dataclass(frozen=True)
class S3Uri:
    """An `s3://bucket/key` of a request, whose form the model has checked."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Uri:
        bucket, _, key = text.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def below(self, *names: str) -> S3Uri:
        """Return a key under this prefix, which may end with a slash."""
        prefix = self.key if self.key.endswith("/") or not self.key else f"{self.key}/"
        return S3Uri(self.bucket, prefix + "/".join(names))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class S3AccessError(Exception):
    """S3 refused to read or write an object."""


@contextmanager
def open_object(s3: Any, uri: S3Uri) -> Iterator[BinaryIO]:
    """Open the object as a stream."""
    try:
        body = s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"]
    except ClientError as error:
        raise S3AccessError(f"The input {uri} cannot be read: {error}") from error
    with closing(body):
        yield io.BufferedReader(body, READ_SIZE)


def upload(s3: Any, file: BinaryIO | SpooledTemporaryFile[bytes], uri: S3Uri) -> None:
    """Write the file to the key in one request, which S3 accepts up to 5 GB.

    The emulated S3 joins the parts of a multipart upload in memory, in three copies: an output of 100 MB needs 200 MB
    more.
    """
    try:
        file.seek(0)
        s3.put_object(Bucket=uri.bucket, Key=uri.key, Body=file, ContentType="text/csv")
    except ClientError as error:
        raise S3AccessError(f"The output {uri} cannot be written: {error}") from error
