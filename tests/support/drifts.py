"""What people and programs change behind our back: for each kind and compared attribute, by hand, through the API."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geopipe_runner.aws.account import Account
from geopipe_runner.deployment import OWNER_TAG
from tests.support.kinds import Hands

Make = Callable[[Hands, Any], object]


@dataclass(frozen=True)
class Drift:
    """A change by hand, and the paths at which the plan must show it. `keys`: only for these resources."""

    what: str
    paths: tuple[str, ...]
    make: Make
    keys: tuple[str, ...] = ()

    def holds_for(self, key: str) -> bool:
        return not self.keys or key in self.keys


def spare_role(account: Account) -> str:
    return account.iam_arn("role/spare")


def make_spare_role(hands: Hands, account: Account) -> str:
    """A role that both the function and the pipeline could have."""
    iam = hands.client("iam")
    services = ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": services}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="spare", AssumeRolePolicyDocument=trust)
    return spare_role(account)


def _role_arn(hands: Hands) -> str:
    return str(hands.client("iam").get_role(RoleName="spare")["Role"]["Arn"])


# IAM roles


def _trust(hands: Hands, spec: Any) -> None:
    trust = copy.deepcopy(dict(spec.trust))
    trust["Statement"][0]["Principal"]["Service"] = ["lambda.amazonaws.com", "ec2.amazonaws.com"]
    hands.client("iam").update_assume_role_policy(RoleName=spec.name, PolicyDocument=json.dumps(trust))


def _role_tags(hands: Hands, spec: Any) -> None:
    hands.client("iam").tag_role(RoleName=spec.name, Tags=[{"Key": "team", "Value": "other"}])


def _role_untag(hands: Hands, spec: Any) -> None:
    hands.client("iam").untag_role(RoleName=spec.name, TagKeys=["team"])


def _boundary(hands: Hands, spec: Any) -> None:
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    hands.client("iam").put_role_permissions_boundary(RoleName=spec.name, PermissionsBoundary=boundary)


# IAM policies


def _policy_resource(action: str) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        policy = copy.deepcopy(dict(spec.document))
        statement = next(s for s in policy["Statement"] if s["Action"] == [action])
        statement["Resource"] = "arn:aws:s3:::somewhere-else"
        _new_version(hands, spec, policy)

    return make


def _new_version(hands: Hands, spec: Any, policy: dict[str, Any]) -> None:
    iam = hands.client("iam")
    older = [
        v["VersionId"] for v in iam.list_policy_versions(PolicyArn=spec.arn)["Versions"] if not v["IsDefaultVersion"]
    ]
    if len(older) == 4:
        iam.delete_policy_version(PolicyArn=spec.arn, VersionId=older[0])
    iam.create_policy_version(PolicyArn=spec.arn, PolicyDocument=json.dumps(policy), SetAsDefault=True)


def _policy_without_additions(hands: Hands, spec: Any) -> None:
    policy = {**spec.document, "Statement": list(spec.document["Statement"])[:-1]}
    _new_version(hands, spec, policy)


def _detach(hands: Hands, spec: Any) -> None:
    hands.client("iam").detach_role_policy(RoleName=spec.role, PolicyArn=spec.arn)


def _policy_tags(hands: Hands, spec: Any) -> None:
    hands.client("iam").tag_policy(PolicyArn=spec.arn, Tags=[{"Key": "team", "Value": "other"}])


# Queues


def _queue(**attributes: str) -> Make:
    return lambda hands, spec: hands.client("sqs").set_queue_attributes(QueueUrl=spec.url, Attributes=attributes)


def _receives(hands: Hands, spec: Any) -> None:
    policy = {"deadLetterTargetArn": spec.redrive.dead_letter_arn, "maxReceiveCount": "3"}
    _queue(RedrivePolicy=json.dumps(policy))(hands, spec)


def _redrive_into_spare(hands: Hands, spec: Any) -> None:
    sqs = hands.client("sqs")
    url = sqs.create_queue(QueueName="spare")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    _queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3}))(hands, spec)


def _queue_tags(hands: Hands, spec: Any) -> None:
    hands.client("sqs").tag_queue(QueueUrl=spec.url, Tags={"team": "other"})


def _queue_untag(hands: Hands, spec: Any) -> None:
    hands.client("sqs").untag_queue(QueueUrl=spec.url, TagKeys=["team"])


# Buckets


def _block(**flags: bool) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        configuration = {**dict.fromkeys(names, True), **flags}
        hands.client("s3").put_public_access_block(Bucket=spec.name, PublicAccessBlockConfiguration=configuration)

    return make


def _no_block(hands: Hands, spec: Any) -> None:
    hands.client("s3").delete_public_access_block(Bucket=spec.name)


def _bucket_policy(hands: Hands, spec: Any) -> None:
    policy = copy.deepcopy(dict(spec.policy))
    policy["Statement"][0]["Resource"] = f"arn:aws:s3:::{spec.name}"
    hands.client("s3").put_bucket_policy(Bucket=spec.name, Policy=json.dumps(policy))


def _no_bucket_policy(hands: Hands, spec: Any) -> None:
    hands.client("s3").delete_bucket_policy(Bucket=spec.name)


def _no_encryption(hands: Hands, spec: Any) -> None:
    hands.client("s3").delete_bucket_encryption(Bucket=spec.name)


def _bucket_tags(hands: Hands, spec: Any) -> None:
    tags = {**spec.tags, "team": "other", "theirs": "stays"}
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    hands.client("s3").put_bucket_tagging(Bucket=spec.name, Tagging={"TagSet": tag_set})


# The input file


def _put(body: bytes | None = None, tagged: bool = True, **options: Any) -> Make:
    """The object once more, with these differences."""

    def make(hands: Hands, spec: Any) -> None:
        s3 = hands.client("s3")
        metadata = s3.head_object(Bucket=spec.bucket, Key=spec.key)["Metadata"] if tagged else {}
        content = spec.path.read_bytes() if body is None else body
        s3.put_object(Bucket=spec.bucket, Key=spec.key, Body=content, Metadata=metadata, **options)

    return make


# Log groups


def _retention(hands: Hands, spec: Any) -> None:
    hands.client("logs").put_retention_policy(logGroupName=spec.name, retentionInDays=1)


def _no_retention(hands: Hands, spec: Any) -> None:
    hands.client("logs").delete_retention_policy(logGroupName=spec.name)


def _log_tags(hands: Hands, spec: Any) -> None:
    hands.client("logs").tag_resource(resourceArn=spec.arn, tags={"team": "other"})


# The function


def _await_function(hands: Hands, name: str) -> None:
    hands.client("lambda").get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.01, "MaxAttempts": 1000}
    )


def _code(hands: Hands, spec: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def lambda_handler(event, context):\n    return 1\n")
    hands.client("lambda").update_function_code(FunctionName=spec.name, ZipFile=content.getvalue())
    _await_function(hands, spec.name)


def _function(**configuration: Any) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        hands.client("lambda").update_function_configuration(FunctionName=spec.name, **configuration)
        _await_function(hands, spec.name)

    return make


def _function_role(hands: Hands, spec: Any) -> None:
    _function(Role=_role_arn(hands))(hands, spec)


def _environment(change: Callable[[dict[str, str]], object]) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        variables = dict(spec.environment)
        change(variables)
        _function(Environment={"Variables": variables})(hands, spec)

    return make


def _function_tags(hands: Hands, spec: Any) -> None:
    client = hands.client("lambda")
    arn = client.get_function(FunctionName=spec.name)["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"team": "other"})


# Mappings


def _mapping(**settings: Any) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        client = hands.client("lambda")
        listing = client.list_event_source_mappings(EventSourceArn=spec.queue_arn, FunctionName=spec.function)
        uuid = listing["EventSourceMappings"][0]["UUID"]
        while client.get_event_source_mapping(UUID=uuid)["State"] not in ("Enabled", "Disabled"):
            """An earlier change is being made."""
        client.update_event_source_mapping(UUID=uuid, **settings)

    return make


def mapping_arn(hands: Hands, spec: Any) -> str:
    client = hands.client("lambda")
    listing = client.list_event_source_mappings(EventSourceArn=spec.queue_arn, FunctionName=spec.function)
    return str(listing["EventSourceMappings"][0]["EventSourceMappingArn"])


def _mapping_tags(hands: Hands, spec: Any) -> None:
    hands.client("lambda").tag_resource(Resource=mapping_arn(hands, spec), Tags={"team": "other"})


# The pipeline


def _definition(change: Callable[[dict[str, Any]], object]) -> Make:
    def make(hands: Hands, spec: Any) -> None:
        definition = copy.deepcopy(dict(spec.definition))
        change(definition)
        hands.client("sagemaker").update_pipeline(PipelineName=spec.name, PipelineDefinition=json.dumps(definition))

    return make


def _constant_region(definition: dict[str, Any]) -> None:
    definition["Steps"][2]["Arguments"]["region"] = "us-west-2"


def _one_parameter_more(definition: dict[str, Any]) -> None:
    definition["Parameters"].append({"Name": "more", "Type": "String", "DefaultValue": ""})


def _pipeline_role(hands: Hands, spec: Any) -> None:
    hands.client("sagemaker").update_pipeline(PipelineName=spec.name, RoleArn=_role_arn(hands))


def _pipeline_description(hands: Hands, spec: Any) -> None:
    hands.client("sagemaker").update_pipeline(PipelineName=spec.name, PipelineDescription="other")


def _pipeline_tags(hands: Hands, spec: Any) -> None:
    hands.client("sagemaker").add_tags(ResourceArn=spec.arn, Tags=[{"Key": "team", "Value": "other"}])


_BLOCK = tuple(
    f"public_access_block.{name}"
    for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
)
_PASS_ROLE = "document.Statement.Allow iam:PassRole.Resource"
_INVOKE = "document.Statement.Allow lambda:InvokeFunction.Resource"
_ADDED = "document.Statement.Allow sagemaker-geospatial:ListVectorEnrichmentJobs"
_GET = "document.Statement.Allow sagemaker-geospatial:GetVectorEnrichmentJob"
_TRUST = "trust_policy.Statement.Allow sts:AssumeRole.Principal.Service"

NOT_BY_HAND = {("lambda_function", "state")}
"""What only AWS itself can change; test_function_state.py answers in its place."""

DRIFTS: dict[tuple[str, str], tuple[Drift, ...]] = {
    ("iam_role", "trust_policy"): (Drift("other services", (_TRUST,), _trust),),
    ("iam_role", "description"): (
        Drift(
            "other text",
            ("description",),
            lambda hands, spec: hands.client("iam").update_role(RoleName=spec.name, Description="other"),
        ),
    ),
    ("iam_role", "permissions_boundary"): (Drift("one set", ("permissions_boundary",), _boundary),),
    ("iam_role", "tags"): (
        Drift("other value", ("tags.team",), _role_tags),
        Drift("removed", ("tags.team",), _role_untag),
    ),
    ("iam_policy", "document"): (
        Drift("other resource", (_PASS_ROLE,), _policy_resource("iam:PassRole"), ("lambda_policy",)),
        Drift("other resource", (_INVOKE,), _policy_resource("lambda:InvokeFunction"), ("sagemaker_policy",)),
        Drift("statement removed", (_ADDED,), _policy_without_additions, ("lambda_policy",)),
        Drift("statement removed", (_GET,), _policy_without_additions, ("sagemaker_policy",)),
    ),
    ("iam_policy", "attached_to"): (Drift("detached", ("attached_to",), _detach),),
    ("iam_policy", "tags"): (Drift("other value", ("tags.team",), _policy_tags),),
    ("sqs_queue", "visibility_timeout"): (Drift("shorter", ("visibility_timeout",), _queue(VisibilityTimeout="200")),),
    ("sqs_queue", "message_retention"): (
        Drift("shorter", ("message_retention",), _queue(MessageRetentionPeriod="3600")),
    ),
    ("sqs_queue", "delay"): (Drift("some", ("delay",), _queue(DelaySeconds="5")),),
    ("sqs_queue", "redrive_policy"): (
        Drift("fewer receives", ("redrive_policy.max_receive_count",), _receives, ("queue",)),
        Drift("none", ("redrive_policy",), _queue(RedrivePolicy=""), ("queue",)),
        Drift("one", ("redrive_policy",), _redrive_into_spare, ("dead_letter_queue",)),
    ),
    ("sqs_queue", "encrypted"): (Drift("switched off", ("encrypted",), _queue(SqsManagedSseEnabled="false")),),
    ("sqs_queue", "tags"): (
        Drift("other value", ("tags.team",), _queue_tags),
        Drift("removed", ("tags.team",), _queue_untag),
    ),
    ("s3_bucket", "public_access_block"): (
        Drift("one open", ("public_access_block.BlockPublicAcls",), _block(BlockPublicAcls=False)),
        Drift("none", _BLOCK, _no_block),
    ),
    ("s3_bucket", "policy"): (
        Drift("narrower", ("policy.Statement.Deny s3:*.Resource",), _bucket_policy),
        Drift("none", ("policy.Statement", "policy.Version"), _no_bucket_policy),
    ),
    ("s3_bucket", "encrypted"): (Drift("removed", ("encrypted",), _no_encryption),),
    ("s3_bucket", "tags"): (Drift("other value", ("tags.team",), _bucket_tags),),
    ("s3_object", "sha256"): (
        Drift("other content", ("sha256",), _put(b"other", ChecksumAlgorithm="SHA256")),
        Drift("unknown content", ("sha256",), _put()),
    ),
    ("s3_object", "tags"): (
        Drift("put by another owner", (f"tags.{OWNER_TAG}",), _put(tagged=False, ChecksumAlgorithm="SHA256")),
    ),
    ("log_group", "retention_days"): (
        Drift("shorter", ("retention_days",), _retention),
        Drift("for ever", ("retention_days",), _no_retention),
    ),
    ("log_group", "tags"): (Drift("other value", ("tags.team",), _log_tags),),
    ("lambda_function", "code"): (Drift("other code", ("code.files.handler.py", "code.sha256"), _code),),
    ("lambda_function", "role"): (Drift("other role", ("role",), _function_role),),
    ("lambda_function", "handler"): (Drift("other handler", ("handler",), _function(Handler="handler.other")),),
    ("lambda_function", "runtime"): (Drift("older", ("runtime",), _function(Runtime="python3.12")),),
    ("lambda_function", "timeout"): (Drift("shorter", ("timeout",), _function(Timeout=7)),),
    ("lambda_function", "memory"): (Drift("more", ("memory",), _function(MemorySize=512)),),
    ("lambda_function", "environment"): (
        Drift("other value", ("environment.COLOR",), _environment(lambda v: v.update(COLOR="red"))),
        Drift("one more", ("environment.MORE",), _environment(lambda v: v.update(MORE="1"))),
        Drift("one less", ("environment.QUEUE_URL",), _environment(lambda v: v.pop("QUEUE_URL"))),
    ),
    ("lambda_function", "tags"): (Drift("other value", ("tags.team",), _function_tags),),
    ("event_source_mapping", "enabled"): (Drift("disabled", ("enabled",), _mapping(Enabled=False)),),
    ("event_source_mapping", "batch_size"): (Drift("smaller", ("batch_size",), _mapping(BatchSize=3)),),
    ("event_source_mapping", "batching_window"): (
        Drift("some", ("batching_window",), _mapping(MaximumBatchingWindowInSeconds=1)),
    ),
    ("event_source_mapping", "function_response_types"): (
        Drift("whole batches", ("function_response_types",), _mapping(FunctionResponseTypes=[])),
    ),
    ("event_source_mapping", "tags"): (Drift("other value", ("tags.team",), _mapping_tags),),
    ("sagemaker_pipeline", "definition"): (
        Drift(
            "other argument",
            ("definition.Steps.export-vej-step.Arguments.region",),
            _definition(_constant_region),
        ),
        Drift("one parameter more", ("definition.Parameters.more",), _definition(_one_parameter_more)),
    ),
    ("sagemaker_pipeline", "role"): (Drift("other role", ("role",), _pipeline_role),),
    ("sagemaker_pipeline", "description"): (Drift("other text", ("description",), _pipeline_description),),
    ("sagemaker_pipeline", "tags"): (Drift("other value", ("tags.team",), _pipeline_tags),),
}
