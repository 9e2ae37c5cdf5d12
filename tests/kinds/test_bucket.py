"""The bucket's own rules: what lies in it when it goes, whose it is, and where it may be."""

from __future__ import annotations

import dataclasses
import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import botocore.config
import pytest
from kinds_world import ACCOUNT, Hands, Hurried, World

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.errors import RefusedError
from geopipe_runner.reconcile.model import Action

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
    assert "theirs/twice" in failure.error.message
    assert "force_destroy" in failure.error.hint
    assert contents(world) == theirs
    empty(world)


def test_an_object_of_others_in_no_folder_keeps_the_bucket(world: World) -> None:
    world.hands.client("s3").put_object(Bucket=bucket_name(world), Key="input", Body=b"no folder")
    (failure,) = world.destroy(["bucket"])
    assert "not ours: input" in str(failure.error)
    assert contents(world) == {"input": 1}
    empty(world)


def test_force_destroy_takes_the_objects_of_others_too(make_world: MakeWorld) -> None:
    world = make_world(bucket={"force_destroy": True})
    world.apply(["bucket"])
    fill(world, "theirs/")
    assert world.destroy(["bucket"]) == ()
    assert world.observe("bucket") is None


def test_more_objects_than_one_call_deletes_or_lists(world: World) -> None:
    put_many(world.hands, bucket_name(world), "output/run/", 1010)
    world.hands.forget_calls()
    assert world.destroy(["bucket"]) == ()
    assert world.hands.mutating_calls() == {"s3:DeleteObjects": 2, "s3:DeleteBucket": 1}
    assert world.observe("bucket") is None


def put_many(hands: Hands, bucket: str, prefix: str, count: int) -> None:
    """Objects by bare HTTP: a thousand calls of an SDK would take seconds."""
    address = urlsplit(hands.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    scope = "Credential=AKIATEST/20260101/us-west-2/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    for number in range(count):
        connection.request("PUT", f"/{bucket}/{prefix}{number}", b"x", headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


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
    found = world.hands.client("s3", region).get_bucket_location(Bucket=spec.name)
    assert found["LocationConstraint"] == location
    assert world.aws.account.account_id == ACCOUNT
    assert world.step("bucket").action is Action.KEEP
