"""An account with something of every kind, for tests of the state folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.functions import TRUST, zipped

Client = Callable[[str], Any]

ROLE_NAME, QUEUE_NAME, BUCKET, FUNCTION, PIPELINE = "kept-role", "kept-queue", "kept-bucket", "kept-function", "kept"
ACCOUNT, REGION = "123456789012", "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE_NAME}"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"

HANDLER = """
import json, time, shared

def handler(event, context):
    print("called with", json.dumps(event))
    if event.get("hang"):
        time.sleep(600)
    return {"greeting": shared.GREETING, "version": context.function_version}
"""
_SERVICES = ("lambda", "sagemaker", "sagemaker-geospatial")
TRUST_OF_ALL = {
    "Version": "2012-10-17",
    "Statement": [
        *TRUST["Statement"],
        {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT, "Service": [f"{service}.amazonaws.com" for service in _SERVICES]},
            "Action": "sts:AssumeRole",
        },
    ],
}
_POINTS = b"id,lat,lon\n" + b"".join(b"%d,48.%02d,11.%02d\n" % (i, i, i) for i in range(10, 60))


def definition(queue_url: str) -> str:
    """Two callbacks that are answered one after the other, and a function at the end; or a function that hangs."""
    expression = {"Get": "Steps.First.OutputParameters['value']"}
    steps = [
        {"Name": "First", "Type": "Callback", "SqsQueueUrl": queue_url, "Arguments": {"x": {"Get": "Parameters.X"}}},
        {"Name": "Second", "Type": "Callback", "SqsQueueUrl": queue_url, "Arguments": {"value": expression}},
        {"Name": "Call", "Type": "Lambda", "FunctionArn": f"{FUNCTION_ARN}:live", "Arguments": {"value": expression}},
    ]
    steps[0]["OutputParameters"] = [{"OutputName": "value", "OutputType": "String"}]
    steps[1]["OutputParameters"] = []
    steps[2]["OutputParameters"] = [{"OutputName": "greeting", "OutputType": "String"}]
    steps[2]["DependsOn"] = ["Second"]
    return json.dumps(
        {"Version": "2020-12-01", "Parameters": [{"Name": "X", "Type": "String", "DefaultValue": "7"}], "Steps": steps}
    )


def hanging_definition() -> str:
    step = {"Name": "Hang", "Type": "Lambda", "FunctionArn": FUNCTION_ARN, "Arguments": {"hang": "yes"}}
    return json.dumps({"Version": "2020-12-01", "Steps": [{**step, "OutputParameters": []}]})


def fill(client: Client) -> dict[str, Any]:
    """Create everything. Returns what only the responses say: handles, ids and ARNs."""
    return {**_fill_iam(client), **_fill_s3(client), **_fill_sqs(client), **_fill_lambda(client), **_fill_rest(client)}


def _fill_iam(client: Client) -> dict[str, Any]:
    iam = client("iam")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.create_role(
        RoleName=ROLE_NAME, AssumeRolePolicyDocument=json.dumps(TRUST_OF_ALL), Tags=[{"Key": "k", "Value": "v"}]
    )
    iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="inline", PolicyDocument=json.dumps(policy))
    arn = iam.create_policy(PolicyName="kept-policy", PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn=arn)
    iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    return {"session": client("sts").assume_role(RoleArn=ROLE, RoleSessionName="kept-session")["Credentials"]}


def _fill_s3(client: Client) -> dict[str, Any]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="a/points.csv", Body=b"first")
    s3.put_object(Bucket=BUCKET, Key="a/points.csv", Body=_POINTS, Metadata={"origin": "test"}, Tagging="k=v")
    s3.put_object(Bucket=BUCKET, Key="large", Body=bytes(9_000_000))
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    s3.delete_object(Bucket=BUCKET, Key="empty")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{BUCKET}/secret"}]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=bytes(5_242_880))
    return {"upload": upload, "etag": part["ETag"]}


def _fill_sqs(client: Client) -> dict[str, Any]:
    sqs = client("sqs")
    dead = sqs.create_queue(QueueName="kept-dead")["QueueUrl"]
    target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:kept-dead"
    redrive = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": "5"})
    url = sqs.create_queue(QueueName=QUEUE_NAME, Attributes={"RedrivePolicy": redrive}, tags={"k": "v"})["QueueUrl"]
    mapped = sqs.create_queue(QueueName="kept-mapped")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="in flight", MessageAttributes={"a": _text("1")})
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=3600, WaitTimeSeconds=10)["Messages"]
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=900)
    return {"queue": url, "dead": dead, "mapped": mapped, "receipt": message["ReceiptHandle"]}


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def _fill_lambda(client: Client) -> dict[str, Any]:
    functions = client("lambda")
    layer = functions.publish_layer_version(LayerName="kept-layer", Content={"ZipFile": _layer()})["LayerVersionArn"]
    functions.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.11",
        Handler="main.handler",
        Role=ROLE,
        Code={"ZipFile": zipped(main=HANDLER)},
        Layers=[layer],
        Timeout=20,
        Tags={"k": "v"},
        Environment={"Variables": {"NAME": "1"}},
        Publish=True,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION)
    functions.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
    functions.add_permission(
        FunctionName=FUNCTION, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    functions.put_function_event_invoke_config(FunctionName=FUNCTION, MaximumRetryAttempts=1)
    functions.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=7)
    mapping = functions.create_event_source_mapping(
        FunctionName=f"{FUNCTION}:live", EventSourceArn=QUEUE_ARN.replace(QUEUE_NAME, "kept-mapped"), BatchSize=3
    )
    return {"mapping": mapping["UUID"], "layer": layer}


def _layer() -> bytes:
    return zipped(**{"python/shared": "GREETING = 'hello from a layer'"})


def _fill_rest(client: Client) -> dict[str, Any]:
    logs = client("logs")
    logs.create_log_group(logGroupName="kept-group", tags={"k": "v"})
    logs.create_log_stream(logGroupName="kept-group", logStreamName="s")
    events = [{"timestamp": 1_700_000_000_000 + number, "message": f"kept line {number}"} for number in range(150)]
    logs.put_retention_policy(logGroupName="kept-group", retentionInDays=3653)
    logs.put_log_events(logGroupName="kept-group", logStreamName="s", logEvents=events)
    client("ssm").put_parameter(Name="/kept", Value="value", Type="String")
    job = client("sagemaker-geospatial").start_vector_enrichment_job(
        Name="kept-job",
        ExecutionRoleArn=ROLE,
        InputConfig={
            "DocumentType": "CSV",
            "DataSourceConfig": {"S3Data": {"S3Uri": f"s3://{BUCKET}/a/points.csv"}},
        },
        JobConfig={"ReverseGeocodingConfig": {"XAttributeName": "lon", "YAttributeName": "lat"}},
        Tags={"k": "v"},
    )
    return {"job": job["Arn"]}


def start_pipelines(client: Client, queue_url: str) -> dict[str, str]:
    """Start an execution that waits for a callback, and one whose function hangs. Returns their ARNs."""
    sagemaker = client("sagemaker")
    texts = {PIPELINE: definition(queue_url), f"{PIPELINE}-hanging": hanging_definition()}
    for name, text in texts.items():
        tags = [{"Key": "k", "Value": "v"}]
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, ClientRequestToken=name * 8, Tags=tags
        )
    waiting, hanging = (sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"] for name in texts)
    return {"waiting": waiting, "hanging": hanging}


def describe(client: Client, known: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that can be read, but for what changes with each call."""
    return {name: _stable(response) for name, response in _responses(client, known)}


