"""Every attribute a kind compares: a change by hand is seen at its path and undone, and then nothing differs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from geopipe_runner.kinds.registry import KINDS
from geopipe_runner.reconcile.model import Action, Plan
from tests.support.drifts import DRIFTS, NOT_BY_HAND, Drift, make_spare_role
from tests.support.kinds import World, samples

COMPARED = [(sample.kind, sample.key, attribute) for sample in samples() for attribute in sample.attributes]
CASES = [
    pytest.param(key, drift, id=f"{key}-{attribute}-{drift.what}")
    for kind, key, attribute in COMPARED
    for drift in DRIFTS.get((kind, attribute), ())
    if drift.holds_for(key)
]


@pytest.fixture(scope="module")
def world(standing: World) -> World:
    make_spare_role(standing.hands, standing.aws.account)
    return standing


def test_every_kind_has_resources() -> None:
    assert {kind for kind, _, _ in COMPARED} == {kind.name for kind in KINDS}


@pytest.mark.parametrize(("kind", "key", "attribute"), COMPARED)
def test_every_compared_attribute_is_drifted_below(kind: str, key: str, attribute: str) -> None:
    if (kind, attribute) in NOT_BY_HAND:
        return
    drifts = [drift for drift in DRIFTS.get((kind, attribute), ()) if drift.holds_for(key)]
    assert drifts, f"{kind} compares {attribute}: add a change by hand to DRIFTS"
    for drift in drifts:
        assert all(path.split(".")[0] == attribute for path in drift.paths)


def test_no_drift_is_of_an_attribute_that_is_not_compared() -> None:
    assert set(DRIFTS) | NOT_BY_HAND == {(kind, attribute) for kind, _, attribute in COMPARED}


@pytest.mark.parametrize(("key", "drift"), CASES)
def test_drift_is_seen_and_undone(world: World, key: str, drift: Drift) -> None:
    world.apply([key])
    drift.make(world.hands, world.resource(key).spec)
    seen = world.step(key)
    assert seen.action is Action.UPDATE
    assert tuple(sorted(change.path for change in seen.changes)) == drift.paths
    world.apply_plan(Plan((seen,)))
    after = world.step(key)
    assert (after.action, after.changes) == (Action.KEEP, ())


def test_writing_tags_of_the_bucket_keeps_other_tags(world: World) -> None:
    bucket = world.resource("bucket").spec
    (drift,) = DRIFTS["s3_bucket", "tags"]
    drift.make(world.hands, bucket)
    world.apply(["bucket"])
    tags = world.hands.client("s3").get_bucket_tagging(Bucket=bucket.name)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {**bucket.tags, "theirs": "stays"}


def test_only_the_calls_the_drift_needs_are_made(world: World) -> None:
    world.apply()
    hands = world.hands
    hands.client("sqs").set_queue_attributes(
        QueueUrl=world.resource("queue").spec.url, Attributes={"DelaySeconds": "9"}
    )
    hands.client("iam").tag_role(
        RoleName=world.resource("lambda_role").spec.name, Tags=[{"Key": "team", "Value": "other"}]
    )
    hands.forget_calls()
    world.apply()
    assert hands.mutating_calls() == {"sqs:SetQueueAttributes": 1, "iam:TagRole": 1}


def test_a_key_of_the_users_own_is_no_drift_and_survives_an_update(world: World) -> None:
    sqs, queue = world.hands.client("sqs"), world.resource("queue").spec
    own_key = {"SqsManagedSseEnabled": "false", "KmsMasterKeyId": "alias/ours"}
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes=own_key)
    assert world.step("queue").action is Action.KEEP
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"DelaySeconds": "9"})
    world.apply(["queue"])
    found = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    assert (found.get("KmsMasterKeyId"), found["DelaySeconds"]) == ("alias/ours", "0")
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""})


def test_a_sixth_version_of_a_policy_finds_room(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.apply([*world.closure("lambda_policy"), "lambda_policy"])
    iam, policy = world.hands.client("iam"), world.resource("lambda_policy").spec
    drift = next(d for d in DRIFTS["iam_policy", "document"] if d.holds_for("lambda_policy"))
    for _ in range(4):
        drift.make(world.hands, policy)
    assert [v["VersionId"] for v in iam.list_policy_versions(PolicyArn=policy.arn)["Versions"]] == [
        "v1",
        "v2",
        "v3",
        "v4",
        "v5",
    ]
    world.apply(["lambda_policy"])
    assert world.step("lambda_policy").action is Action.KEEP
    after = iam.list_policy_versions(PolicyArn=policy.arn)["Versions"]
    assert {v["VersionId"]: v["IsDefaultVersion"] for v in after} == {
        "v2": False,
        "v3": False,
        "v4": False,
        "v5": False,
        "v6": True,
    }
