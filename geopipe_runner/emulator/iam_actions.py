"""Which permissions an API call needs: IAM actions, the resources they are asked on, and what conditions may look at.

Pure, and only for callers that are roles. For a service that is not listed the action is the operation's name, on
every resource: a policy that narrows such a call refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .bucket_names import action_of

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Need:
    """One permission. `facts` are the condition keys that this very call brings along, in lower case."""

    action: str
    resource: str = "*"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One call, as far as permissions are concerned."""

    service: str
    operation: str
    parameters: Parameters
    partition: str
    region: str
    account_id: str

    def text(self, name: str) -> str:
        value = self.parameters.get(name)
        return value if isinstance(value, str) else ""

    def arn(self, resource: str, service: str = "") -> str:
        return f"arn:{self.partition}:{service or self.service}:{self.region}:{self.account_id}:{resource}"


def needs(asked: Asked) -> list[Need]:
    """All of them must be granted; none: everybody may ask."""
    rule = _RULES.get(asked.service)
    if rule is None:
        return [Need(f"{asked.service}:{asked.operation}")]
    return [*rule(asked), *_passed_role(asked)]


def object_needs(asked: Asked, bucket: str, key: str, version: str, source: str = "") -> list[Need]:
    """S3's, which are in the path and the query instead of parameters."""
    if not bucket:
        return [Need(action_of(asked.operation))]
    bucket_arn = f"arn:{asked.partition}:s3:::{bucket}"
    action = action_of(asked.operation)
    if version and action in ("s3:GetObject", "s3:DeleteObject"):
        action += "Version"
    if asked.operation == "DeleteObjects":
        return [Need(action, f"{bucket_arn}/*")]
    found = [Need(action, f"{bucket_arn}/{key}" if key else bucket_arn)]
    if source:
        found.append(
            Need("s3:GetObject", f"arn:{asked.partition}:s3:::{unquote(source).lstrip('/').partition('?')[0]}")
        )
    return found


def _queue(asked: Asked) -> Iterator[Need]:
    # In batches or not, it is the same permission.
    action = f"sqs:{asked.operation.removesuffix('Batch')}"
    name = asked.text("QueueName") or asked.text("QueueUrl").rpartition("/")[2]
    yield Need(action, asked.arn(name or "*"))


def _logs(asked: Asked) -> Iterator[Need]:
    group = asked.text("logGroupName")
    # As CloudWatch Logs names it in its refusals, a group without a stream included.
    resource = f"log-group:{group}:log-stream:{asked.text('logStreamName')}" if group else ""
    yield Need(f"logs:{asked.operation}", asked.arn(resource) if resource else asked.text("resourceArn") or "*")


def _function(asked: Asked) -> Iterator[Need]:
    action = "InvokeFunction" if asked.operation == "Invoke" else asked.operation
    name = asked.text("FunctionName")
    if asked.text("UUID"):
        resource = asked.arn(f"event-source-mapping:{asked.text('UUID')}")
    elif name.startswith("arn:"):
        resource = name
    elif name:
        resource = asked.arn(f"function:{name.rpartition('function:')[2]}")
    else:
        resource = asked.text("Resource") or "*"
    if name and asked.text("Qualifier"):
        resource += f":{asked.text('Qualifier')}"
    yield Need(f"lambda:{action}", resource)


def _pipeline(asked: Asked) -> Iterator[Need]:
    name, execution = asked.text("PipelineName"), asked.text("PipelineExecutionArn")
    if name.startswith("arn:"):
        resource = name
    else:
        resource = asked.arn(f"pipeline/{name}") if name else execution or asked.text("ResourceArn") or "*"
    yield Need(f"sagemaker:{asked.operation}", resource)


def _enrichment_job(asked: Asked) -> Iterator[Need]:
    yield Need(f"sagemaker-geospatial:{asked.operation}", asked.text("Arn") or asked.text("ResourceArn") or "*")


def _identity(asked: Asked) -> Iterator[Need]:
    kinds = {"RoleName": "role", "PolicyName": "policy", "UserName": "user", "GroupName": "group"}
    name = next((key for key in kinds if asked.text(key)), "")
    path = asked.text("Path") or "/"
    made = f"arn:{asked.partition}:iam::{asked.account_id}:{kinds.get(name, '')}{path}{asked.text(name)}"
    yield Need(f"iam:{asked.operation}", made if name else asked.text("PolicyArn") or "*")


def _session(asked: Asked) -> Iterator[Need]:
    if asked.operation != "GetCallerIdentity":  # granted to everybody, whatever a policy says
        yield Need(f"sts:{asked.operation}", asked.text("RoleArn") or "*")


_RULES: Mapping[str, Callable[[Asked], Iterator[Need]]] = {
    "sqs": _queue,
    "logs": _logs,
    "lambda": _function,
    "sagemaker": _pipeline,
    "sagemaker-geospatial": _enrichment_job,
    "iam": _identity,
    "sts": _session,
}

_PASSED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("lambda", "CreateFunction"): ("Role", "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration"): ("Role", "lambda.amazonaws.com"),
    ("sagemaker", "CreatePipeline"): ("RoleArn", "sagemaker.amazonaws.com"),
    ("sagemaker", "UpdatePipeline"): ("RoleArn", "sagemaker.amazonaws.com"),
    ("sagemaker-geospatial", "StartVectorEnrichmentJob"): ("ExecutionRoleArn", "sagemaker-geospatial.amazonaws.com"),
    ("sagemaker-geospatial", "ExportVectorEnrichmentJob"): ("ExecutionRoleArn", "sagemaker-geospatial.amazonaws.com"),
}
"""Where a call hands a role to a service: the parameter, and the service."""


def _passed_role(asked: Asked) -> Iterator[Need]:
    parameter, service = _PASSED.get((asked.service, asked.operation), ("", ""))
    role = asked.text(parameter)
    if role:
        yield Need("iam:PassRole", role, {"iam:passedtoservice": service})
