"""The S3 bucket: closed to the public, reachable over TLS only, encrypted.

Deleting it takes away what lies under our own prefixes, every version of it. Objects of other people keep the bucket,
unless `bucket.force_destroy` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.parallel import in_parallel
from ..aws.retry import CONCURRENT_CHANGE, NOT_YET_KNOWN, AnswerError, error_code
from ..errors import AwsError, RefusedError
from .base import (
    Attributes,
    Change,
    Deployment,
    Kind,
    Observed,
    Resource,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from .policy_documents import document, normalise, to_json

if TYPE_CHECKING:
    from ..aws.clients import Aws

_BATCH = 1000  # DeleteObjects takes no more
_CLOSED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


@dataclass(frozen=True)
class BucketSpec:
    name: str
    region: str
    policy: Mapping[str, Any]
    tags: Mapping[str, str]
    prefixes: tuple[str, ...]
    """What lies under these is ours to delete."""
    force_destroy: bool
    arn: str


class S3Bucket(Kind[BucketSpec]):
    """CreateBucket, PutPublicAccessBlock, PutBucketPolicy, PutBucketEncryption, PutBucketTagging."""

    name = "s3_bucket"
    label = "bucket"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        spec = BucketSpec(
            name=config.bucket.name,
            region=config.region,
            policy=_tls_only(deployment.account.bucket_arn(config.bucket.name)),
            tags=deployment.tags,
            prefixes=(config.input.prefix, config.output.prefix),
            force_destroy=config.bucket.force_destroy,
            arn=deployment.account.bucket_arn(config.bucket.name),
        )
        yield Resource(self, "bucket", spec.name, "bucket", spec)

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.bucket_arn("")
        if not arn.startswith(prefix) or "/" in arn:
            return None
        config, name = deployment.config, arn.removeprefix(prefix)
        prefixes = (config.input.prefix, config.output.prefix)
        spec = BucketSpec(name, config.region, {}, deployment.tags, prefixes, config.bucket.force_destroy, arn)
        return Resource(self, f"left-behind-bucket-{name}", name, "bucket", spec)

    def desired(self, spec: BucketSpec) -> Attributes:
        return {
            "public_access_block": dict(_CLOSED),
            "policy": normalise(spec.policy),
            "encrypted": True,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: BucketSpec) -> Observed | None:
        s3 = aws.client("s3")
        if not _exists(s3, spec):
            return None
        reads = {
            "tags": s3.get_bucket_tagging,
            "block": s3.get_public_access_block,
            "policy": s3.get_bucket_policy,
            "encryption": s3.get_bucket_encryption,
        }
        found = in_parallel({name: partial(_read_setting, read, spec.name) for name, read in reads.items()})
        tags = tag_map(found["tags"].get("TagSet", []))
        attributes = {
            "public_access_block": found["block"].get("PublicAccessBlockConfiguration", {}),
            "policy": normalise(found["policy"].get("Policy")),
            # S3 encrypts every bucket; a key of the user's own is no drift.
            "encrypted": bool(found["encryption"].get("ServerSideEncryptionConfiguration", {}).get("Rules")),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(f"s3://{spec.name}", attributes, tags, spec.arn)

    def create(self, aws: Aws, spec: BucketSpec) -> str:
        s3 = aws.client("s3")
        settings: dict[str, Any] = {"Tags": tag_list(spec.tags)}
        if spec.region != "us-east-1":  # the one region that must not be named
            settings["LocationConstraint"] = spec.region
        try:
            aws.retrier.call(
                CONCURRENT_CHANGE,
                lambda: s3.create_bucket(Bucket=spec.name, CreateBucketConfiguration=settings),
            )
        except AnswerError as error:
            if error_code(error) == "BucketAlreadyExists":
                raise _taken(spec.name) from None
            raise
        self._put_settings(aws, spec, "public_access_block", "policy")
        return f"s3://{spec.name}"

    def update(self, aws: Aws, spec: BucketSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        # PutBucketTagging replaces them all, so other people's tags go along; `aws:` ones AWS keeps itself.
        kept = {key: value for key, value in observed.tags.items() if not key.startswith("aws:")}
        differing = [name for name in self.desired(spec) if touches(changes, name)]
        self._put_settings(aws, spec, *differing, other_tags=kept)

    def _put_settings(
        self, aws: Aws, spec: BucketSpec, *names: str, other_tags: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """S3 may not know a new bucket everywhere at once, and refuses a change while it is making another."""
        s3, bucket = aws.client("s3"), spec.name
        tags = tag_list({**other_tags, **spec.tags})
        calls: dict[str, Callable[[], Any]] = {
            "public_access_block": lambda: s3.put_public_access_block(
                Bucket=bucket, PublicAccessBlockConfiguration=_CLOSED
            ),
            "policy": lambda: s3.put_bucket_policy(Bucket=bucket, Policy=to_json(spec.policy)),
            "encrypted": lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_ENCRYPTION),
            "tags": lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags}),
        }
        for name in names:
            put = calls[name]
            aws.retrier.call(NOT_YET_KNOWN, partial(aws.retrier.call, CONCURRENT_CHANGE, put))

    def delete(self, aws: Aws, spec: BucketSpec, observed: Observed) -> None:
        s3 = aws.client("s3")
        for prefix in ("",) if spec.force_destroy else spec.prefixes:
            ignore_gone(lambda prefix=prefix: _purge(s3, spec.name, prefix))  # type: ignore[misc]
        try:
            ignore_gone(lambda: s3.delete_bucket(Bucket=spec.name))
        except AnswerError as error:
            if error_code(error) != "BucketNotEmpty":
                raise
            raise RefusedError(
                f"it still holds objects that are not ours: {', '.join(_some_keys(s3, spec.name))}",
                "Move them away, or set `bucket.force_destroy: true`.",
            ) from None


def _read_setting(read: Callable[..., dict[str, Any]], bucket: str) -> dict[str, Any]:
    return none_if_gone(lambda: read(Bucket=bucket)) or {}


def _exists(s3: Any, spec: BucketSpec) -> bool:
    try:
        answer = none_if_gone(lambda: s3.head_bucket(Bucket=spec.name))
    except AnswerError as error:
        if error_code(error) == "403":
            raise _taken(spec.name) from None
        if error_code(error) == "301":
            raise _elsewhere(spec, "another region") from None
        raise
    if answer is None:
        return False
    # botocore follows the redirect to another region, so that everything else would work there too, and cost more.
    if answer.get("BucketRegion", spec.region) != spec.region:
        raise _elsewhere(spec, str(answer["BucketRegion"]))
    return True


def _elsewhere(spec: BucketSpec, region: str) -> RefusedError:
    return RefusedError(
        f"Bucket {spec.name} exists in {region}, not in {spec.region}.", "Choose another `bucket.name`."
    )


def _taken(name: str) -> RefusedError:
    return RefusedError(
        f"Bucket {name} belongs to another account, or these credentials may not see it.",
        "Choose another `bucket.name` (they are unique across all of AWS), or allow s3:ListBucket.",
    )


def _tls_only(arn: str) -> dict[str, Any]:
    return document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def _purge(s3: Any, bucket: str, prefix: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            key, upload_id = upload["Key"], upload["UploadId"]
            ignore_gone(partial(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload_id))
    # Always the first page again: what is deleted is no place to go on from.
    while batch := list(islice(_versions(s3, bucket, prefix), _BATCH)):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        # HTTP 200 does not mean that all went well.
        for problem in answer.get("Errors", []):
            raise AwsError(f"could not delete {problem['Key']}: {problem['Code']} {problem.get('Message', '')}")


def _versions(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _some_keys(s3: Any, bucket: str) -> list[str]:
    answer = s3.list_object_versions(Bucket=bucket, MaxKeys=5)
    return sorted({entry["Key"] for entry in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]})
