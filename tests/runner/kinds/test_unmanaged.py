"""What we do not manage stays as it is: everything is set by hand, then the resource is adopted and updated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from geopipe_runner.deployment import OWNER_TAG
from geopipe_runner.kinds.registry import KINDS
from geopipe_runner.reconcile import plan as planner
from geopipe_runner.reconcile.blueprint import with_observed_roles
from geopipe_runner.reconcile.model import Action
from tests.support.kinds import World

MakeWorld = Callable[..., World]
Unmanaged = Callable[[World], Any]


def role(world: World) -> Any:
    found = world.hands.client("iam").get_role(RoleName=world.resource("lambda_role").name)["Role"]
    return found["MaxSessionDuration"], {"Key": "theirs", "Value": "stays"} in found["Tags"]


def set_role(world: World) -> None:
    iam, name = world.hands.client("iam"), world.resource("lambda_role").name
    iam.update_role(RoleName=name, MaxSessionDuration=7200, Description="theirs")
    iam.tag_role(RoleName=name, Tags=[{"Key": "theirs", "Value": "stays"}])


def policy(world: World) -> Any:
    iam, arn = world.hands.client("iam"), world.resource("lambda_policy").spec.arn
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    tags = iam.list_policy_tags(PolicyArn=arn)["Tags"]
    return sorted(found["RoleName"] for found in entities["PolicyRoles"]), {"Key": "theirs", "Value": "stays"} in tags


def set_policy(world: World) -> None:
    iam, spec = world.hands.client("iam"), world.resource("lambda_policy").spec
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    iam.create_role(RoleName="another", AssumeRolePolicyDocument=json.dumps(document))
    iam.attach_role_policy(RoleName="another", PolicyArn=spec.arn)
    iam.tag_policy(PolicyArn=spec.arn, Tags=[{"Key": "theirs", "Value": "stays"}])
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.create_policy_version(PolicyArn=spec.arn, PolicyDocument=text, SetAsDefault=True)


def queue(world: World) -> Any:
    sqs, url = world.hands.client("sqs"), world.resource("queue").spec.url
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    tags = sqs.list_queue_tags(QueueUrl=url)["Tags"]
    return [found.get(name) for name in ("ReceiveMessageWaitTimeSeconds", "MaximumMessageSize", "Policy")], tags[
        "theirs"
    ]


def set_queue(world: World) -> None:
    sqs, url = world.hands.client("sqs"), world.resource("queue").spec.url
    attributes = {"ReceiveMessageWaitTimeSeconds": "7", "MaximumMessageSize": "4096", "VisibilityTimeout": "111"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    sqs.tag_queue(QueueUrl=url, Tags={"theirs": "stays"})


def bucket(world: World) -> Any:
    s3, name = world.hands.client("s3"), world.resource("bucket").name
    tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    versioning = s3.get_bucket_versioning(Bucket=name)["Status"]
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    return {"Key": "theirs", "Value": "stays"} in tags, rules, versioning, encryption


def set_bucket(world: World) -> None:
    s3, name = world.hands.client("s3"), world.resource("bucket").name
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "theirs", "Value": "stays"}]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-west-2:210987654321:key/theirs"}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption)
    s3.delete_bucket_policy(Bucket=name)


def function(world: World) -> Any:
    client, name = world.hands.client("lambda"), world.resource("function").name
    found = client.get_function(FunctionName=name)
    names = ("Architectures", "Description", "TracingConfig", "EphemeralStorage", "Layers")
    return {key: found["Configuration"].get(key) for key in names}, found["Tags"]["theirs"]


def set_function(world: World) -> None:
    client, name = world.hands.client("lambda"), world.resource("function").name
    package = world.blueprint.artifacts.packages["function"]
    assert package is not None
    arn = client.update_function_configuration(
        FunctionName=name, Description="theirs", TracingConfig={"Mode": "Active"}, EphemeralStorage={"Size": 1024}
    )["FunctionArn"]
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=package.content, Architectures=["arm64"])
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.update_function_configuration(FunctionName=name, Timeout=99, Environment={"Variables": {}})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.tag_resource(Resource=arn, Tags={"theirs": "stays"})


def mapping(world: World) -> Any:
    client, spec = world.hands.client("lambda"), world.resource("mapping").spec
    (found,) = client.list_event_source_mappings(EventSourceArn=spec.queue_arn)["EventSourceMappings"]
    return (
        found.get("ScalingConfig"),
        found.get("FilterCriteria"),
        client.list_tags(Resource=_mapping_arn(world))["Tags"]["theirs"],
    )


def _mapping_arn(world: World) -> str:
    observed = world.observe("mapping")
    assert observed is not None
    return observed.arn


def set_mapping(world: World) -> None:
    client, spec = world.hands.client("lambda"), world.resource("mapping").spec
    (found,) = client.list_event_source_mappings(EventSourceArn=spec.queue_arn)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=found["UUID"], BatchSize=3, ScalingConfig={"MaximumConcurrency": 5})
    client.tag_resource(Resource=_mapping_arn(world), Tags={"theirs": "stays"})


def log_group(world: World) -> Any:
    logs, arn = world.hands.client("logs"), world.resource("log_group").spec.arn
    return logs.list_tags_for_resource(resourceArn=arn)["tags"]["theirs"]


def set_log_group(world: World) -> None:
    logs, spec = world.hands.client("logs"), world.resource("log_group").spec
    logs.tag_resource(resourceArn=spec.arn, tags={"theirs": "stays"})
    logs.put_retention_policy(logGroupName=spec.name, retentionInDays=1)


def pipeline(world: World) -> Any:
    client, spec = world.hands.client("sagemaker"), world.resource("pipeline").spec
    found = client.describe_pipeline(PipelineName=spec.name)
    tags = client.list_tags(ResourceArn=found["PipelineArn"])["Tags"]
    return found.get("PipelineDisplayName"), {"Key": "theirs", "Value": "stays"} in tags


def set_pipeline(world: World) -> None:
    client, spec = world.hands.client("sagemaker"), world.resource("pipeline").spec
    client.update_pipeline(PipelineName=spec.name, PipelineDisplayName="theirs", PipelineDescription="theirs")
    arn = client.describe_pipeline(PipelineName=spec.name)["PipelineArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "theirs", "Value": "stays"}])


CASES: dict[str, tuple[Callable[[World], None], Unmanaged]] = {
    "lambda_role": (set_role, role),
    "lambda_policy": (set_policy, policy),
    "queue": (set_queue, queue),
    "bucket": (set_bucket, bucket),
    "function": (set_function, function),
    "mapping": (set_mapping, mapping),
    "log_group": (set_log_group, log_group),
    "pipeline": (set_pipeline, pipeline),
}
REPLACED_AS_A_WHOLE = {"s3_object"}


@pytest.mark.parametrize("key", CASES)
def test_it_stays(make_world: MakeWorld, key: str) -> None:
    set_by_hand, read = CASES[key]
    world = make_world()
    world.apply([*world.closure(key), key])
    set_by_hand(world)
    before = read(world)
    step = planner.plan(_foreign(world, key), world.seen(world.some([key])), {key}).step(key)
    assert step is not None and step.changes and step.action is Action.ADOPT, step
    world.apply_plan(planner.plan(_foreign(world, key), world.seen(world.some([key])), {key}))
    assert read(world) == before


def _foreign(world: World, key: str) -> Any:
    """The same resources for another deployment, to which these are foreign."""
    some = world.some([key])
    config = replace(some.deployment.config, deployment="other")
    resources = tuple(
        replace(found, spec=replace(found.spec, tags={**found.spec.tags, OWNER_TAG: "other"}))
        for found in some.resources
    )
    return replace(some, deployment=replace(some.deployment, config=config), resources=resources)


def test_every_kind_is_tried(make_world: MakeWorld) -> None:
    world = make_world()
    assert {world.resource(key).kind.name for key in CASES} | REPLACED_AS_A_WHOLE == {kind.name for kind in KINDS}


# A role that was deleted and created again under its function.


def _planned(world: World) -> Any:
    keys = ["lambda_role", "function"]
    seen = world.seen(world.some(None))
    blueprint = with_observed_roles(world.blueprint, seen)
    return planner.plan(replace(blueprint, resources=tuple(r for r in blueprint.resources if r.key in keys)), seen)


def _recreate(world: World) -> None:
    iam, name = world.hands.client("iam"), world.resource("lambda_role").name
    found = iam.get_role(RoleName=name)["Role"]
    world.destroy(["lambda_policy", "lambda_role"])
    iam.create_role(
        RoleName=name,
        Path=found["Path"],
        Description=found["Description"],
        AssumeRolePolicyDocument=json.dumps(found["AssumeRolePolicyDocument"]),
        Tags=found["Tags"],
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_a_recreated_role_is_seen_and_the_functions_grant_renewed(make_world: MakeWorld, is_there: bool) -> None:
    world = make_world()
    world.apply()
    assert [step.action for step in _planned(world)] == [Action.KEEP, Action.KEEP]
    _recreate(world)
    if not is_there:
        world.destroy(["lambda_role"])
    world.hands.forget_calls()
    step = _planned(world).step("function")
    assert step.action is Action.UPDATE and [change.path for change in step.changes] == ["role_id"]
    world.apply_plan(_planned(world))
    assert world.hands.mutating_calls()["lambda:UpdateFunctionConfiguration"] == 2
    roles = world.hands.client("iam").list_roles(PathPrefix=world.blueprint.deployment.iam_path)["Roles"]
    assert not [found["RoleName"] for found in roles if found["RoleName"].endswith("-renewal")]
    assert [step.action for step in _planned(world)] == [Action.KEEP, Action.KEEP]
