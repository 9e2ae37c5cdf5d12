"""What the two roles may do, as policy documents. Pure.

The specification's statements stand as it gives them. Our additions are a statement of their own, each with its
reason beside it, and `function.policy_statements` come last, as the user gives them. `iam.scope: resources` narrows
`*` to what this deployment uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .base import Deployment
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


def lambda_policy(deployment: Deployment) -> dict[str, Any]:
    """What the function may do."""
    return document(*_function_statements(deployment), *deployment.config.function.policy_statements)


def _function_statements(deployment: Deployment) -> list[dict[str, Any]]:
    if deployment.config.iam.scope == "resources":
        return _narrow(deployment)
    base = {"Effect": "Allow", "Action": _SPECIFIED, "Resource": "*"}
    extra = {"Effect": "Allow", "Action": [action for action, _ in _additions(["*"])], "Resource": "*"}
    return [base, _passes_role(deployment), extra]


def _narrow(deployment: Deployment) -> list[dict[str, Any]]:
    queues = [deployment.queue_arn, deployment.dead_letter_arn]
    logs = deployment.account.arn("logs", f"log-group:{deployment.config.function.log_group}")
    # SageMaker writes some ARNs in lower case and not others; a policy is taken by the letter.
    given = deployment.config.pipeline.name
    pipelines = [
        deployment.account.arn("sagemaker", f"pipeline/{name}") for name in dict.fromkeys((given, given.lower()))
    ]
    narrowed = [
        {"Effect": "Allow", "Action": _specified("sqs:"), "Resource": queues},
        {"Effect": "Allow", "Action": _specified("logs:"), "Resource": [logs, f"{logs}:*"]},
        # Jobs have names only the service knows; starting one has no resource to name.
        {"Effect": "Allow", "Action": _specified("sagemaker-geospatial:"), "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": _specified("sagemaker:"),
            "Resource": [f"{arn}{end}" for arn in pipelines for end in ("", "/*")],
        },
    ]
    extra = [{"Effect": "Allow", "Action": [action], "Resource": on} for action, on in _additions(queues)]
    return _used(deployment, [*narrowed, _passes_role(deployment), *extra])


def _additions(queues: list[str]) -> list[tuple[str, str | list[str]]]:
    """What the specification has not: an action, and on what."""
    return [
        # A callback that is stopped, or past its deadline, must not leave its job running (and billed).
        ("sagemaker-geospatial:StopVectorEnrichmentJob", "*"),
        # A job that is done is seen in seconds, not after the queue's whole visibility timeout.
        ("sqs:ChangeMessageVisibility", queues),
    ]


def _passes_role(deployment: Deployment) -> dict[str, Any]:
    services = ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
    return {
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": deployment.sagemaker_role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": services}},
    }


def _used(deployment: Deployment, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Narrowed to what the job kind needs: what the user's own steps call beside these, only the user knows."""
    if deployment.config.iam.scope == "resources" and deployment.config.job.custom:
        return [statement for statement in statements if not _serves_geospatial_jobs(statement)]
    return statements


def _serves_geospatial_jobs(statement: Mapping[str, Any]) -> bool:
    return str(statement["Action"][0]).startswith(("sagemaker-geospatial:", "iam:PassRole"))


def sagemaker_policy(deployment: Deployment) -> dict[str, Any]:
    """What the pipeline and its geospatial jobs may do."""
    bucket = deployment.account.bucket_arn(deployment.config.bucket.name)
    statements = [
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": deployment.function_arn},
        {"Effect": "Allow", "Action": ["s3:*"], "Resource": [bucket, f"{bucket}/*"]},
        {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": deployment.queue_arn},
        # Not in the specification: AWS's guide to geospatial roles asks for it on the role of an export.
        {"Effect": "Allow", "Action": ["sagemaker-geospatial:GetVectorEnrichmentJob"], "Resource": "*"},
    ]
    return document(*_used(deployment, statements), *_foreign_input(deployment))


def _foreign_input(deployment: Deployment) -> list[dict[str, Any]]:
    """An input that lies in another bucket must be readable too."""
    source = deployment.config.input.source
    if isinstance(source, Path) or source.bucket == deployment.config.bucket.name:
        return []
    bucket = deployment.account.bucket_arn(source.bucket)
    actions = ["s3:GetObject", "s3:ListBucket"]
    return [{"Effect": "Allow", "Action": actions, "Resource": [bucket, f"{bucket}/{source.key}"]}]


def _specified(prefix: str) -> list[str]:
    return [action for action in _SPECIFIED if action.startswith(prefix)]
