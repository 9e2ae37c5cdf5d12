"""To and from S3, through the endpoint: an object read as a stream, a file written under a key.

It must not keep a whole object in memory.
"""

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
    """An `s3://bucket/key` of the API, whose model has checked its form."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Uri:
        bucket, _, key = text.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def below(self, *names: str) -> S3Uri:
        """A key under this prefix, whether or not the prefix ends with a slash."""
        prefix = self.key if self.key.endswith("/") or not self.key else f"{self.key}/"
        return S3Uri(self.bucket, prefix + "/".join(names))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class S3Refusal(Exception):  # noqa: N818
    """S3 does not give the object, or does not take it."""


@contextmanager
def open_object(s3: Any, uri: S3Uri) -> Iterator[BinaryIO]:
    """The object's bytes as they arrive."""
    try:
        body = s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"]
    except ClientError as error:
        raise S3Refusal(f"The input {uri} cannot be read: {error}") from error
    with closing(body):
        yield io.BufferedReader(body, READ_SIZE)


def upload(s3: Any, file: BinaryIO | SpooledTemporaryFile[bytes], uri: S3Uri) -> None:
    """Writes the file to the key, in one request whatever its size (up to the 5 GB that S3 takes at once).

    The emulated S3 joins the parts of a multipart upload in memory, three copies of them: measured, 200 MB more for an
    output of 100 MB.
    """
    try:
        file.seek(0)
        s3.put_object(Bucket=uri.bucket, Key=uri.key, Body=file, ContentType="text/csv")
    except ClientError as error:
        raise S3Refusal(f"The output {uri} cannot be written: {error}") from error
