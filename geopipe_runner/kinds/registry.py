"""All resource kinds. It stands apart so that `kinds.base` can be imported without them."""

from __future__ import annotations

from typing import Any

from .base import Kind
from .event_source_mapping import EventSourceMapping
from .iam_policy import IamPolicy
from .iam_role import IamRole
from .lambda_function import LambdaFunction
from .log_group import LogGroup
from .s3_bucket import S3Bucket
from .s3_object import S3Object
from .sagemaker_pipeline import SageMakerPipeline
from .sqs_queue import SqsQueue

KINDS: tuple[Kind[Any], ...] = (
    IamRole(),
    IamPolicy(),
    SqsQueue(),
    S3Bucket(),
    S3Object(),
    LogGroup(),
    LambdaFunction(),
    EventSourceMapping(),
    SageMakerPipeline(),
)
