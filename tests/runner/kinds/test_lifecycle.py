"""Every kind: planned, created, kept, deleted, and deleted once more; and who may touch it at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from geopipe_runner.deployment import OWNER_TAG
from geopipe_runner.errors import RefusedError
from geopipe_runner.reconcile import plan
from geopipe_runner.reconcile.model import Action
from geopipe_runner.stages.cleanup import GROUPS
from geopipe_runner.stages.setup import refuse_foreign
from tests.support.drifts import mapping_arn
from tests.support.kinds import THROUGH, Hands, World, samples

MakeWorld = Callable[..., World]

KEYS = [sample.key for sample in samples()]


@pytest.mark.parametrize("key", KEYS)
def test_from_nothing_to_nothing(make_world: MakeWorld, key: str) -> None:
    world = make_world()
    world.apply(world.closure(key))
    world.hands.forget_calls()
    planned = world.step(key)
    assert (planned.action, planned.observed, planned.changes) == (Action.CREATE, None, ())
    assert world.hands.mutating_calls() == {}

    world.apply([key])
    assert world.hands.mutating_calls() != {}
    created = world.step(key)
    assert (created.action, created.changes) == (Action.KEEP, ())
    assert created.observed is not None
    assert created.observed.owner == world.blueprint.deployment.config.deployment

    world.hands.forget_calls()
    world.apply([key])
    assert world.hands.mutating_calls() == {}

    assert world.destroy([key]) == ()
    assert world.observe(key) is None
    resource = world.resource(key)
    resource.kind.delete(world.aws, resource.spec, created.observed)  # gone is fine
    assert world.observe(key) is None


def test_what_create_answers_is_what_is_observed(make_world: MakeWorld) -> None:
    world = make_world()
    created = {resource.key: resource.kind.create(world.aws, resource.spec) for resource in world.blueprint.resources}
    seen = plan.observe(world.aws, world.blueprint.resources)
    assert created == {key: found.identity for key, found in seen.items() if found}


def test_a_whole_deployment_comes_and_goes(make_world: MakeWorld) -> None:
    world = make_world(iam={"scope": "resources"})
    world.hands.forget_calls()
    assert {step.action for step in world.plan()} == {Action.CREATE}
    assert world.hands.mutating_calls() == {}
    world.apply()
    world.hands.forget_calls()
    assert {step.action for step in world.apply()} == {Action.KEEP}
    assert world.hands.mutating_calls() == {}
    assert world.destroy() == ()
    assert left_over(world) == []
    assert {step.action for step in world.plan()} == {Action.CREATE}


def left_over(world: World) -> list[str]:
    """Everything whose name begins with the deployment's."""
    name = world.blueprint.deployment.config.deployment
    client = world.hands.client
    functions = client("lambda")
    found = [
        *(role["RoleName"] for role in client("iam").list_roles()["Roles"]),
        *(policy["PolicyName"] for policy in client("iam").list_policies(Scope="Local")["Policies"]),
        *(url.rpartition("/")[2] for url in client("sqs").list_queues().get("QueueUrls", [])),
        *(bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]),
        *(group["logGroupName"].rpartition("/")[2] for group in client("logs").describe_log_groups()["logGroups"]),
        *(function["FunctionName"] for function in functions.list_functions()["Functions"]),
        *(
            mapping["EventSourceArn"].rpartition(":")[2]
            for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        ),
        *(pipeline["PipelineName"] for pipeline in client("sagemaker").list_pipelines()["PipelineSummaries"]),
    ]
    return [text for text in found if text.startswith(f"{name}-")]


@pytest.mark.parametrize("key", KEYS)
def test_a_resource_of_another_deployment_is_refused(standing: World, key: str) -> None:
    standing.apply([key])
    resource = standing.resource(key)
    tag(standing.hands, resource.kind.name, resource.spec, "another")
    try:
        step = standing.step(key)
        assert (step.action, step.reason) == (Action.REFUSE, "it belongs to the deployment another")
        with pytest.raises(RefusedError, match="do not belong to this deployment"):
            refuse_foreign(standing.plan([key]))
        standing.hands.forget_calls()
        standing.apply([key])
        assert standing.destroy([key]) == ()
        assert standing.hands.mutating_calls() == {}
    finally:
        tag(standing.hands, resource.kind.name, resource.spec, "standing")
    assert standing.step(key).action is Action.KEEP


