"""Which permissions an API call needs: IAM actions, their resources, and the condition keys that the call sets. Pure.

Only roles are held to them. For a service without rules here, the action is the operation's name on every resource, so
a policy that narrows such a call refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ..services.s3.bucket_names import action_of

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class RequiredPermission:
    """One permission. `facts` are the condition keys that this call sets, in lower case."""

    action: str
    resource: str = "*"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CallToAuthorize:
    """What permissions depend on in one call."""

    service: str
    operation: str
    parameters: Parameters
    partition: str
    region: str
    account_id: str

    def text(self, name: str) -> str:
        """The parameter's value; "" when it is absent or no text."""
        value = self.parameters.get(name)
        return value if isinstance(value, str) else ""

    def arn(self, resource: str, service: str = "") -> str:
        """The ARN of a resource in the call's account and region."""
        return f"arn:{self.partition}:{service or self.service}:{self.region}:{self.account_id}:{resource}"


def required_permissions(call: CallToAuthorize) -> list[RequiredPermission]:
    """Every permission that the call needs. Without any, every caller may make it."""
    rule = _RULES.get(call.service)
    if rule is None:
        return [RequiredPermission(f"{call.service}:{call.operation}")]
    return [*rule(call), *_passed_role(call)]


def required_s3_permissions(
    call: CallToAuthorize, bucket: str, key: str, version: str, source: str = ""
) -> list[RequiredPermission]:
    """The same for S3, whose parameters are in the path and the query."""
    if not bucket:
        return [RequiredPermission(action_of(call.operation))]
    bucket_arn = f"arn:{call.partition}:s3:::{bucket}"
    action = action_of(call.operation)
    if version and action in ("s3:GetObject", "s3:DeleteObject"):
        action += "Version"
    if call.operation == "DeleteObjects":
        return [RequiredPermission(action, f"{bucket_arn}/*")]
    permissions = [RequiredPermission(action, f"{bucket_arn}/{key}" if key else bucket_arn)]
    if source:
        copied = unquote(source).lstrip("/").partition("?")[0]
        permissions.append(RequiredPermission("s3:GetObject", f"arn:{call.partition}:s3:::{copied}"))
    return permissions


