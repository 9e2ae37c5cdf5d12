"""The input file in the bucket: uploaded only when its content differs.

The content is compared by the SHA-256 that S3 keeps of it; an ETag is a hash of the content only for some uploads.
An input given as `s3://` is used where it is: it is no resource of ours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.gone import ignore_gone, none_if_gone
from .base import Attributes, Change, Deployment, Kind, Observed, Resource

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class ObjectSpec:
    bucket: str
    key: str
    path: Path
    owner: str


class S3Object(Kind[ObjectSpec]):
    """PutObject."""

    name = "s3_object"
    label = "input file"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        if not isinstance(config.input.source, Path):
            return
        key = config.input.prefix + config.input.source.name
        spec = ObjectSpec(config.bucket.name, key, config.input.source, config.deployment)
        yield Resource(self, "input", f"s3://{spec.bucket}/{spec.key}", "bucket", spec, ("bucket",))

    def desired(self, spec: ObjectSpec) -> Attributes:
        return {"sha256": file_sha256(spec.path)}

    def observe(self, aws: Aws, spec: ObjectSpec) -> Observed | None:
        """Owned through the bucket it lies in, under a prefix that is ours."""
        s3 = aws.client("s3")
        head = none_if_gone(lambda: s3.head_object(Bucket=spec.bucket, Key=spec.key, ChecksumMode="ENABLED"))
        if head is None:
            return None
        return Observed(f"s3://{spec.bucket}/{spec.key}", {"sha256": head.get("ChecksumSHA256")}, spec.owner)

    def create(self, aws: Aws, spec: ObjectSpec) -> str:
        with spec.path.open("rb") as body:
            aws.client("s3").put_object(
                Bucket=spec.bucket,
                Key=spec.key,
                Body=body,
                ContentType="text/csv",
                ChecksumAlgorithm="SHA256",
            )
        return f"s3://{spec.bucket}/{spec.key}"

    def update(self, aws: Aws, spec: ObjectSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        self.create(aws, spec)

    def delete(self, aws: Aws, spec: ObjectSpec, observed: Observed) -> None:
        """This version; the bucket's own deletion takes the older ones."""
        ignore_gone(lambda: aws.client("s3").delete_object(Bucket=spec.bucket, Key=spec.key))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as S3 writes it (base64)."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