@pytest.mark.parametrize("key", [key for key in KEYS if key not in THROUGH])
def test_a_resource_without_our_tag_is_refused(standing: World, key: str) -> None:
    standing.apply([key])
    resource = standing.resource(key)
    untag(standing.hands, resource.kind.name, resource.spec)
    try:
        step = standing.step(key)
        assert (step.action, step.reason) == (
            Action.REFUSE,
            f"it has no tag {OWNER_TAG}, so it may belong to someone else",
        )
        standing.hands.forget_calls()
        assert standing.destroy([key]) == ()
        assert standing.hands.mutating_calls() == {}
    finally:
        tag(standing.hands, resource.kind.name, resource.spec, "standing")


@pytest.mark.parametrize("key", THROUGH)
def test_what_lost_its_tag_is_ours_through_what_it_belongs_to(standing: World, key: str) -> None:
    standing.apply()
    resource, owner = standing.resource(key), standing.resource(THROUGH[key])
    untag(standing.hands, resource.kind.name, resource.spec)
    step = standing.step(key)
    assert (step.action, [change.path for change in step.changes]) == (Action.UPDATE, [f"tags.{OWNER_TAG}"])
    tag(standing.hands, owner.kind.name, owner.spec, "another")
    try:
        assert standing.step(key).action is Action.REFUSE
        standing.hands.forget_calls()
        assert standing.destroy([key, owner.key]) == ()
        assert standing.hands.mutating_calls() == {}
    finally:
        tag(standing.hands, owner.kind.name, owner.spec, "standing")
    standing.apply([key])
    assert standing.step(key).action is Action.KEEP


def test_a_log_group_without_a_function_is_foreign(make_world: MakeWorld) -> None:
    world = make_world()
    group = world.resource("log_group").spec
    world.hands.client("logs").create_log_group(logGroupName=group.name)
    assert world.step("log_group").action is Action.REFUSE
    assert world.destroy(["log_group"]) == ()
    assert world.observe("log_group") is not None
    world.hands.client("logs").delete_log_group(logGroupName=group.name)


def test_a_log_group_is_not_confused_with_a_longer_name(make_world: MakeWorld) -> None:
    world = make_world()
    name = world.resource("log_group").spec.name
    logs = world.hands.client("logs")
    logs.create_log_group(logGroupName=f"{name}-other")
    assert world.observe("log_group") is None
    logs.delete_log_group(logGroupName=f"{name}-other")


def test_deleting_a_role_takes_what_others_hung_on_it(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["lambda_role"])
    iam, name = world.hands.client("iam"), world.resource("lambda_role").spec.name
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.put_role_policy(
        RoleName=name, PolicyName="inline", PolicyDocument=f'{{"Version":"2012-10-17","Statement":{_json(statement)}}}'
    )
    iam.create_instance_profile(InstanceProfileName=f"{name}-profile")
    iam.add_role_to_instance_profile(InstanceProfileName=f"{name}-profile", RoleName=name)
    assert world.destroy(["lambda_role"]) == ()
    assert world.observe("lambda_role") is None
    iam.delete_instance_profile(InstanceProfileName=f"{name}-profile")


def test_deleting_a_policy_takes_its_versions_and_detaches_it_everywhere(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["sagemaker_role", "sagemaker_policy"])
    iam, policy = world.hands.client("iam"), world.resource("sagemaker_policy").spec
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.create_policy_version(
        PolicyArn=policy.arn,
        PolicyDocument=f'{{"Version":"2012-10-17","Statement":{_json(statement)}}}',
        SetAsDefault=True,
    )
    trust = world.resource("sagemaker_role").spec.trust
    other = f"{policy.role}-other"
    iam.create_role(RoleName=other, AssumeRolePolicyDocument=_json(trust))
    iam.attach_role_policy(RoleName=other, PolicyArn=policy.arn)
    assert world.destroy(["sagemaker_policy"]) == ()
    assert world.observe("sagemaker_policy") is None
    iam.delete_role(RoleName=other)


def test_roles_given_by_arn_are_used_and_never_touched(make_world: MakeWorld) -> None:
    first = make_world()
    first.apply(["lambda_role", "sagemaker_role", "lambda_policy", "sagemaker_policy"])
    arns = {
        key: str(first.aws.account.iam_arn(f"role{first.resource(key).spec.path}{first.resource(key).name}"))
        for key in ("lambda_role", "sagemaker_role")
    }
    second = make_world(iam=arns)
    kinds = {resource.kind.name for resource in second.blueprint.resources if not resource.is_used}
    assert kinds.isdisjoint({"iam_role", "iam_policy"})
    second.apply()
    actions = {step.key: step.action for step in second.plan()}
    assert {key for key, action in actions.items() if action is Action.USE} == set(arns)
    assert set(actions.values()) == {Action.KEEP, Action.USE}
    assert second.destroy() == ()
    assert first.step("lambda_role").action is Action.KEEP


