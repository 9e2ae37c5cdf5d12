"""Calls that AWS refuses for a moment, because an earlier change has not spread yet, are repeated and succeed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_runner.aws.clients import Aws
from geopipe_runner.aws.errors import translated
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.errors import AwsError, RefusedError
from geopipe_runner.kinds.base import Observed
from geopipe_runner.reconcile.apply import ApplyFailed
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from tests.support.kinds import Hurried, World
from tests.support.runner_fakes import FakeTime, config, deployment

MakeWorld = Callable[..., World]
REFUSALS = 2


@dataclass
class Refusing:
    """Answers an operation with an error a few times before it goes out."""

    code: str
    message: str
    left: int = REFUSALS
    asked: int = 0

    def __call__(self, model: Any, **_: Any) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": self.message}}, model.name)


def refuse(aws: Aws, service: str, operation: str, code: str, message: str = "no", times: int = REFUSALS) -> Refusing:
    refusing = Refusing(code, message, times)
    aws.client(service).meta.events.register(f"before-call.{service}.{operation}", refusing)
    return refusing


NO_DEAD_LETTERS = "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
NOT_UNIQUE = "Pipeline names must be unique within an AWS account and region. Pipeline with name (X) already exists."
ATTACHED = "Cannot delete a policy attached to entities."
BUSY = "A conflicting conditional operation is currently in progress against this resource."
CREATED = [
    ("lambda_policy", "iam", "AttachRolePolicy", "NoSuchEntity", "The role with name X cannot be found."),
    ("bucket", "s3", "CreateBucket", "OperationAborted", BUSY),
    ("bucket", "s3", "PutPublicAccessBlock", "NoSuchBucket", "The specified bucket does not exist"),
    ("bucket", "s3", "PutPublicAccessBlock", "OperationAborted", BUSY),
    ("bucket", "s3", "PutBucketPolicy", "NoSuchBucket", "The specified bucket does not exist"),
    ("bucket", "s3", "PutBucketPolicy", "OperationAborted", BUSY),
    ("input", "s3", "PutObject", "NoSuchBucket", "The specified bucket does not exist"),
    ("queue", "sqs", "CreateQueue", "InvalidParameterValue", NO_DEAD_LETTERS),
    ("queue", "sqs", "CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds"),
    ("pipeline", "sagemaker", "CreatePipeline", "ValidationException", NOT_UNIQUE),
]
DELETED = [
    ("lambda_role", "iam", "DeleteRole", "DeleteConflict", "Cannot delete entity, must detach all policies first."),
    ("lambda_policy", "iam", "DeletePolicy", "DeleteConflict", ATTACHED),
    ("pipeline", "sagemaker", "DeletePipeline", "ConflictException", "An execution is running"),
]


@pytest.mark.parametrize(("key", "service", "operation", "code", "message"), CREATED)
def test_the_resource_is_created_in_the_end(
    make_world: MakeWorld, key: str, service: str, operation: str, code: str, message: str
) -> None:
    world = make_world()
    world.apply(world.closure(key))
    refusing = refuse(world.aws, service, operation, code, message)
    world.apply([key])
    assert refusing.asked == REFUSALS + 1
    assert world.step(key).action is Action.KEEP


@pytest.mark.parametrize(("key", "service", "operation", "code", "message"), DELETED)
def test_the_resource_is_deleted_in_the_end(
    make_world: MakeWorld, key: str, service: str, operation: str, code: str, message: str
) -> None:
    world = make_world()
    world.apply([*world.closure(key), key])
    refusing = refuse(world.aws, service, operation, code, message)
    assert world.destroy([key]) == ()
    assert refusing.asked == REFUSALS + 1
    assert world.observe(key) is None


@pytest.mark.parametrize(("key", "service", "operation", "code", "message"), CREATED)
def test_another_refusal_is_not_repeated(
    make_world: MakeWorld, key: str, service: str, operation: str, code: str, message: str
) -> None:
    world = make_world()
    world.apply(world.closure(key))
    refusing = refuse(world.aws, service, operation, "AccessDenied")
    with pytest.raises(ApplyFailed, match=f"{operation} failed: AccessDenied"):
        world.apply([key])
    assert refusing.asked == 1


# What is on its way out


class SlowMapping:
    """Lambda with a mapping that is being deleted, seen a few more times before it no longer exists."""

    def __init__(self, queue_arn: str) -> None:
        self.views = 4
        self.created = 0
        self._old = {"UUID": "old", "State": "Deleting", "EventSourceArn": queue_arn}

    def get_paginator(self, _operation: str) -> Any:
        pages = [{"EventSourceMappings": [self._old] if self.views else []}]
        return SimpleNamespace(paginate=lambda **_: pages)

    def get_event_source_mapping(self, UUID: str) -> dict[str, str]:  # noqa: N803
        if UUID == "new":
            return {"State": "Enabled"}
        self.views -= 1
        if not self.views:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetEventSourceMapping")
        return {"State": "Deleting"}

    def create_event_source_mapping(self, **_: Any) -> dict[str, str]:
        self.created += 1
        if self.views:
            raise ClientError({"Error": {"Code": "ResourceConflictException"}}, "CreateEventSourceMapping")
        return {"UUID": "new"}


def test_a_mapping_that_is_being_deleted_is_awaited(make_world: MakeWorld) -> None:
    mapping = make_world().resource("mapping")
    slow = SlowMapping(mapping.spec.queue_arn)
    retrier = Retrier(lambda _text: None, time=Hurried())
    aws: Any = SimpleNamespace(client=lambda _service: slow, retrier=retrier, read_once=lambda _what, read: read())
    assert mapping.kind.observe(aws, mapping.spec) is None
    assert mapping.kind.create(aws, mapping.spec) == "new"
    assert (slow.created, slow.views) == (2, 0)


def test_a_mapping_that_exists_is_no_reason_to_wait(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply([*world.closure("mapping"), "mapping"])
    mapping = world.resource("mapping")
    with pytest.raises(ClientError, match="already exists"):
        mapping.kind.create(world.aws, mapping.spec)


def test_a_queue_is_missing_when_either_read_says_so(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["dead_letter_queue"])
    gone = "AWS.SimpleQueueService.NonExistentQueue"
    for operation in ("ListQueueTags", "GetQueueAttributes"):
        refuse(world.aws, "sqs", operation, gone, times=1)
        assert world.step("dead_letter_queue").action is Action.CREATE
    assert world.step("dead_letter_queue").action is Action.KEEP


def test_a_queue_that_turns_out_to_be_missing_is_created(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["dead_letter_queue"])
    sqs, queue = world.hands.client("sqs"), world.resource("dead_letter_queue").spec
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"DelaySeconds": "9"})
    planned = world.plan(["dead_letter_queue"])
    sqs.delete_queue(QueueUrl=queue.url)
    world.apply_plan(planned)
    assert world.step("dead_letter_queue").action is Action.KEEP


def test_a_pipeline_that_is_being_deleted_is_gone_and_waited_for(make_world: MakeWorld) -> None:
    """Seen through a client that adds the status to responses, since the emulator deletes immediately."""
    world = make_world()
    world.apply([*world.closure("pipeline"), "pipeline"])
    deleting = {"left": 3}

    def put_status(parsed: dict[str, Any], **_: Any) -> None:
        if deleting["left"] and "PipelineName" in parsed:
            deleting["left"] -= 1
            parsed["PipelineStatus"] = "Deleting"

    events = world.aws.client("sagemaker").meta.events
    events.register("after-call.sagemaker.DescribePipeline", put_status)
    assert world.observe("pipeline") is None
    deleting["left"] = 0
    step = world.step("pipeline")
    assert step.action is Action.KEEP

    states: list[str] = []

    def still_there(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        states.append("gone" if "Error" in parsed else "there")

    events.register("after-call.sagemaker.DescribePipeline", still_there)
    assert world.destroy(["pipeline"]) == ()
    assert states[-1] == "gone"


def set_state(parsed: dict[str, Any], state: str) -> None:
    """In either of Lambda's responses."""
    for found in (*parsed.get("EventSourceMappings", ()), parsed.get("Configuration", parsed)):
        found["State"] = state