def _queue(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    # One permission covers the operation and its batch.
    action = f"sqs:{call.operation.removesuffix('Batch')}"
    name = call.text("QueueName") or call.text("QueueUrl").rpartition("/")[2]
    yield RequiredPermission(action, call.arn(name or "*"))


def _logs(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    group = call.text("logGroupName")
    # CloudWatch Logs names a resource like this in its errors, even for a group without a stream.
    resource = f"log-group:{group}:log-stream:{call.text('logStreamName')}"
    arn = call.arn(resource) if group else call.text("resourceArn")
    yield RequiredPermission(f"logs:{call.operation}", arn or "*")


def _function(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    action = "InvokeFunction" if call.operation == "Invoke" else call.operation
    name = call.text("FunctionName")
    if call.text("UUID"):
        resource = call.arn(f"event-source-mapping:{call.text('UUID')}")
    elif name.startswith("arn:"):
        resource = name
    elif name:
        resource = call.arn(f"function:{name.rpartition('function:')[2]}")
    else:
        resource = call.text("Resource") or "*"
    if name and call.text("Qualifier"):
        resource += f":{call.text('Qualifier')}"
    if call.operation == "InvokeFunctionUrl":
        yield RequiredPermission(
            "lambda:InvokeFunctionUrl", resource, {"lambda:functionurlauthtype": call.text("AuthType")}
        )
        yield RequiredPermission("lambda:InvokeFunction", resource, {"lambda:invokedviafunctionurl": "true"})
        return
    yield RequiredPermission(f"lambda:{action}", resource)


def _pipeline(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    name = call.text("PipelineName")
    if name.startswith("arn:"):
        resource = name
    elif name:
        resource = call.arn(f"pipeline/{name}")
    else:
        arns = (call.text(member) for member in ("PipelineExecutionArn", "PipelineArn", "ResourceArn"))
        resource = next(filter(None, arns), "*")
    yield RequiredPermission(f"sagemaker:{call.operation}", resource)


def _enrichment_job(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    arn = call.text("Arn") or call.text("ResourceArn")
    yield RequiredPermission(f"sagemaker-geospatial:{call.operation}", arn or "*")


def _places(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    # The provider belongs to no account.
    provider = f"arn:{call.partition}:geo-places:{call.region}::provider/default"
    yield RequiredPermission(f"geo-places:{call.operation}", provider)


def _identity(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    kinds = {"RoleName": "role", "PolicyName": "policy", "UserName": "user", "GroupName": "group"}
    name = next((key for key in kinds if call.text(key)), "")
    path = call.text("Path") or "/"
    resource = f"arn:{call.partition}:iam::{call.account_id}:{kinds.get(name, '')}{path}{call.text(name)}"
    yield RequiredPermission(f"iam:{call.operation}", resource if name else call.text("PolicyArn") or "*")


def _session(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    if call.operation != "GetCallerIdentity":  # every caller may, even under an explicit deny
        yield RequiredPermission(f"sts:{call.operation}", call.text("RoleArn") or "*")


def _topic(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    # One permission covers the operation and its batch.
    action = f"sns:{call.operation.removesuffix('Batch')}"
    arn = call.text("TopicArn") or call.text("TargetArn") or call.text("ResourceArn") or call.text("SubscriptionArn")
    if call.operation == "CreateTopic":
        arn = call.arn(call.text("Name"))
    # A subscription has the permissions of its topic.
    yield RequiredPermission(action, ":".join(arn.split(":")[:6]) or "*")


def _event(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    action = f"events:{call.operation}"
    if call.operation == "PutEvents":
        entries = call.parameters.get("Entries")
        given = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        names = [str(entry.get("EventBusName") or "default") for entry in given]
        for bus in dict.fromkeys(name.rpartition("/")[2] for name in names):
            yield RequiredPermission(action, call.arn(f"event-bus/{bus}"))
        return
    bus = (call.text("EventBusName") or "default").rpartition("/")[2]
    prefix = "" if bus == "default" else f"{bus}/"
    name = call.text("Rule") or ("" if call.operation.endswith("EventBus") else call.text("Name"))
    if name:
        yield RequiredPermission(action, call.arn(f"rule/{prefix}{name}"))
    elif call.operation.endswith("EventBus"):
        yield RequiredPermission(action, call.arn(f"event-bus/{call.text('Name') or 'default'}"))
    else:
        yield RequiredPermission(action, call.text("ResourceARN") or "*")


_RULES: Mapping[str, Callable[[CallToAuthorize], Iterator[RequiredPermission]]] = {
    "sqs": _queue,
    "logs": _logs,
    "lambda": _function,
    "sagemaker": _pipeline,
    "sagemaker-geospatial": _enrichment_job,
    "geo-places": _places,
    "iam": _identity,
    "sts": _session,
    "sns": _topic,
    "events": _event,
}

# Where a call hands a role to a service: the parameter, and the service.
_PASSED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("lambda", "CreateFunction"): ("Role", "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration"): ("Role", "lambda.amazonaws.com"),
    ("sagemaker", "CreatePipeline"): ("RoleArn", "sagemaker.amazonaws.com"),
    ("sagemaker", "UpdatePipeline"): ("RoleArn", "sagemaker.amazonaws.com"),
    ("sagemaker-geospatial", "StartVectorEnrichmentJob"): ("ExecutionRoleArn", "sagemaker-geospatial.amazonaws.com"),
    ("sagemaker-geospatial", "ExportVectorEnrichmentJob"): ("ExecutionRoleArn", "sagemaker-geospatial.amazonaws.com"),
}


def _passed_role(call: CallToAuthorize) -> Iterator[RequiredPermission]:
    parameter, service = _PASSED.get((call.service, call.operation), ("", ""))
    role = call.text(parameter)
    if role:
        yield RequiredPermission("iam:PassRole", role, {"iam:passedtoservice": service})
