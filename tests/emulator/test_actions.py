"""Which permissions a call needs: calls and permissions as data."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_emulator.authorization.actions import (
    CallToAuthorize,
    RequiredPermission,
    required_permissions,
    required_s3_permissions,
)

Permission = RequiredPermission
REGION, ACCOUNT = "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
URL = f"http://127.0.0.1:1/{ACCOUNT}/q"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
PIPELINE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p"
JOB = f"arn:aws:sagemaker-geospatial:{REGION}:{ACCOUNT}:vector-enrichment-job/abc"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
TO_GEOSPATIAL = Permission("iam:PassRole", ROLE, {"iam:passedtoservice": "sagemaker-geospatial.amazonaws.com"})


def call(service: str, operation: str, **parameters: Any) -> CallToAuthorize:
    return CallToAuthorize(service, operation, parameters, "aws", REGION, ACCOUNT)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (call("sqs", "ReceiveMessage", QueueUrl=URL), [Permission("sqs:ReceiveMessage", QUEUE)]),
        (call("sqs", "DeleteMessageBatch", QueueUrl=URL), [Permission("sqs:DeleteMessage", QUEUE)]),
        (
            call("sqs", "ChangeMessageVisibilityBatch", QueueUrl=URL),
            [Permission("sqs:ChangeMessageVisibility", QUEUE)],
        ),
        (call("sqs", "CreateQueue", QueueName="q"), [Permission("sqs:CreateQueue", QUEUE)]),
        (call("sqs", "ListQueues"), [Permission("sqs:ListQueues", f"arn:aws:sqs:{REGION}:{ACCOUNT}:*")]),
        (
            call("logs", "PutLogEvents", logGroupName="/g", logStreamName="s"),
            [Permission("logs:PutLogEvents", f"{GROUP}:log-stream:s")],
        ),
        (
            call("logs", "CreateLogGroup", logGroupName="/g"),
            [Permission("logs:CreateLogGroup", f"{GROUP}:log-stream:")],
        ),
        (call("sns", "PublishBatch", TopicArn=TOPIC), [Permission("sns:Publish", TOPIC)]),
        (call("sns", "CreateTopic", Name="t"), [Permission("sns:CreateTopic", TOPIC)]),
        (call("sns", "Unsubscribe", SubscriptionArn=f"{TOPIC}:1-2"), [Permission("sns:Unsubscribe", TOPIC)]),
        (
            call("events", "PutEvents", Entries=[{}, {"EventBusName": f"{BUS}/b"}, {"EventBusName": "b"}]),
            [Permission("events:PutEvents", f"{BUS}/default"), Permission("events:PutEvents", f"{BUS}/b")],
        ),
        (call("events", "PutTargets", Rule="r"), [Permission("events:PutTargets", RULE)]),
        (call("events", "EnableRule", Name="r"), [Permission("events:EnableRule", RULE)]),
        (call("events", "CreateEventBus", Name="b"), [Permission("events:CreateEventBus", f"{BUS}/b")]),
        (call("events", "ListEventBuses"), [Permission("events:ListEventBuses")]),
        (call("logs", "DescribeLogGroups"), [Permission("logs:DescribeLogGroups")]),
        (call("lambda", "Invoke", FunctionName="f"), [Permission("lambda:InvokeFunction", FUNCTION)]),
        (call("lambda", "Invoke", FunctionName=FUNCTION), [Permission("lambda:InvokeFunction", FUNCTION)]),
        (
            call("lambda", "Invoke", FunctionName=f"{ACCOUNT}:function:f"),
            [Permission("lambda:InvokeFunction", FUNCTION)],
        ),
        (
            call("lambda", "Invoke", FunctionName="f", Qualifier="$LATEST"),
            [Permission("lambda:InvokeFunction", f"{FUNCTION}:$LATEST")],
        ),
        (
            call("lambda", "CreateFunction", FunctionName="f", Role=ROLE),
            [
                Permission("lambda:CreateFunction", FUNCTION),
                Permission("iam:PassRole", ROLE, {"iam:passedtoservice": "lambda.amazonaws.com"}),
            ],
        ),
        (
            call("lambda", "UpdateFunctionConfiguration", FunctionName="f", Timeout=5),
            [Permission("lambda:UpdateFunctionConfiguration", FUNCTION)],
        ),
        (
            call("sagemaker", "StartPipelineExecution", PipelineName="p"),
            [Permission("sagemaker:StartPipelineExecution", PIPELINE)],
        ),
        (
            call("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=f"{PIPELINE}/execution/e"),
            [Permission("sagemaker:DescribePipelineExecution", f"{PIPELINE}/execution/e")],
        ),
        (
            call("sagemaker", "CreatePipeline", PipelineName="p", RoleArn=ROLE),
            [
                Permission("sagemaker:CreatePipeline", PIPELINE),
                Permission("iam:PassRole", ROLE, {"iam:passedtoservice": "sagemaker.amazonaws.com"}),
            ],
        ),
        (
            call("sagemaker-geospatial", "StartVectorEnrichmentJob", ExecutionRoleArn=ROLE),
            [Permission("sagemaker-geospatial:StartVectorEnrichmentJob"), TO_GEOSPATIAL],
        ),
        (
            call("sagemaker-geospatial", "ExportVectorEnrichmentJob", Arn=JOB, ExecutionRoleArn=ROLE),
            [Permission("sagemaker-geospatial:ExportVectorEnrichmentJob", JOB), TO_GEOSPATIAL],
        ),
        (
            call("sagemaker-geospatial", "GetVectorEnrichmentJob", Arn=JOB),
            [Permission("sagemaker-geospatial:GetVectorEnrichmentJob", JOB)],
        ),
        (call("iam", "GetRole", RoleName="R"), [Permission("iam:GetRole", ROLE)]),
        (
            call("iam", "CreatePolicy", PolicyName="P", Path="/x/"),
            [Permission("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/x/P")],
        ),
        (call("sts", "AssumeRole", RoleArn=ROLE), [Permission("sts:AssumeRole", ROLE)]),
        (call("sts", "GetCallerIdentity"), []),
        (call("dynamodb", "GetItem", TableName="t"), [Permission("dynamodb:GetItem")]),
    ],
    ids=lambda value: value.operation if isinstance(value, CallToAuthorize) else "",
)
def test_permissions_for_a_call(call: CallToAuthorize, expected: list[Permission]) -> None:
    assert required_permissions(call) == expected


@pytest.mark.parametrize(
    ("operation", "bucket", "key", "version", "source", "expected"),
    [
        ("ListBuckets", "", "", "", "", [Permission("s3:ListAllMyBuckets")]),
        ("ListObjectsV2", "b", "", "", "", [Permission("s3:ListBucket", "arn:aws:s3:::b")]),
        ("GetObject", "b", "in/k", "", "", [Permission("s3:GetObject", "arn:aws:s3:::b/in/k")]),
        ("HeadObject", "b", "k", "v1", "", [Permission("s3:GetObjectVersion", "arn:aws:s3:::b/k")]),
        ("DeleteObject", "b", "k", "v1", "", [Permission("s3:DeleteObjectVersion", "arn:aws:s3:::b/k")]),
        ("DeleteObjects", "b", "", "", "", [Permission("s3:DeleteObject", "arn:aws:s3:::b/*")]),
        ("UploadPart", "b", "k", "", "", [Permission("s3:PutObject", "arn:aws:s3:::b/k")]),
        (
            "CopyObject",
            "b",
            "k",
            "",
            "/other/a%20b?versionId=1",
            [
                Permission("s3:PutObject", "arn:aws:s3:::b/k"),
                Permission("s3:GetObject", "arn:aws:s3:::other/a b"),
            ],
        ),
    ],
)
def test_permissions_for_s3(
    operation: str, bucket: str, key: str, version: str, source: str, expected: list[Permission]
) -> None:
    assert required_s3_permissions(call("s3", operation), bucket, key, version, source) == expected
