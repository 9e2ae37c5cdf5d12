"""The S3 bucket: closed to the public, reachable over TLS only, encrypted.

Deletion removes every version of the objects below our own prefixes. Other objects prevent the deletion of the bucket,
unless `bucket.force_destroy` is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import ClientError, error_code
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.parallel import in_parallel
from ..aws.retry import CONCURRENT_CHANGE, NOT_YET_KNOWN
from ..config.model import Config
from ..deployment import Deployment
from ..errors import AwsError, RefusedError
from .base import (
    Artifacts,
    Attributes,
    Change,
    Kind,
    Observed,
    Resource,
    Section,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from .policy_documents import document, normalize, to_json

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws

# S3 needs up to an hour, but mostly minutes. `bucket.name_timeout` sets the limit.
BUCKET_NAME_NOT_FREE = replace(
    CONCURRENT_CHANGE,
    name="bucket name not free",
    explanation="S3 is still busy with the name of this bucket, which was deleted a short while ago",
    longest=30.0,
)
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
    lock_key: str
    """The lock of the deployment, which goes last."""
    force_destroy: bool
    arn: str
    name_timeout: float
    """Seconds to wait for a name that S3 has not freed yet."""
    is_used: bool = False
    """Whether only its existence matters: its settings are those of its owner."""


class S3Bucket(Kind[BucketSpec]):
    """CreateBucket, PutPublicAccessBlock, PutBucketPolicy, PutBucketEncryption, PutBucketTagging."""

    name = "s3_bucket"
    label = "bucket"
    serves_executions = True
    holds_lock = True
    paint = "store"
    scope = "everywhere"
    emulator_pages = "buckets"
    permissions = (
        "s3:CreateBucket",
        "s3:TagResource",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:ListBucketMultipartUploads",
        "s3:GetBucketTagging",
        "s3:PutBucketTagging",
        "s3:GetBucketPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:GetEncryptionConfiguration",
        "s3:PutEncryptionConfiguration",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
        "s3:DeleteBucket",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        config = deployment.config
        if not config.bucket.name:
            return
        spec = BucketSpec(
            name=config.bucket.name,
            region=config.region,
            policy=_tls_only(deployment.account.bucket_arn(config.bucket.name)),
            tags=deployment.tags,
            prefixes=(config.input.prefix, config.output.prefix, deployment.code_prefix),
            lock_key=deployment.lock_key,
            force_destroy=config.bucket.force_destroy,
            arn=deployment.account.bucket_arn(config.bucket.name),
            name_timeout=config.bucket.name_timeout,
            is_used=not config.bucket.managed,
        )
        yield Resource(self, "bucket", spec.name, "bucket", spec, is_used=not config.bucket.managed)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.bucket_arn("")
        if not arn.startswith(prefix) or "/" in arn:
            return None
        config, name = deployment.config, arn.removeprefix(prefix)
        prefixes = (config.input.prefix, config.output.prefix, deployment.code_prefix)
        spec = BucketSpec(
            name,
            config.region,
            {},
            deployment.tags,
            prefixes,
            deployment.lock_key,
            config.bucket.force_destroy,
            arn,
            0.0,
        )
        return Resource(self, f"left-behind-bucket-{name}", name, "bucket", spec)

    def sections(self, config: Config) -> Iterator[Section]:
        if config.bucket.name:
            yield Section("bucket", f"Setting up bucket {config.bucket.name}.", block=2)

    def describe_result(self, resource: Resource, identity: str, result: str) -> str:
        return f"Bucket {resource.name} ready ({result})."

    def describe_deletion(self, resource: Resource) -> str:
        return f"Delete S3 bucket {resource.name}"

    def arn(self, account: Account, resource: Resource) -> str:
        return account.bucket_arn(resource.name)

    def console_page(self, account: Account, resource: Resource) -> str:
        return f"s3/buckets/{resource.name}?region={account.region}"

    def desired(self, spec: BucketSpec) -> Attributes:
        return {
            "public_access_block": dict(_CLOSED),
            "policy": normalize(spec.policy),
            "encrypted": True,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: BucketSpec) -> Observed | None:
        s3 = aws.client("s3")
        if not _exists(s3, spec):
            return None
        if spec.is_used:
            return Observed(f"s3://{spec.name}", {}, {}, spec.arn)
        reads = {
            "tags": s3.get_bucket_tagging,
            "block": s3.get_public_access_block,
            "policy": s3.get_bucket_policy,
            "encryption": s3.get_bucket_encryption,
        }
        settings = in_parallel({name: partial(_read_setting, read, spec.name) for name, read in reads.items()})
        tags = tag_map(settings["tags"].get("TagSet", []))
        attributes = {
            "public_access_block": settings["block"].get("PublicAccessBlockConfiguration", {}),
            "policy": normalize(settings["policy"].get("Policy")),
            # S3 encrypts every bucket; a key of the user's own is no drift.
            "encrypted": bool(settings["encryption"].get("ServerSideEncryptionConfiguration", {}).get("Rules")),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(f"s3://{spec.name}", attributes, tags, spec.arn)

    def create(self, aws: Aws, spec: BucketSpec) -> str:
        s3 = aws.client("s3")
        settings: dict[str, Any] = {"Tags": tag_list(spec.tags)}
        if spec.region != "us-east-1":  # this region must not be named
            settings["LocationConstraint"] = spec.region
        try:
            aws.retrier.call(
                BUCKET_NAME_NOT_FREE,
                lambda: s3.create_bucket(Bucket=spec.name, CreateBucketConfiguration=settings),
                within=spec.name_timeout,
            )
        except ClientError as error:
            if error_code(error) == "BucketAlreadyExists":
                raise _taken(spec.name) from None
            if BUCKET_NAME_NOT_FREE.matches(error):
                raise AwsError(
                    f"The name of bucket {spec.name} is still not free after {spec.name_timeout:.0f} s. S3 needs up to "
                    "an hour after a bucket was deleted.",
                    "Run the same command again later, choose another `bucket.name`, or raise `bucket.name_timeout`.",
                ) from None
            raise
        return f"s3://{spec.name}"

    def finish_creation(self, aws: Aws, spec: BucketSpec) -> None:
        self._put_settings(aws, spec, "public_access_block", "policy")

    def update(self, aws: Aws, spec: BucketSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        # PutBucketTagging replaces all tags, so the call includes those of others. AWS keeps `aws:` tags by itself.
        kept = {key: value for key, value in observed.tags.items() if not key.startswith("aws:")}
        differing = [name for name in self.desired(spec) if touches(changes, name)]
        self._put_settings(aws, spec, *differing, other_tags=kept)

    def _put_settings(
        self, aws: Aws, spec: BucketSpec, *names: str, other_tags: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Write these settings. S3 may not know a new bucket everywhere yet, and refuses simultaneous changes."""
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

    def prepare_deletion(self, aws: Aws, spec: BucketSpec, observed: Observed) -> None:
        s3 = aws.client("s3")
        for prefix in ("",) if spec.force_destroy else spec.prefixes:
            ignore_not_found(lambda prefix=prefix: _purge(s3, spec, prefix))  # type: ignore[misc]

    def delete(self, aws: Aws, spec: BucketSpec, observed: Observed) -> None:
        s3 = aws.client("s3")
        ignore_not_found(lambda: s3.delete_object(Bucket=spec.name, Key=spec.lock_key))
        try:
            ignore_not_found(lambda: s3.delete_bucket(Bucket=spec.name))
        except ClientError as error:
            if error_code(error) != "BucketNotEmpty":
                raise
        else:
            return
        # A bucket with versions keeps the deleted lock.
        ignore_not_found(lambda: _delete_versions(s3, spec.name, spec.lock_key))
        try:
            ignore_not_found(lambda: s3.delete_bucket(Bucket=spec.name))
        except ClientError as error:
            if error_code(error) != "BucketNotEmpty":
                raise
            raise RefusedError(
                f"it still holds objects outside the input and output prefixes: {', '.join(_some_keys(s3, spec.name))}",
                "Move them away, or set `bucket.force_destroy: true`.",
            ) from None