def _stable(value: Any) -> Any:
    """Without metadata of the response, and addresses that an emulator gives out for as long as it runs."""
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in ("ResponseMetadata", "Location", "LastActivity")}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value.read() if hasattr(value, "read") else value


def _responses(client: Client, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    iam, s3, sqs, functions = client("iam"), client("s3"), client("sqs"), client("lambda")
    yield "role", iam.get_role(RoleName=ROLE_NAME)
    yield "role policy", iam.get_role_policy(RoleName=ROLE_NAME, PolicyName="inline")
    yield "attached", iam.list_attached_role_policies(RoleName=ROLE_NAME)
    yield "policy", iam.get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/kept-policy")
    yield "versions of objects", s3.list_object_versions(Bucket=BUCKET)
    yield "object", s3.get_object(Bucket=BUCKET, Key="a/points.csv")
    yield "large object", s3.head_object(Bucket=BUCKET, Key="large")
    yield "tags of the object", s3.get_object_tagging(Bucket=BUCKET, Key="a/points.csv")
    yield "bucket policy", s3.get_bucket_policy(Bucket=BUCKET)
    yield "bucket encryption", s3.get_bucket_encryption(Bucket=BUCKET)
    yield "uploads", s3.list_multipart_uploads(Bucket=BUCKET)
    yield "parts", s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=known["upload"])
    for name in (QUEUE_NAME, "kept-dead", "kept-mapped"):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        yield f"queue {name}", sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        yield f"tags of {name}", sqs.list_queue_tags(QueueUrl=url)
    yield "function", functions.get_function(FunctionName=FUNCTION)
    yield "versions", functions.list_versions_by_function(FunctionName=FUNCTION)
    yield "alias", functions.get_alias(FunctionName=FUNCTION, Name="live")
    yield "permission", functions.get_policy(FunctionName=FUNCTION)
    yield "event invoke config", functions.get_function_event_invoke_config(FunctionName=FUNCTION)
    yield "layers", functions.list_layers()
    mapping = functions.get_event_source_mapping(UUID=known["mapping"])
    yield "mapping", {name: value for name, value in mapping.items() if name != "LastProcessingResult"}
    yield "tags of the function", functions.list_tags(Resource=FUNCTION_ARN)
    yield "log groups", client("logs").describe_log_groups(logGroupNamePrefix="kept-")
    yield "log lines", client("logs").filter_log_events(logGroupName="kept-group")
    yield "parameter", client("ssm").get_parameter(Name="/kept")
    job = client("sagemaker-geospatial").get_vector_enrichment_job(Arn=known["job"])
    yield "job", {name: value for name, value in job.items() if name != "DurationInSeconds"}
    for name in (PIPELINE, f"{PIPELINE}-hanging"):
        yield f"pipeline {name}", client("sagemaker").describe_pipeline(PipelineName=name)
    yield "execution", client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=known["waiting"])
    yield "steps", client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=known["waiting"])
    arn = client("sagemaker").describe_pipeline(PipelineName=PIPELINE)["PipelineArn"]
    yield "tags of the pipeline", client("sagemaker").list_tags(ResourceArn=arn)
    yield "tagged", client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "k"}])
