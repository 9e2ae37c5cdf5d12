"""The bucket's own rules: what lies in it when it goes, whose it is, and where it may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import botocore.config
import pytest

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.errors import AwsError, RefusedError
from geopipe_runner.kinds.base import Observed
from tests.support.kinds import ACCOUNT, Hands, Hurried, World

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    made = make_world()
    made.apply(["bucket"])
    return made


def bucket_name(world: World) -> str:
    return str(world.resource("bucket").spec.name)


def fill(world: World, prefix: str) -> None:
    """Versions, a delete marker and an unfinished upload below `prefix`."""
    s3, bucket = world.hands.client("s3"), bucket_name(world)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}twice", Body=body)
    s3.put_object(Bucket=bucket, Key=f"{prefix}deleted", Body=b"x")
    s3.delete_object(Bucket=bucket, Key=f"{prefix}deleted")
    s3.create_multipart_upload(Bucket=bucket, Key=f"{prefix}unfinished")


def contents(world: World) -> dict[str, int]:
    """How many versions, delete markers and uploads each key has."""
    s3, bucket = world.hands.client("s3"), bucket_name(world)
    listing = s3.list_object_versions(Bucket=bucket)
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    found: dict[str, int] = {}
    for entry in [*listing.get("Versions", []), *listing.get("DeleteMarkers", []), *uploads]:
        found[entry["Key"]] = found.get(entry["Key"], 0) + 1
    return found


def test_everything_under_our_prefixes_goes_with_the_bucket(world: World) -> None:
    for prefix in ("input/", "output/some-run/"):
        fill(world, prefix)
    assert sum(contents(world).values()) == 10
    assert world.destroy(["bucket"]) == ()
    assert world.observe("bucket") is None


def test_objects_of_others_keep_the_bucket_and_stay_whole(world: World) -> None:
    fill(world, "output/")
    fill(world, "theirs/")
    fill(world, "output-of-another-program/")
    theirs = {key: count for key, count in contents(world).items() if not key.startswith("output/")}
    (failure,) = world.destroy(["bucket"])
    assert isinstance(failure.error, RefusedError)
    assert "theirs/deleted" in failure.error.message
    assert "force_destroy" in failure.error.hint
    assert contents(world) == theirs
    empty(world)


def test_an_object_of_others_in_no_folder_keeps_the_bucket(world: World) -> None:
    world.hands.client("s3").put_object(Bucket=bucket_name(world), Key="input", Body=b"no folder")
    (failure,) = world.destroy(["bucket"])
    assert "outside the input and output prefixes: input" in str(failure.error)
    assert contents(world) == {"input": 1}
    empty(world)


def test_force_destroy_takes_the_objects_of_others_too(make_world: MakeWorld) -> None:
    world = make_world(bucket={"force_destroy": True})
    world.apply(["bucket"])
    fill(world, "theirs/")
    assert world.destroy(["bucket"]) == ()
    assert world.observe("bucket") is None


def empty(world: World) -> None:
    """Takes what a test put there as someone else."""
    s3, bucket = world.hands.client("s3"), bucket_name(world)
    listing = s3.list_object_versions(Bucket=bucket)
    for entry in [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])


def test_a_new_bucket_is_closed_encrypted_and_reached_by_tls_only(world: World) -> None:
    s3, bucket = world.hands.client("s3"), bucket_name(world)
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert len(block) == 4
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert '"aws:SecureTransport":"false"' in policy


class NoUploads:
    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        return [{}]


class ManyObjects:
    """S3 as far as a deletion asks it, with paging as AWS does it: by name, also after deletions in between."""

    def __init__(self, keys: int, undeletable: str = "") -> None:
        self.keys = {f"output/{number:05}" for number in range(keys)}
        self.undeletable = undeletable
        self.batches: list[int] = []
        self.bucket = True

    def client(self, _service: str) -> ManyObjects:
        return self

    def get_paginator(self, operation: str) -> ManyObjects | NoUploads:
        return self if operation == "list_object_versions" else NoUploads()

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        marker = ""
        while page := sorted(key for key in self.keys if key.startswith(Prefix) and key > marker)[:1000]:
            marker = page[-1]
            yield {"Versions": [{"Key": key, "VersionId": "null"} for key in page]}

    def list_object_versions(self, **_: Any) -> dict[str, Any]:
        return {"Versions": [{"Key": key, "VersionId": "null"} for key in sorted(self.keys)]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        deletable = [entry["Key"] for entry in Delete["Objects"]]
        assert len(deletable) <= 1000
        self.batches.append(len(deletable))
        self.keys -= {key for key in deletable if key != self.undeletable}
        return {
            "Errors": [
                {"Key": key, "Code": "AccessDenied", "Message": "no"} for key in deletable if key == self.undeletable
            ]
        }

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        self.keys.discard(Key)

    def delete_bucket(self, Bucket: str) -> None:  # noqa: N803
        assert not self.keys
        self.bucket = False


def delete_with(world: World, s3: ManyObjects) -> None:
    bucket = world.resource("bucket")
    aws: Any = s3
    observed = Observed("s3://bucket", {}, {})
    bucket.kind.prepare_deletion(aws, bucket.spec, observed)
    bucket.kind.delete(aws, bucket.spec, observed)


@pytest.mark.parametrize("force_destroy", [False, True])
def test_the_lock_goes_last_with_all_its_versions(make_world: MakeWorld, force_destroy: bool) -> None:
    world = make_world(bucket={"force_destroy": force_destroy})
    bucket, s3 = world.resource("bucket"), world.hands.client("s3")
    bucket.kind.create(world.aws, bucket.spec)
    name = bucket.spec.name
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("output/a.csv", bucket.spec.lock_key, bucket.spec.lock_key):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    observed = Observed("s3://bucket", {}, {})
    bucket.kind.prepare_deletion(world.aws, bucket.spec, observed)
    assert {entry["Key"] for entry in s3.list_object_versions(Bucket=name)["Versions"]} == {bucket.spec.lock_key}
    bucket.kind.delete(world.aws, bucket.spec, observed)
    assert bucket.kind.observe(world.aws, bucket.spec) is None


def test_more_objects_than_one_call_deletes_or_lists(make_world: MakeWorld) -> None:
    s3 = ManyObjects(2345)
    delete_with(make_world(), s3)
    assert (s3.batches, s3.keys, s3.bucket) == ([1000, 1000, 345], set(), False)


def test_an_object_that_cannot_be_deleted_is_named(make_world: MakeWorld) -> None:
    s3 = ManyObjects(3, undeletable="output/00001")
    with pytest.raises(AwsError, match="could not delete output/00001: AccessDenied no"):
        delete_with(make_world(), s3)
    assert s3.bucket


def test_a_bucket_of_another_account_is_refused(hands: Hands, world: World) -> None:
    stranger = Aws(
        hands.session,
        Account("111122223333", "us-west-2", hands.url),
        bucket_name(world),
        Retrier(lambda _text: None, time=Hurried()),
        botocore.config.Config(proxies={}, s3={"addressing_style": "path"}),
    )
    bucket = world.resource("bucket")
    with pytest.raises(RefusedError, match="belongs to another account"):
        bucket.kind.observe(stranger, bucket.spec)


@pytest.mark.parametrize(("region", "location"), [("us-east-1", None), ("eu-central-1", "eu-central-1")])
def test_the_bucket_is_made_in_its_region(make_world: MakeWorld, region: str, location: str | None) -> None:
    world = make_world(region)
    bucket = world.resource("bucket")
    spec: Any = dataclasses.replace(bucket.spec, region=region)
    bucket.kind.create(world.aws, spec)
    bucket.kind.finish_creation(world.aws, spec)
    found = world.hands.client("s3", region).get_bucket_location(Bucket=spec.name)
    assert found["LocationConstraint"] == location
    assert world.aws.account.account_id == ACCOUNT
    seen = bucket.kind.observe(world.aws, spec)
    assert seen is not None
    assert bucket.kind.compare(spec, seen) == ()
    with pytest.raises(RefusedError, match=f"exists in {region}, not in us-west-2"):
        world.step("bucket")
    bucket.kind.delete(world.aws, spec, seen)


def test_more_than_one_page_of_objects(make_world: MakeWorld) -> None:
    """The emulator continues only from keys that still exist, so each batch starts from the first page."""
    world = make_world()
    world.apply(["bucket"])
    s3: Any = world.hands.client("s3")
    name = world.resource("bucket").spec.name
    for number in range(1010):
        s3.put_object(Bucket=name, Key=f"output/{number}", Body=b"")
    assert world.destroy(["bucket"]) == ()