def test_a_permissions_boundary_is_set_and_kept(make_world: MakeWorld) -> None:
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    world = make_world(iam={"permissions_boundary": boundary})
    world.apply(["lambda_role"])
    name = world.resource("lambda_role").spec.name
    iam = world.hands.client("iam")
    assert iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    iam.delete_role_permissions_boundary(RoleName=name)
    assert [change.path for change in world.step("lambda_role").changes] == ["permissions_boundary"]
    world.apply(["lambda_role"])
    assert world.step("lambda_role").action is Action.KEEP


def test_cleaning_up_one_group_leaves_the_others(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["bucket", "input", "dead_letter_queue", "queue"])
    some = world.some(["bucket", "input", "dead_letter_queue", "queue"])
    seen = plan.observe(world.aws, some.resources)
    made = plan.plan_cleanup(some, seen, ("queue",))
    assert {step.key: step.action for step in made} == {
        "bucket": Action.KEEP,
        "input": Action.KEEP,
        "dead_letter_queue": Action.DELETE,
        "queue": Action.DELETE,
    }
    assert set(GROUPS) >= {"queue", "bucket"}


def tag(hands: Hands, kind: str, spec: Any, owner: str) -> None:
    pairs = [{"Key": OWNER_TAG, "Value": owner}]
    client = hands.client
    {
        "iam_role": lambda: client("iam").tag_role(RoleName=spec.name, Tags=pairs),
        "iam_policy": lambda: client("iam").tag_policy(PolicyArn=spec.arn, Tags=pairs),
        "sqs_queue": lambda: client("sqs").tag_queue(QueueUrl=spec.url, Tags={OWNER_TAG: owner}),
        "s3_bucket": lambda: client("s3").put_bucket_tagging(
            Bucket=spec.name,
            Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in {**spec.tags, OWNER_TAG: owner}.items()]},
        ),
        "log_group": lambda: client("logs").tag_resource(resourceArn=spec.arn, tags={OWNER_TAG: owner}),
        "lambda_function": lambda: client("lambda").tag_resource(
            Resource=_function_arn(hands, spec), Tags={OWNER_TAG: owner}
        ),
        "sagemaker_pipeline": lambda: client("sagemaker").add_tags(ResourceArn=spec.arn, Tags=pairs),
        "s3_object": lambda: _put_input(hands, spec, {METADATA_KEY: owner}),
        "event_source_mapping": lambda: client("lambda").tag_resource(
            Resource=mapping_arn(hands, spec), Tags={OWNER_TAG: owner}
        ),
    }[kind]()


def untag(hands: Hands, kind: str, spec: Any) -> None:
    client = hands.client
    {
        "iam_role": lambda: client("iam").untag_role(RoleName=spec.name, TagKeys=[OWNER_TAG]),
        "iam_policy": lambda: client("iam").untag_policy(PolicyArn=spec.arn, TagKeys=[OWNER_TAG]),
        "sqs_queue": lambda: client("sqs").untag_queue(QueueUrl=spec.url, TagKeys=[OWNER_TAG]),
        "s3_bucket": lambda: client("s3").delete_bucket_tagging(Bucket=spec.name),
        "lambda_function": lambda: client("lambda").untag_resource(
            Resource=_function_arn(hands, spec), TagKeys=[OWNER_TAG]
        ),
        "sagemaker_pipeline": lambda: client("sagemaker").delete_tags(ResourceArn=spec.arn, TagKeys=[OWNER_TAG]),
        "s3_object": lambda: _put_input(hands, spec, {}),
        "event_source_mapping": lambda: client("lambda").untag_resource(
            Resource=mapping_arn(hands, spec), TagKeys=[OWNER_TAG]
        ),
        "log_group": lambda: client("logs").untag_resource(resourceArn=spec.arn, tagKeys=[OWNER_TAG]),
    }[kind]()


METADATA_KEY = OWNER_TAG.replace(":", "-")


def _put_input(hands: Hands, spec: Any, metadata: dict[str, str]) -> None:
    """The input file with other metadata, which is where an object carries our tag."""
    hands.client("s3").put_object(
        Bucket=spec.bucket,
        Key=spec.key,
        Body=spec.path.read_bytes(),
        Metadata=metadata,
        ChecksumAlgorithm="SHA256",
    )


def _function_arn(hands: Hands, spec: Any) -> str:
    return str(hands.client("lambda").get_function(FunctionName=spec.name)["Configuration"]["FunctionArn"])


def _json(value: Any) -> str:
    return json.dumps(value)
