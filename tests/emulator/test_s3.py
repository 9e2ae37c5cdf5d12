"""S3 over HTTP: what moto does well, and what our corrections add."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.services.s3.bucket_names import action_of, is_valid_bucket_name
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

ACCOUNT = "200000000021"
REGION = "us-west-2"
HERE = {"LocationConstraint": REGION}


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT))


@pytest.fixture(scope="module")
def s3(endpoint: Emulator) -> Any:
    return endpoint.client("s3")


def new_bucket(s3: Any, name: str) -> str:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    return name


def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def statement(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": "s3:*"} | parts


def put_policy(s3: Any, bucket: str, *statements: dict[str, Any]) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def test_objects_come_back_as_they_were_sent(s3: Any) -> None:
    bucket = new_bucket(s3, "objects-here")
    content = bytes(range(256)) * 1000
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü+%.csv", Body=content, Metadata={"my_key": "v"}, ContentType="text/csv"
    )
    head = s3.head_object(Bucket=bucket, Key="a b/ü+%.csv")
    assert head["Metadata"] == {"my_key": "v"}
    assert head["ETag"] == put["ETag"]
    assert s3.get_object(Bucket=bucket, Key="a b/ü+%.csv")["Body"].read() == content
    assert s3.get_object(Bucket=bucket, Key="a b/ü+%.csv", Range="bytes=10-19")["Body"].read() == content[10:20]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü+%.csv"})
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a b/ü+%.csv", "copy"]
    assert s3.put_object(Bucket=bucket, Key="empty", Body=b"")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


@pytest.mark.parametrize("size", [0, 10, 1024 * 1024, 1024 * 1024 + 1])
def test_all_that_is_known_of_an_object_is_kept(s3: Any, size: int) -> None:
    bucket = new_bucket(s3, f"features-{size}")
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    given = {
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "WebsiteRedirectLocation": "/other",
        "Metadata": {"key": "value"},
        "ContentType": "text/csv",
    }
    s3.put_object(Bucket=bucket, Key="rich", Body=content, ChecksumAlgorithm="SHA256", **given)
    s3.put_object(Bucket=bucket, Key="plain", Body=content)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "plain"})
    rich = s3.get_object(Bucket=bucket, Key="rich", ChecksumMode="ENABLED")
    assert {name: rich[name] for name in given} == given
    assert rich["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    plain = s3.head_object(Bucket=bucket, Key="plain")
    assert (plain["ServerSideEncryption"], plain["ContentLength"], "StorageClass" in plain) == ("AES256", size, False)
    assert plain["ETag"] == f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    assert [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in ("rich", "plain", "copy")] == [content] * 3
    if size:
        part = s3.get_object(Bucket=bucket, Key="plain", Range="bytes=1-5")["Body"].read()
        assert part == content[1:6]
    s3.put_object(Bucket=bucket, Key="plain", Body=b"replaced")
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"replaced"
    s3.put_object_tagging(Bucket=bucket, Key="plain", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="plain")["TagSet"] == [{"Key": "k", "Value": "v"}]


def test_checksums(s3: Any) -> None:
    bucket = new_bucket(s3, "checksums-here")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumAlgorithm="SHA256")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"] == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


def test_large_objects_go_in_parts(s3: Any) -> None:
    bucket = new_bucket(s3, "parts-here")
    content = b"0123456789abcdef" * 1_100_000
    s3.upload_fileobj(io.BytesIO(content), bucket, "large")
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == content
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].strip('"').endswith("-3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="open")["UploadId"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    s3.abort_multipart_upload(Bucket=bucket, Key="open", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_versions_keep_a_bucket_until_they_are_gone(s3: Any) -> None:
    bucket = new_bucket(s3, "versions-here")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for content in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="k", Body=content)
    s3.delete_object(Bucket=bucket, Key="k")
    listed = s3.list_object_versions(Bucket=bucket)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)
    assert refusal(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    objects = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in [*listed["Versions"], *listed["DeleteMarkers"]]]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Deleted"]) == 3
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.head_bucket, Bucket=bucket) == ("404", 404)


def test_a_bucket_that_kept_versions_once_is_emptied(s3: Any) -> None:
    """As Terraform does before it deletes a bucket: it suspends versions first."""
    bucket = new_bucket(s3, "suspended")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="a", Body=body)
    s3.delete_object(Bucket=bucket, Key="a")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    listed = s3.list_object_versions(Bucket=bucket)
    versions = [*listed["Versions"], *listed["DeleteMarkers"]]
    assert len(versions) == 3
    named = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": named})
    s3.delete_bucket(Bucket=bucket)


def test_presigned_urls_work_without_a_header(s3: Any) -> None:
    bucket = new_bucket(s3, "presigned-here")
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url, timeout=60).read() == b"content"


def test_a_new_bucket_has_the_defaults_of_aws_and_its_tags(s3: Any) -> None:
    s3.create_bucket(
        Bucket="defaults-here", CreateBucketConfiguration=HERE | {"Tags": [{"Key": "owner", "Value": "me & you"}]}
    )
    assert s3.get_bucket_tagging(Bucket="defaults-here")["TagSet"] == [{"Key": "owner", "Value": "me & you"}]
    [rule] = s3.get_bucket_encryption(Bucket="defaults-here")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    block = s3.get_public_access_block(Bucket="defaults-here")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    [owner] = s3.get_bucket_ownership_controls(Bucket="defaults-here")["OwnershipControls"]["Rules"]
    assert owner["ObjectOwnership"] == "BucketOwnerEnforced"


def test_creating_again(endpoint: Emulator, s3: Any) -> None:
    new_bucket(s3, "twice-here")
    s3.put_bucket_tagging(Bucket="twice-here", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    again = refusal(s3.create_bucket, Bucket="twice-here", CreateBucketConfiguration=HERE)
    assert again == ("BucketAlreadyOwnedByYou", 409)
    assert s3.get_bucket_tagging(Bucket="twice-here")["TagSet"] == [{"Key": "a", "Value": "b"}]
    east = endpoint.client("s3", "us-east-1")
    east.create_bucket(Bucket="twice-east")
    east.create_bucket(Bucket="twice-east")
    tags = {"Tags": [{"Key": "a", "Value": "b"}]}
    assert refusal(east.create_bucket, Bucket="twice-east", CreateBucketConfiguration=tags)[1] == 409
    assert east.get_bucket_location(Bucket="twice-east")["LocationConstraint"] is None


def test_locations(endpoint: Emulator, s3: Any) -> None:
    assert refusal(s3.create_bucket, Bucket="nowhere-here")[0] == "IllegalLocationConstraintException"
    elsewhere = {"LocationConstraint": "eu-west-1"}
    code, _ = refusal(s3.create_bucket, Bucket="nowhere-here", CreateBucketConfiguration=elsewhere)
    assert code == "IllegalLocationConstraintException"
    east = endpoint.client("s3", "us-east-1")
    explicit = {"LocationConstraint": "us-east-1"}
    code, _ = refusal(east.create_bucket, Bucket="east-here", CreateBucketConfiguration=explicit)
    assert code == "InvalidLocationConstraint"


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Upper-case", "under_score", "-hyphen", "dot.", "two..dots", "192.168.1.1", "xn--x", "x-s3alias"],
)
def test_bad_bucket_names(name: str) -> None:
    assert not is_valid_bucket_name(name)


def test_bucket_names_over_http(s3: Any) -> None:
    assert is_valid_bucket_name("geopipe.local-123456789012")
    assert refusal(s3.create_bucket, Bucket="Upper_Case", CreateBucketConfiguration=HERE)[0] == "InvalidBucketName"


def test_expected_bucket_owner(s3: Any) -> None:
    bucket = new_bucket(s3, "owned-here")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner=ACCOUNT)
    other = "111111111111"
    assert refusal(s3.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner=other) == ("AccessDenied", 403)
    assert refusal(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner=other) == ("403", 403)
    assert refusal(s3.delete_bucket, Bucket=bucket, ExpectedBucketOwner=other) == ("AccessDenied", 403)
    malformed = refusal(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="me")
    assert malformed == ("InvalidBucketOwnerAWSAccountID", 400)
    assert refusal(s3.list_objects_v2, Bucket="missing-here", ExpectedBucketOwner=other)[0] == "NoSuchBucket"


def test_tls_only_policy_lets_loopback_pass(s3: Any) -> None:
    bucket = new_bucket(s3, "tls-here")
    assert refusal(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    put_policy(s3, bucket, statement(Resource=arns, Condition={"Bool": {"aws:SecureTransport": "false"}}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    kept = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert kept["Statement"][0]["Resource"] == arns
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3.delete_bucket_policy(Bucket=bucket)
    assert refusal(s3.get_bucket_policy, Bucket=bucket)[0] == "NoSuchBucketPolicy"


def test_an_explicit_deny_wins(s3: Any) -> None:
    bucket = new_bucket(s3, "denied-here")
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"x")
    put_policy(s3, bucket, statement(Action="s3:PutObject", Resource=f"arn:aws:s3:::{bucket}/closed/*"))
    assert refusal(s3.put_object, Bucket=bucket, Key="closed/k", Body=b"x") == ("AccessDenied", 403)
    multipart = refusal(s3.create_multipart_upload, Bucket=bucket, Key="closed/k")
    assert multipart == ("AccessDenied", 403)
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"x")
    put_policy(
        s3,
        bucket,
        statement(
            Action="s3:PutObject",
            Resource=f"arn:aws:s3:::{bucket}/*",
            Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        ),
    )
    assert refusal(s3.put_object, Bucket=bucket, Key="open/k", Body=b"x")[0] == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"x", ServerSideEncryption="aws:kms")


def test_a_policy_is_deleted_with_its_bucket(s3: Any) -> None:
    bucket = new_bucket(s3, "goes-here")
    put_policy(s3, bucket, statement(Action="s3:PutObject", Resource=f"arn:aws:s3:::{bucket}/*"))
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucket", 404)
    new_bucket(s3, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"Resource": "arn:aws:s3:::another/*"}, "invalid resource"),
        ({"Resource": "arn:aws:s3:::policies-here", "Effect": "Maybe"}, "Invalid effect"),
        ({"Resource": "arn:aws:s3:::policies-here", "Condition": {"Booleano": {"a": "b"}}}, "Invalid Condition"),
        ({}, "Missing required field Resource"),
    ],
)
def test_malformed_policies_are_refused(s3: Any, parts: dict[str, Any], message: str) -> None:
    if "policies-here" not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        new_bucket(s3, "policies-here")
    with pytest.raises(ClientError, match=rf"MalformedPolicy.*{message}"):
        put_policy(s3, "policies-here", statement(**parts))


def test_public_policies_are_blocked_by_default(s3: Any) -> None:
    bucket = new_bucket(s3, "public-here")
    public = statement(Effect="Allow", Action="s3:GetObject", Resource=f"arn:aws:s3:::{bucket}/*")
    with pytest.raises(ClientError, match=r"AccessDenied.*BlockPublicPolicy"):
        put_policy(s3, bucket, public)
    s3.delete_public_access_block(Bucket=bucket)
    put_policy(s3, bucket, public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}


def test_actions_that_differ_from_the_operation() -> None:
    assert action_of("ListObjectsV2") == "s3:ListBucket"
    assert action_of("UploadPart") == "s3:PutObject"
    assert action_of("DeleteObject") == "s3:DeleteObject"


def test_tags_of_a_deleted_bucket_do_not_come_back_with_its_name(s3: Any) -> None:
    """Tags set on creation as well as later ones."""
    location = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(
        Bucket="tagged-twice",
        CreateBucketConfiguration=location | {"Tags": [{"Key": "geopipe:deployment", "Value": "old"}]},
    )
    s3.delete_bucket(Bucket="tagged-twice")
    for _ in range(2):
        s3.create_bucket(Bucket="tagged-twice", CreateBucketConfiguration=location)
        with pytest.raises(ClientError, match="NoSuchTagSet"):
            s3.get_bucket_tagging(Bucket="tagged-twice")
        s3.put_bucket_tagging(Bucket="tagged-twice", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        s3.delete_bucket(Bucket="tagged-twice")


def test_a_bucket_that_cannot_be_deleted_keeps_its_tags(s3: Any) -> None:
    s3.create_bucket(Bucket="full-and-tagged", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_bucket_tagging(Bucket="full-and-tagged", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.put_object(Bucket="full-and-tagged", Key="k", Body=b"")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="full-and-tagged")
    assert s3.get_bucket_tagging(Bucket="full-and-tagged")["TagSet"] == [{"Key": "k", "Value": "v"}]


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("get_bucket_policy", {}, "NoSuchBucketPolicy"),
        ("get_bucket_policy_status", {}, "NoSuchBucketPolicy"),
        ("get_bucket_policy", {"Bucket": "not-there-at-all"}, "NoSuchBucket"),
        ("delete_bucket_policy", {"Bucket": "not-there-at-all"}, "NoSuchBucket"),
        ("get_bucket_tagging", {}, "NoSuchTagSet"),
    ],
)
def test_errors_about_a_bucket_name_it(s3: Any, method: str, arguments: dict[str, str], code: str) -> None:
    name = "named-in-errors"
    if name not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    bucket = arguments.get("Bucket", name)
    with pytest.raises(ClientError) as caught:
        getattr(s3, method)(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["BucketName"] == bucket
