"""What the two roles may do, as policy documents. Pure.

The specification's statements stand as it gives them. Our additions are statements of their own, each with its reason.
The user's `policy_statements`, of all functions and of the pipeline, come last, as written. `iam.scope: resources`
narrows `*` to what this deployment uses and its job kind needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config.model import S3Location
from ..deployment import DeployedFunction, Deployment, NamedResource
from .policy_documents import document

_SPECIFIED = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sagemaker-geospatial:StartVectorEnrichmentJob",
    "sagemaker-geospatial:GetVectorEnrichmentJob",
    "sagemaker:SendPipelineExecutionStepFailure",
    "sagemaker:SendPipelineExecutionStepSuccess",
    "sagemaker-geospatial:ExportVectorEnrichmentJob",
]
_PART_QUEUES = ("work_queue", "work_dead_letter_queue")
_SEND_PARTS = ["sqs:SendMessage"]
_KEEP_OBJECTS = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]
# As in AWS's policies AWSLambdaVPCAccessExecutionRole and AWSXRayDaemonWriteAccess.
_USE_VPC = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
_TRACE = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
# With it a finished job is seen in seconds, not after the queue's whole visibility timeout.
_RETURN_SOONER = "sqs:ChangeMessageVisibility"


def lambda_policy(deployment: Deployment) -> dict[str, Any]:
    """Returns what the function may do."""
    theirs = (statement for function in deployment.step_functions.values() for statement in _theirs(function))
    return document(*_function_statements(deployment), *theirs)


def _theirs(function: DeployedFunction) -> tuple[Mapping[str, Any], ...]:
    return function.settings.policy_statements


def _function_statements(deployment: Deployment) -> list[dict[str, Any]]:
    in_parts = [*_grants(deployment), *_part_statements(deployment), *_setting_statements(deployment)]
    for_the_job = [action for action in deployment.rights.function_actions if action not in _SPECIFIED]
    if deployment.config.iam.scope == "all":
        additions = _allow([*for_the_job, _RETURN_SOONER], "*")
        return [_allow(_SPECIFIED, "*"), _pass_role(deployment), additions, *in_parts]
    queues = list(deployment.queue_arns)
    log_groups = [
        deployment.account.arn("logs", f"log-group:{function.log_group}") for function in deployment.managed_functions
    ]
    # SageMaker writes some ARNs in lower case and others not; a policy distinguishes them.
    name = deployment.config.pipeline.name
    pipelines = [
        deployment.account.arn("sagemaker", f"pipeline/{text}") for text in dict.fromkeys((name, name.lower()))
    ]
    statements = [
        _allow(_specified("sqs:"), queues),
        _allow(_specified("logs:"), [f"{arn}{end}" for arn in log_groups for end in ("", ":*")]),
        # Jobs have names that only the service knows, and starting one has no resource to name.
        _allow([action for action in deployment.rights.function_actions if action in _SPECIFIED], "*"),
        _allow(_specified("sagemaker:"), [f"{arn}{end}" for arn in pipelines for end in ("", "/*")]),
        _pass_role(deployment) if deployment.rights.trusted_services else _allow([], "*"),
        _allow(for_the_job, "*"),
        _allow([_RETURN_SOONER], queues),
        *in_parts,
    ]
    return [statement for statement in statements if statement["Action"] and statement["Resource"]]


def _setting_statements(deployment: Deployment) -> list[dict[str, Any]]:
    """Returns what Lambda itself does with the function's role, for settings that need it. These know no resource."""
    settings = [function.settings for function in deployment.managed_functions]
    vpc = [_allow(_USE_VPC, "*")] if any(function.vpc is not None for function in settings) else []
    return [*vpc, *([_allow(_TRACE, "*")] if any(function.tracing == "Active" for function in settings) else [])]


def _grants(deployment: Deployment) -> list[dict[str, Any]]:
    account = deployment.account
    names = {"partition": account.partition, "region": account.region, "account_id": account.account_id}
    return [_allow(list(grant.actions), grant.resource.format(**names)) for grant in deployment.rights.grants]


def _part_statements(deployment: Deployment) -> list[dict[str, Any]]:
    """Returns what the function needs to work in parts: it sends them, and reads and writes the bucket itself."""
    if not deployment.rights.in_parts:
        return []
    queues = [deployment.queue_arn_of(deployment.queue(key)) for key in _PART_QUEUES]
    bucket = deployment.account.bucket_arn(deployment.config.bucket.name)
    return [
        _allow(_SEND_PARTS, queues),
        _allow(_KEEP_OBJECTS, [bucket, f"{bucket}/*"]),
        # Notes on the progress of a part.
        _allow(["s3:DeleteObject"], f"{bucket}/{deployment.config.output.prefix}*"),
        *_foreign_input(deployment),
    ]


def _listed(resources: list[str]) -> str | list[str]:
    return resources[0] if len(resources) == 1 else resources


def _allow(actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _pass_role(deployment: Deployment) -> dict[str, Any]:
    services = ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
    condition = {"StringEquals": {"iam:PassedToService": services}}
    return {**_allow(["iam:PassRole"], deployment.sagemaker_role_arn), "Condition": condition}


def sagemaker_policy(deployment: Deployment, named: Sequence[NamedResource] = ()) -> dict[str, Any]:
    """Returns what the pipeline and its jobs may do. `named` are functions and queues that only its steps name."""
    bucket = deployment.account.bucket_arn(deployment.config.bucket.name)
    on_bucket = ["s3:*"] if deployment.config.bucket.managed else _KEEP_OBJECTS
    functions = [deployment.function_arn_of(function) for function in deployment.step_functions.values()]
    functions += [other.place for other in named if other.step_type == "Lambda"]
    queues = [deployment.queue_arn_of(queue) for queue in deployment.callback_queues.values()]
    names = (deployment.name_at(other.place) for other in named if other.step_type == "Callback")
    queues += [deployment.account.arn("sqs", name) for name in names if name]
    statements = [
        *([_allow(["lambda:InvokeFunction"], _listed(functions))] if functions else []),
        *([_allow(on_bucket, [bucket, f"{bucket}/*"])] if deployment.config.bucket.name else []),
        *([_allow(["sqs:SendMessage"], _listed(queues))] if queues else []),
        _allow(list(deployment.rights.role_actions), "*"),  # not in the specification
    ]
    own = (statement for statement in statements if statement["Action"])
    return document(*own, *_foreign_input(deployment), *deployment.config.pipeline.policy_statements)


def _foreign_input(deployment: Deployment) -> list[dict[str, Any]]:
    """Returns the right to read an input that is in another bucket."""
    source = deployment.config.input.source
    if not isinstance(source, S3Location) or source.bucket == deployment.config.bucket.name:
        return []
    bucket = deployment.account.bucket_arn(source.bucket)
    actions = ["s3:GetObject", "s3:ListBucket"]
    return [{"Effect": "Allow", "Action": actions, "Resource": [bucket, f"{bucket}/{source.key}"]}]


def _specified(prefix: str) -> list[str]:
    return [action for action in _SPECIFIED if action.startswith(prefix)]
