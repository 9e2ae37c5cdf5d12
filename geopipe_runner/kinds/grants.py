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
    narrow = deployment.config.iam.scope == "resources"
    queues = [deployment.queue_arn, deployment.dead_letter_arn]
    passes_role = {
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": deployment.sagemaker_role_arn,
        "Condition": {
            "StringEquals": {
                "iam:PassedToService": ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"],
            }
        },
    }
    additions = [
        # A callback that is stopped, or past its deadline, must not leave its job running (and billed).
        ("sagemaker-geospatial:StopVectorEnrichmentJob", "*"),
        # A job that is done is seen in seconds, not after the queue's whole visibility timeout.
        ("sqs:ChangeMessageVisibility", queues if narrow else "*"),
    ]
    if not narrow:
        base = [{"Effect": "Allow", "Action": _SPECIFIED, "Resource": "*"}]
        extra = [{"Effect": "Allow", "Action": [action for action, _ in additions], "Resource": "*"}]
        return [*base, passes_role, *extra]
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
    extra = [{"Effect": "Allow", "Action": [action], "Resource": resource} for action, resource in additions]
    statements: list[dict[str, Any]] = [*narrowed, passes_role, *extra]
    if deployment.config.job.custom:  # what the user's own function calls beside these, only the user knows
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
    return document(*statements, *_foreign_input(deployment))


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
