"""A file that is too large for one PutObject goes up in parts, and is compared by its whole content all the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_runner.aws import upload
from geopipe_runner.aws.upload import FilePart, stored_sha256
from geopipe_runner.reconcile.model import Action
from tests.support.kinds import World

MakeWorld = Callable[..., World]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def world(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(upload, "LARGEST_PUT", 9 * MEBIBYTE)
    monkeypatch.setattr(upload, "PART_SIZE", 5 * MEBIBYTE)
    world = make_world()
    world.apply(["bucket"])
    return world


def write_input(world: World, size: int) -> bytes:
    content = b"Longitude,Latitude\n" + os.urandom(size)
    Path(world.resource("input").spec.path).write_bytes(content)
    return content


def test_a_large_file_is_uploaded_in_parts_with_progress(world: World) -> None:
    content = write_input(world, 11 * MEBIBYTE)
    seen: list[tuple[str, int, int]] = []
    world.aws.progress = lambda *event: seen.append(event)
    world.apply(["input"])
    spec = world.resource("input").spec
    s3 = world.hands.client("s3")
    assert s3.get_object(Bucket=spec.bucket, Key=spec.key)["Body"].read() == content
    assert seen[0] == (f"Uploading {spec.path.name}", 0, len(content))
    assert seen[-1] == (f"Uploading {spec.path.name}", len(content), len(content))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen) and len(seen) == 4
    assert world.step("input").action is Action.KEEP


def test_a_changed_large_file_is_uploaded_again(world: World) -> None:
    write_input(world, 11 * MEBIBYTE)
    world.apply(["input"])
    content = write_input(world, 10 * MEBIBYTE)
    assert world.step("input").action is Action.UPDATE
    world.apply(["input"])
    spec = world.resource("input").spec
    assert world.hands.client("s3").get_object(Bucket=spec.bucket, Key=spec.key)["Body"].read() == content
    assert world.step("input").action is Action.KEEP


def test_an_upload_that_fails_leaves_no_parts_behind(world: World) -> None:
    write_input(world, 11 * MEBIBYTE)

    def refuse(model: Any, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, model.name)

    s3 = world.aws.client("s3")
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", refuse)
    resource = world.resource("input")
    with pytest.raises(ClientError, match="AccessDenied"):
        resource.kind.create(world.aws, resource.spec)
    assert world.hands.client("s3").list_multipart_uploads(Bucket=resource.spec.bucket).get("Uploads", []) == []
    s3.meta.events.unregister("before-call.s3.CompleteMultipartUpload", refuse)


def test_a_huge_file_has_ten_thousand_parts_at_most(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(upload, "MAX_PARTS", 2)
    write_input(world, 15 * MEBIBYTE)
    world.apply(["input"])
    spec = world.resource("input").spec
    head = world.hands.client("s3").head_object(Bucket=spec.bucket, Key=spec.key)
    assert head["ETag"].endswith('-2"')


def test_a_part_reads_like_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    with FilePart(path, 4, 3) as part, FilePart(path, 8, 3) as last:
        assert (len(part), part.read(2), part.read(), part.read()) == (3, b"45", b"6", b"")
        assert (part.seek(1), part.read(None), part.tell(), part.seek(-2, 2), part.seekable()) == (1, b"56", 3, 1, True)
        assert (len(last), last.read(99)) == (2, b"89")


@pytest.mark.parametrize(
    ("head", "sha256"),
    [
        ({"ETag": '"0a"', "ChecksumSHA256": "abc=", "Metadata": {"geopipe-sha256": "old="}}, "abc="),
        ({"ETag": '"0a-3"', "ChecksumSHA256": "abc=-3", "Metadata": {"geopipe-sha256": "own="}}, "own="),
        ({"ETag": '"0a-3"', "ChecksumSHA256": "abc=-3", "Metadata": {}}, None),
        ({"ETag": '"0a"', "Metadata": {"geopipe-sha256": "own="}}, None),
    ],
)
def test_the_hash_of_an_object(head: dict[str, Any], sha256: str | None) -> None:
    assert stored_sha256(head) == sha256
