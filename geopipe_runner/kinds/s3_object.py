"""The input file in the bucket, uploaded only if its content differs.

The content is compared by the SHA-256 that S3 stores with it. An ETag is a hash of the content only for some uploads.
An input at `s3://` is used in place and is not a resource of ours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.retry import NOT_YET_KNOWN
from ..aws.upload import stored_sha256, upload_file
from ..deployment import ADOPTED_TAG, OWNER_TAG, Deployment
from .base import Artifacts, Attributes, Change, Kind, Observed, Resource, our_tags

if TYPE_CHECKING:
    from ..aws.account import Account
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
    shapes_results = True
    paint = "store"
    shape = "inside"
    scope = "everywhere"
    emulator_pages = "buckets"
    permissions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        config = deployment.config
        if not isinstance(config.input.source, Path):
            return
        key = config.input.prefix + config.input.source.name
        tags = {OWNER_TAG: config.deployment}
        spec = ObjectSpec(config.bucket.name, key, artifacts.input or config.input.source, tags)
        yield Resource(self, "input", f"s3://{spec.bucket}/{spec.key}", "bucket", spec, ("bucket",))

    def arn(self, account: Account, resource: Resource) -> str:
        return f"{account.bucket_arn(resource.spec.bucket)}/{resource.spec.key}"

    def console_page(self, account: Account, resource: Resource) -> str:
        spec = resource.spec
        return f"s3/object/{spec.bucket}?region={account.region}&prefix={quote(spec.key, safe='')}"

    def desired(self, spec: ObjectSpec) -> Attributes:
        return {"sha256": file_sha256(spec.path), "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: ObjectSpec) -> Observed | None:
        """An object of another owner is drift in our own bucket, and foreign in an adopted bucket."""
        s3 = aws.client("s3")
        head = none_if_not_found(lambda: s3.head_object(Bucket=spec.bucket, Key=spec.key, ChecksumMode="ENABLED"))
        if head is None:
            return None
        tags = {tag: value for tag in _TAGS if (value := head["Metadata"].get(_metadata_key(tag))) is not None}
        attributes = {"sha256": stored_sha256(head), "tags": our_tags(spec.tags, tags)}
        return Observed(f"s3://{spec.bucket}/{spec.key}", attributes, tags, owned_by="bucket")

    def create(self, aws: Aws, spec: ObjectSpec) -> str:
        aws.retrier.call(NOT_YET_KNOWN, lambda: self._put(aws, spec))
        return f"s3://{spec.bucket}/{spec.key}"

    def _put(self, aws: Aws, spec: ObjectSpec) -> None:
        metadata = {_metadata_key(tag): value for tag, value in spec.tags.items()}
        upload_file(
            aws,
            spec.path,
            spec.bucket,
            spec.key,
            content_type="text/csv",
            metadata=metadata,
            read_sha256=lambda: file_sha256(spec.path),
        )

    def update(self, aws: Aws, spec: ObjectSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        self.create(aws, spec)

    def delete(self, aws: Aws, spec: ObjectSpec, observed: Observed) -> None:
        """Delete this version. The deletion of the bucket removes older ones."""
        ignore_not_found(lambda: aws.client("s3").delete_object(Bucket=spec.bucket, Key=spec.key))


def _metadata_key(tag: str) -> str:
    return tag.replace(":", "-")  # metadata travels as header names


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file as S3 writes it (base64)."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
