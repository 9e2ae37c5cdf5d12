"""Which permissions a call needs: calls and needs as data."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_runner.emulator.iam_actions import Asked, Need, needs, object_needs

REGION, ACCOUNT = "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
URL = f"http://127.0.0.1:1/{ACCOUNT}/q"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
PIPELINE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p"
JOB = f"arn:aws:sagemaker-geospatial:{REGION}:{ACCOUNT}:vector-enrichment-job/abc"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g"
TO_GEOSPATIAL = Need("iam:PassRole", ROLE, {"iam:passedtoservice": "sagemaker-geospatial.amazonaws.com"})


def asked(service: str, operation: str, **parameters: Any) -> Asked:
    return Asked(service, operation, parameters, "aws", REGION, ACCOUNT)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (asked("sqs", "ReceiveMessage", QueueUrl=URL), [Need("sqs:ReceiveMessage", QUEUE)]),
        (asked("sqs", "DeleteMessageBatch", QueueUrl=URL), [Need("sqs:DeleteMessage", QUEUE)]),
        (
            asked("sqs", "ChangeMessageVisibilityBatch", QueueUrl=URL),
            [Need("sqs:ChangeMessageVisibility", QUEUE)],
        ),
        (asked("sqs", "CreateQueue", QueueName="q"), [Need("sqs:CreateQueue", QUEUE)]),
        (asked("sqs", "ListQueues"), [Need("sqs:ListQueues", f"arn:aws:sqs:{REGION}:{ACCOUNT}:*")]),
        (
            asked("logs", "PutLogEvents", logGroupName="/g", logStreamName="s"),
            [Need("logs:PutLogEvents", f"{GROUP}:log-stream:s")],
        ),
        (asked("logs", "CreateLogGroup", logGroupName="/g"), [Need("logs:CreateLogGroup", f"{GROUP}:log-stream:")]),
        (asked("logs", "DescribeLogGroups"), [Need("logs:DescribeLogGroups")]),
        (asked("lambda", "Invoke", FunctionName="f"), [Need("lambda:InvokeFunction", FUNCTION)]),
        (asked("lambda", "Invoke", FunctionName=FUNCTION), [Need("lambda:InvokeFunction", FUNCTION)]),
        (asked("lambda", "Invoke", FunctionName=f"{ACCOUNT}:function:f"), [Need("lambda:InvokeFunction", FUNCTION)]),
        (
            asked("lambda", "Invoke", FunctionName="f", Qualifier="$LATEST"),
            [Need("lambda:InvokeFunction", f"{FUNCTION}:$LATEST")],
        ),
        (
            asked("lambda", "CreateFunction", FunctionName="f", Role=ROLE),
            [
                Need("lambda:CreateFunction", FUNCTION),
                Need("iam:PassRole", ROLE, {"iam:passedtoservice": "lambda.amazonaws.com"}),
            ],
        ),
        (
            asked("lambda", "UpdateFunctionConfiguration", FunctionName="f", Timeout=5),
            [Need("lambda:UpdateFunctionConfiguration", FUNCTION)],
        ),
        (
            asked("sagemaker", "StartPipelineExecution", PipelineName="p"),
            [Need("sagemaker:StartPipelineExecution", PIPELINE)],
        ),
        (
            asked("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=f"{PIPELINE}/execution/e"),
            [Need("sagemaker:DescribePipelineExecution", f"{PIPELINE}/execution/e")],
        ),
        (
            asked("sagemaker", "CreatePipeline", PipelineName="p", RoleArn=ROLE),
            [
                Need("sagemaker:CreatePipeline", PIPELINE),
                Need("iam:PassRole", ROLE, {"iam:passedtoservice": "sagemaker.amazonaws.com"}),
            ],
        ),
        (
            asked("sagemaker-geospatial", "StartVectorEnrichmentJob", ExecutionRoleArn=ROLE),
            [Need("sagemaker-geospatial:StartVectorEnrichmentJob"), TO_GEOSPATIAL],
        ),
        (
            asked("sagemaker-geospatial", "ExportVectorEnrichmentJob", Arn=JOB, ExecutionRoleArn=ROLE),
            [Need("sagemaker-geospatial:ExportVectorEnrichmentJob", JOB), TO_GEOSPATIAL],
        ),
        (
            asked("sagemaker-geospatial", "GetVectorEnrichmentJob", Arn=JOB),
            [Need("sagemaker-geospatial:GetVectorEnrichmentJob", JOB)],
        ),
        (asked("iam", "GetRole", RoleName="R"), [Need("iam:GetRole", ROLE)]),
        (
            asked("iam", "CreatePolicy", PolicyName="P", Path="/x/"),
            [Need("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/x/P")],
        ),
        (asked("sts", "AssumeRole", RoleArn=ROLE), [Need("sts:AssumeRole", ROLE)]),
        (asked("sts", "GetCallerIdentity"), []),
        (asked("dynamodb", "GetItem", TableName="t"), [Need("dynamodb:GetItem")]),
    ],
    ids=lambda value: value.operation if isinstance(value, Asked) else "",
)
def test_needs_of_a_call(call: Asked, expected: list[Need]) -> None:
    assert needs(call) == expected


@pytest.mark.parametrize(
    ("operation", "bucket", "key", "version", "source", "expected"),
    [
        ("ListBuckets", "", "", "", "", [Need("s3:ListAllMyBuckets")]),
        ("ListObjectsV2", "b", "", "", "", [Need("s3:ListBucket", "arn:aws:s3:::b")]),
        ("GetObject", "b", "in/k", "", "", [Need("s3:GetObject", "arn:aws:s3:::b/in/k")]),
        ("HeadObject", "b", "k", "v1", "", [Need("s3:GetObjectVersion", "arn:aws:s3:::b/k")]),
        ("DeleteObject", "b", "k", "v1", "", [Need("s3:DeleteObjectVersion", "arn:aws:s3:::b/k")]),
        ("DeleteObjects", "b", "", "", "", [Need("s3:DeleteObject", "arn:aws:s3:::b/*")]),
        ("UploadPart", "b", "k", "", "", [Need("s3:PutObject", "arn:aws:s3:::b/k")]),
        (
            "CopyObject",
            "b",
            "k",
            "",
            "/other/a%20b?versionId=1",
            [Need("s3:PutObject", "arn:aws:s3:::b/k"), Need("s3:GetObject", "arn:aws:s3:::other/a b")],
        ),
    ],
)
def test_needs_of_s3(operation: str, bucket: str, key: str, version: str, source: str, expected: list[Need]) -> None:
    assert object_needs(asked("s3", operation), bucket, key, version, source) == expected