@pytest.mark.parametrize(("key", "state"), [("function", "Pending"), ("mapping", "Creating")])
def test_what_is_still_being_made_is_as_it_should_be_and_waited_for(
    make_world: MakeWorld, key: str, state: str
) -> None:
    """As after a run that was killed, or a response that was lost."""
    world = make_world()
    world.apply([*world.closure(key), key])
    views = {"left": 4}

    def still(parsed: dict[str, Any], **_: Any) -> None:
        if views["left"]:
            views["left"] -= 1
            set_state(parsed, state)

    for operation in ("GetFunction", "GetFunctionConfiguration", "ListEventSourceMappings", "GetEventSourceMapping"):
        world.aws.client("lambda").meta.events.register(f"after-call.lambda.{operation}", still)
    made = world.plan([key])
    assert [step.action for step in made] == [Action.KEEP]
    assert views["left"] > 0
    world.apply_plan(made)
    assert views["left"] == 0


# Who else has it, and who may not see it


def test_a_policy_is_taken_from_users_and_groups_too(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply([*world.closure("lambda_policy"), "lambda_policy"])
    iam, policy = world.hands.client("iam"), world.resource("lambda_policy").spec
    iam.create_user(UserName=f"{policy.role}-user")
    iam.create_group(GroupName=f"{policy.role}-group")
    iam.attach_user_policy(UserName=f"{policy.role}-user", PolicyArn=policy.arn)
    iam.attach_group_policy(GroupName=f"{policy.role}-group", PolicyArn=policy.arn)
    assert world.destroy(["lambda_policy"]) == ()
    assert world.observe("lambda_policy") is None
    iam.delete_user(UserName=f"{policy.role}-user")
    iam.delete_group(GroupName=f"{policy.role}-group")


def test_two_deployments_may_have_policies_for_roles_of_like_names(make_world: MakeWorld) -> None:
    world = make_world()
    name = world.resource("lambda_policy").name
    assert name == f"{world.resource('lambda_role').name}-{world.blueprint.deployment.config.deployment}"
    assert len(name) <= 128


def test_a_narrowed_policy_names_the_pipeline_in_both_spellings(make_world: MakeWorld) -> None:
    world = make_world(iam={"scope": "resources"}, pipeline={"name": "My-Pipeline"})
    statements = world.resource("lambda_policy").spec.document["Statement"]
    (callbacks,) = [found for found in statements if "sagemaker:SendPipelineExecutionStepSuccess" in found["Action"]]
    arns = [world.aws.account.arn("sagemaker", f"pipeline/{name}") for name in ("My-Pipeline", "my-pipeline")]
    assert callbacks["Resource"] == [f"{arn}{end}" for arn in arns for end in ("", "/*")]
    lower = make_world(iam={"scope": "resources"}).resource("lambda_policy").spec.document
    assert len(lower["Statement"][3]["Resource"]) == 2


def test_a_policy_of_that_name_in_another_path_is_refused(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply(["lambda_role"])
    iam, policy = world.hands.client("iam"), world.resource("lambda_policy")
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    theirs = iam.create_policy(PolicyName=policy.name, PolicyDocument=document)["Policy"]["Arn"]
    with pytest.raises(RefusedError, match="under another path"):
        policy.kind.create(world.aws, policy.spec)
    iam.delete_policy(PolicyArn=theirs)


READS = [
    ("lambda_role", "iam", "GetRole"),
    ("lambda_policy", "iam", "GetPolicyVersion"),
    ("lambda_policy", "iam", "ListEntitiesForPolicy"),
    ("queue", "sqs", "GetQueueAttributes"),
    ("queue", "sqs", "ListQueueTags"),
    ("bucket", "s3", "GetBucketTagging"),
    ("bucket", "s3", "GetBucketPolicy"),
    ("input", "s3", "HeadObject"),
    ("log_group", "logs", "ListTagsForResource"),
    ("function", "lambda", "GetFunction"),
    ("mapping", "lambda", "ListTags"),
    ("pipeline", "sagemaker", "ListTags"),
]


@pytest.mark.parametrize(("key", "service", "operation"), READS)
def test_a_read_that_is_not_allowed_is_named(standing: World, key: str, service: str, operation: str) -> None:
    standing.apply()
    refuse(standing.aws, service, operation, "AccessDenied", f"not authorized to perform: {service}:{operation}", 1)
    denied = f"{operation} failed: AccessDenied: not authorized to perform"
    with pytest.raises(AwsError, match=denied) as caught, translated():
        standing.plan()
    assert f"{operation} must be allowed" in caught.value.hint
    assert standing.step(key).action is Action.KEEP


def test_each_failure_says_what_to_try(make_world: MakeWorld) -> None:
    world = make_world()
    bucket = world.resource("bucket")
    refuse(world.aws, "s3", "CreateBucket", "BucketAlreadyExists")
    with pytest.raises(ApplyFailed, match=r"belongs to another account.*Choose another `bucket.name`"):
        world.apply_plan(Plan((PlannedChange(bucket, Action.CREATE),)))


# A bucket's name that is not free yet, and mappings that need long.


def test_a_bucket_name_is_waited_for_and_the_way_out_named(make_world: MakeWorld) -> None:
    world = make_world(bucket={"name_timeout": 0})
    refuse(world.aws, "s3", "CreateBucket", "OperationAborted", BUSY, times=99)
    with pytest.raises(ApplyFailed, match=r"not free after 0 s.*choose another `bucket.name`, or raise") as caught:
        world.apply(["bucket"])
    assert "S3 needs up to an hour" in str(caught.value)


def test_each_bucket_wait_lasts_as_long_as_configured() -> None:
    busy = ClientError({"Error": {"Code": "OperationAborted", "Message": BUSY}}, "CreateBucket")
    time = FakeTime()
    said: list[str] = []

    def refuse_always(**_: Any) -> None:
        raise busy

    aws: Any = SimpleNamespace(
        client=lambda _service: SimpleNamespace(create_bucket=refuse_always),
        retrier=Retrier(said.append, time=time),
    )
    resources = build_blueprint(deployment(config(bucket={"name_timeout": 700.0}))).resources
    bucket = next(resource for resource in resources if resource.key == "bucket")
    started = time.clock()
    with pytest.raises(AwsError, match="after 700 s"):
        bucket.kind.create(aws, bucket.spec)
    assert 700 <= time.clock() - started < 740
    assert said == [
        "Waiting up to 700 s: S3 is still busy with the name of this bucket, which was deleted a short while ago."
    ]


@pytest.mark.parametrize(("state", "verb", "seconds"), [("Creating", "ready", 600), ("Deleting", "delete", 300)])
def test_a_mapping_is_waited_for_as_long_as_terraform_does(state: str, verb: str, seconds: int) -> None:
    mapping = next(r for r in build_blueprint(deployment()).resources if r.key == "mapping")
    states = {"ready": lambda: state, "delete": lambda: next(deleting)}
    deleting = chain(["Enabled"], repeat("Deleting"))
    client = SimpleNamespace(
        get_event_source_mapping=lambda **_: {"State": states[verb]()}, delete_event_source_mapping=lambda **_: None
    )
    time = FakeTime()
    aws: Any = SimpleNamespace(client=lambda _service: client, retrier=Retrier(lambda _text: None, time=time))
    observed = Observed("uuid", {}, {})
    started = time.clock()
    with pytest.raises(AwsError, match=f"is still {state} after {seconds} s"):
        if verb == "ready":
            mapping.kind.wait_until_ready(aws, mapping.spec, observed)
        else:
            mapping.kind.delete(aws, mapping.spec, observed)
    assert seconds <= time.clock() - started < seconds + 10