def _read_setting(read: Callable[..., dict[str, Any]], bucket: str) -> dict[str, Any]:
    return none_if_not_found(lambda: read(Bucket=bucket)) or {}


def _exists(s3: Any, spec: BucketSpec) -> bool:
    try:
        response = none_if_not_found(lambda: s3.head_bucket(Bucket=spec.name))
    except ClientError as error:
        if error_code(error) == "403":
            raise _taken(spec.name) from None
        if error_code(error) == "301":
            raise _elsewhere(spec, "another region") from None
        raise
    if response is None:
        return False
    # botocore follows the redirect to another region, so that everything else would work there too, and cost more.
    if response.get("BucketRegion", spec.region) != spec.region:
        raise _elsewhere(spec, str(response["BucketRegion"]))
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


def _purge(s3: Any, spec: BucketSpec, prefix: str) -> None:
    """Delete what lies below `prefix`, but not the lock."""
    bucket = spec.name
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            key, upload_id = upload["Key"], upload["UploadId"]
            ignore_not_found(partial(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload_id))
    _delete_versions(s3, bucket, prefix, but=spec.lock_key)


def _delete_versions(s3: Any, bucket: str, prefix: str, but: str = "") -> None:
    # Always the first page again: a deleted key is no place to continue from.
    while batch := list(islice((v for v in _versions(s3, bucket, prefix) if v["Key"] != but), _BATCH)):
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        # HTTP 200 does not mean that every object was deleted.
        for problem in response.get("Errors", []):
            raise AwsError(f"could not delete {problem['Key']}: {problem['Code']} {problem.get('Message', '')}")


def _versions(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _some_keys(s3: Any, bucket: str) -> list[str]:
    response = s3.list_object_versions(Bucket=bucket, MaxKeys=5)
    return sorted({entry["Key"] for entry in [*response.get("Versions", []), *response.get("DeleteMarkers", [])]})
