"""Answers that are lost on the way: botocore makes the call again, and AWS has already done what it asks for.

Here every change is made twice: by a stranger first, with the very same parameters, then by the call itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore
import pytest

from geopipe_runner.aws.clients import is_read
from geopipe_runner.reconcile.model import Action
from tests.support.kinds import World

MakeWorld = Callable[..., World]
SERVICES = ("iam", "sqs", "s3", "logs", "lambda", "sagemaker")


class Twice:
    """Has changes made before they go out: all, or the first `times`."""

    def __init__(self, world: World, times: int | None = None) -> None:
        self.made: list[str] = []
        self._hands = world.hands
        self._times = times
        for service in SERVICES:
            world.aws.client(service).meta.events.register("before-parameter-build", self)

    def __call__(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        if is_read(service, model.name) or len(self.made) == self._times:
            return
        self.made.append(model.name)
        if "Body" in params:
            params["Body"] = params["Body"].read()  # a file can be read only once
        getattr(self._hands.client(service), botocore.xform_name(model.name))(**params)


def test_everything_is_made_and_deleted(make_world: MakeWorld) -> None:
    world = make_world()
    twice = Twice(world)
    world.apply()
    assert {step.key: step.action for step in world.plan()} == dict.fromkeys(world.touched, Action.KEEP)
    assert {"CreateRole", "CreateFunction", "CreatePipeline", "CreateBucket", "PutObject"} <= set(twice.made)
    assert world.destroy() == ()
    assert [key for key in world.touched if world.observe(key)] == []
    assert {"DeleteRole", "DeleteFunction", "DeletePipeline", "DeleteBucket", "DeleteObject"} <= set(twice.made)


def test_what_hangs_on_a_role_is_taken_off_to_the_last(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["lambda_role"])
    iam, role = world.hands.client("iam"), world.resource("lambda_role").name
    for name in ("ReadOnlyAccess", "PowerUserAccess"):
        iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{name}")
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=_NOTHING)
        iam.create_instance_profile(InstanceProfileName=f"{role}-{name}")
    iam.add_role_to_instance_profile(InstanceProfileName=f"{role}-ReadOnlyAccess", RoleName=role)
    Twice(world)
    assert world.destroy(["lambda_role"]) == ()
    assert world.observe("lambda_role") is None


def test_older_versions_of_a_policy_go_to_the_last(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["lambda_role", "lambda_policy"])
    _write_versions(world, 3)
    Twice(world)
    assert world.destroy(["lambda_policy"]) == ()
    assert world.observe("lambda_policy") is None


@pytest.mark.parametrize("more", [1, 2, 3, 4])
def test_there_is_room_for_two_more_versions_of_a_policy(make_world: MakeWorld, more: int) -> None:
    world = make_world()
    world.apply(["lambda_role", "lambda_policy"])
    _write_versions(world, more)
    twice = Twice(world, times=2)
    world.apply(["lambda_policy"])
    assert "CreatePolicyVersion" in twice.made
    assert world.step("lambda_policy").action is Action.KEEP


def test_unfinished_uploads_are_ended_to_the_last(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["bucket"])
    s3, bucket = world.hands.client("s3"), world.resource("bucket").name
    for key in ("input/one", "input/two"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    s3.put_object(Bucket=bucket, Key="input/three", Body=b"3")
    Twice(world)
    assert world.destroy(["bucket"]) == ()
    assert world.observe("bucket") is None


_NOTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'


def _write_versions(world: World, count: int) -> None:
    iam, arn = world.hands.client("iam"), world.resource("lambda_policy").spec.arn
    for _ in range(count):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=_NOTHING, SetAsDefault=True)
