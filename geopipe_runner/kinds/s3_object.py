"""The input file in the bucket: uploaded only when its content differs.

The content is compared by the SHA-256 that S3 keeps of it; an ETag is a hash of the content only for some uploads.
An input given as `s3://` is used where it is: it is no resource of ours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.retry import NOT_YET_KNOWN
from .base import ADOPTED_TAG, OWNER_TAG, Attributes, Change, Deployment, Kind, Observed, Resource, our_tags

if TYPE_CHECKING:
    from ..aws.clients import Aws


_TAGS = (OWNER_TAG, ADOPTED_TAG)


@dataclass(frozen=True)
class ObjectSpec:
    bucket: str
    key: str
    path: Path
    tags: Mapping[str, str]
    """Kept as metadata: real object tags are at most ten, and cost a call more."""


class S3Object(Kind[ObjectSpec]):
    """PutObject."""

    name = "s3_object"
    label = "input file"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        if not isinstance(config.input.source, Path):
            return
        key = config.input.prefix + config.input.source.name
        tags = {OWNER_TAG: config.deployment}
        spec = ObjectSpec(config.bucket.name, key, config.input.source, tags)
        yield Resource(self, "input", f"s3://{spec.bucket}/{spec.key}", "bucket", spec, ("bucket",))

    def desired(self, spec: ObjectSpec) -> Attributes:
        return {"sha256": file_sha256(spec.path), "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: ObjectSpec) -> Observed | None:
        """What someone else put there is drift in our own bucket, and theirs in an adopted one."""
        s3 = aws.client("s3")
        head = none_if_gone(lambda: s3.head_object(Bucket=spec.bucket, Key=spec.key, ChecksumMode="ENABLED"))
        if head is None:
            return None
        tags = {tag: value for tag in _TAGS if (value := head["Metadata"].get(_metadata_key(tag))) is not None}
        attributes = {"sha256": head.get("ChecksumSHA256"), "tags": our_tags(spec.tags, tags)}
        return Observed(f"s3://{spec.bucket}/{spec.key}", attributes, tags, through="bucket")

    def create(self, aws: Aws, spec: ObjectSpec) -> str:
        aws.retrier.call(NOT_YET_KNOWN, lambda: self._put(aws, spec))
        return f"s3://{spec.bucket}/{spec.key}"

    def _put(self, aws: Aws, spec: ObjectSpec) -> None:
        with spec.path.open("rb") as body:
            aws.client("s3").put_object(
                Bucket=spec.bucket,
                Key=spec.key,
                Body=body,
                ContentType="text/csv",
                ChecksumAlgorithm="SHA256",
                Metadata={_metadata_key(tag): value for tag, value in spec.tags.items()},
            )

    def update(self, aws: Aws, spec: ObjectSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        self.create(aws, spec)

    def delete(self, aws: Aws, spec: ObjectSpec, observed: Observed) -> None:
        """This version; the bucket's own deletion takes the older ones."""
        ignore_gone(lambda: aws.client("s3").delete_object(Bucket=spec.bucket, Key=spec.key))


def _metadata_key(tag: str) -> str:
    return tag.replace(":", "-")  # metadata travels as header names


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as S3 writes it (base64)."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
