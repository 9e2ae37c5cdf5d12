"""Roles held to their policies, through real clients: whom this concerns, the error texts, and what services do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import zipped
from tests.support.wait import eventually

ACCOUNT = "200000000071"
REGION = "us-west-2"
SERVICES = ["lambda.amazonaws.com", "sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
LAMBDA_ON_QUEUES = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any = "*", **parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource} | parts


TRUST = document(
    {"Effect": "Allow", "Principal": {"Service": SERVICES}, "Action": "sts:AssumeRole"},
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},
)


@pytest.fixture(scope="module")
def account(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, iam="enforce"), services=None)


@dataclass
class Role:
    """A role of this account, and clients with its credentials."""

    account: Emulator
    session_policy: str = ""
    name: str = field(default_factory=lambda: f"r-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        created = self.account.client("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument=TRUST)
        self.arn: str = created["Role"]["Arn"]

    def may(self, *statements: dict[str, Any]) -> None:
        """Allow the role this, and nothing else."""
        self.account.client("iam").put_role_policy(
            RoleName=self.name, PolicyName="may", PolicyDocument=document(*statements)
        )

    def client(self, service: str) -> Any:
        policy = {"Policy": self.session_policy} if self.session_policy else {}
        session = self.account.client("sts").assume_role(RoleArn=self.arn, RoleSessionName="me", **policy)[
            "Credentials"
        ]
        return self.account.session.client(
            service,
            region_name=REGION,
            endpoint_url=self.account.url,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
            config=Config(proxies={}, retries={"total_max_attempts": 1}, inject_host_prefix=False),
        )

    def refusal(self, action: str, resource: str) -> str:
        return (
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/me is not authorized to perform: {action} "
            f"on resource: {resource} because no identity-based policy allows the {action} action"
        )


@pytest.fixture
def role(account: Emulator) -> Role:
    return Role(account)


def error_of(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response: dict[str, Any] = caught.value.response
    return {"status": response["ResponseMetadata"]["HTTPStatusCode"], **response["Error"]}


QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:any"
REFUSALS: dict[str, tuple[str, int, str, str, Callable[[Any], Any]]] = {
    "sqs": (
        "AccessDenied",
        403,
        "sqs:sendmessage",
        QUEUE,
        lambda c: c.send_message(QueueUrl=f"http://127.0.0.1/{ACCOUNT}/any", MessageBody="x"),
    ),
    "s3": (
        "AccessDenied",
        403,
        "s3:GetObject",
        '"arn:aws:s3:::some-bucket/some/key"',
        lambda c: c.get_object(Bucket="some-bucket", Key="some/key"),
    ),
    "iam": (
        "AccessDenied",
        403,
        "iam:GetRole",
        f"arn:aws:iam::{ACCOUNT}:role/any",
        lambda c: c.get_role(RoleName="any"),
    ),
    "logs": (
        "AccessDeniedException",
        400,
        "logs:CreateLogStream",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g:log-stream:s",
        lambda c: c.create_log_stream(logGroupName="/g", logStreamName="s"),
    ),
    "lambda": (
        "AccessDeniedException",
        403,
        "lambda:InvokeFunction",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f",
        lambda c: c.invoke(FunctionName="f"),
    ),
    "sagemaker": (
        "AccessDeniedException",
        400,
        "sagemaker:StartPipelineExecution",
        f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/p",
        lambda c: c.start_pipeline_execution(PipelineName="p"),
    ),
    "sagemaker-geospatial": (
        "AccessDeniedException",
        403,
        "sagemaker-geospatial:ListVectorEnrichmentJobs",
        "*",
        lambda c: c.list_vector_enrichment_jobs(),
    ),
}


@pytest.mark.parametrize("service", REFUSALS)
def test_refusals_read_as_aws_s(role: Role, service: str) -> None:
    code, status, action, resource, call = REFUSALS[service]
    error = error_of(lambda: call(role.client(service)))
    assert (error["Code"], error["status"]) == (code, status)
    assert error["Message"] == role.refusal(action, resource)


def test_everybody_may_ask_who_he_is(role: Role) -> None:
    assert role.client("sts").get_caller_identity()["Arn"].endswith(f"assumed-role/{role.name}/me")


def test_the_user_s_own_credentials_may_do_everything(account: Emulator) -> None:
    for service, method in (("sqs", "list_queues"), ("s3", "list_buckets"), ("sagemaker", "list_pipelines")):
        getattr(account.client(service), method)()


def test_roles_may_do_everything_unless_the_settings_enforce_policies(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    trust = document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName="unrestricted", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    session = emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    sqs = boto3.client(
        "sqs",
        region_name=REGION,
        endpoint_url=emulator.url,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config=Config(proxies={}),
    )
    sqs.list_queues()
    iam.delete_role(RoleName="unrestricted")


def test_policies_count_as_they_come_and_go(account: Emulator, role: Role) -> None:
    iam, sqs = account.client("iam"), role.client("sqs")
    policy = iam.create_policy(PolicyName=role.name, PolicyDocument=document(allow("sqs:List*")))["Policy"]["Arn"]
    assert error_of(sqs.list_queues)["Code"] == "AccessDenied"
    iam.attach_role_policy(RoleName=role.name, PolicyArn=policy)
    sqs.list_queues()
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document(allow("s3:*")), SetAsDefault=True)
    assert error_of(sqs.list_queues)["Code"] == "AccessDenied"
    iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")
    sqs.list_queues()
    role.may({"Effect": "Deny", "Action": "sqs:*", "Resource": "*"})
    assert error_of(sqs.list_queues)["Message"].endswith("with an explicit deny in an identity-based policy")
    iam.delete_role_policy(RoleName=role.name, PolicyName="may")
    sqs.list_queues()
    iam.detach_role_policy(RoleName=role.name, PolicyArn=policy)
    assert error_of(sqs.list_queues)["Code"] == "AccessDenied"


def test_a_boundary_limits(account: Emulator, role: Role) -> None:
    iam, sqs = account.client("iam"), role.client("sqs")
    role.may(allow("sqs:*"))
    for boundary, allowed in (("AmazonSQSReadOnlyAccess", True), ("AmazonS3ReadOnlyAccess", False)):
        iam.put_role_permissions_boundary(RoleName=role.name, PermissionsBoundary=f"arn:aws:iam::aws:policy/{boundary}")
        if allowed:
            sqs.list_queues()
        else:
            assert "no permissions boundary allows the sqs:listqueues" in error_of(sqs.list_queues)["Message"]
    iam.delete_role_permissions_boundary(RoleName=role.name)
    sqs.list_queues()


def test_a_session_s_policy_limits(account: Emulator) -> None:
    role = Role(account, session_policy=document(allow("s3:*")))
    role.may(allow(["sqs:*", "s3:*"]))
    assert "no session policy allows" in error_of(role.client("sqs").list_queues)["Message"]
    role.client("s3").list_buckets()


def test_a_role_that_is_gone_may_nothing(account: Emulator, role: Role) -> None:
    role.may(allow("*"))
    sqs = role.client("sqs")
    sqs.list_queues()
    account.client("iam").delete_role_policy(RoleName=role.name, PolicyName="may")
    account.client("iam").delete_role(RoleName=role.name)
    assert error_of(sqs.list_queues)["Code"] == "AccessDenied"


# What a role's credentials hand on, and objects


def job_request(role_arn: str, uri: str) -> dict[str, Any]:
    return {
        "Name": "a-job",
        "ExecutionRoleArn": role_arn,
        "InputConfig": {"DocumentType": "CSV", "DataSourceConfig": {"S3Data": {"S3Uri": uri}}},
        "JobConfig": {"ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}},
    }


@pytest.mark.parametrize("passed_to", ["sagemaker-geospatial.amazonaws.com", "sagemaker.amazonaws.com", None])
def test_passing_a_role_is_a_permission_with_conditions(account: Emulator, role: Role, passed_to: str | None) -> None:
    jobs = allow("sagemaker-geospatial:*")
    condition = {"Condition": {"StringEquals": {"iam:PassedToService": passed_to}}}
    role.may(jobs, *([allow("iam:PassRole", role.arn, **condition)] if passed_to else []))
    start = role.client("sagemaker-geospatial").start_vector_enrichment_job
    if passed_to == "sagemaker-geospatial.amazonaws.com":
        assert start(**job_request(role.arn, "s3://nowhere/key"))["Status"]
    else:
        error = error_of(start, **job_request(role.arn, "s3://nowhere/key"))
        assert error["Message"] == role.refusal("iam:PassRole", role.arn)


@pytest.fixture(scope="module")
def bucket(account: Emulator) -> str:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="permissions", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="permissions", Key="input.csv", Body=b"Longitude,Latitude\n-149.89,61.21\n")
    return "permissions"


def test_without_list_permission_a_missing_key_is_access_denied(role: Role, bucket: str) -> None:
    s3, get = role.client("s3"), allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    role.may(get)
    assert s3.get_object(Bucket=bucket, Key="input.csv")["Body"].read()
    assert error_of(s3.get_object, Bucket=bucket, Key="missing")["Code"] == "AccessDenied"
    role.may(get, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    assert error_of(s3.get_object, Bucket=bucket, Key="missing")["Code"] == "NoSuchKey"


def test_listing_may_be_limited_to_a_prefix(role: Role, bucket: str) -> None:
    s3 = role.client("s3")
    role.may(allow("s3:ListBucket", "*", Condition={"StringLike": {"s3:prefix": "input*"}}))
    assert s3.list_objects_v2(Bucket=bucket, Prefix="input")["KeyCount"] == 1
    assert error_of(s3.list_objects_v2, Bucket=bucket)["Code"] == "AccessDenied"


# Jobs, which act as their own role


def wait_for_end(account: Emulator, arn: str, member: str) -> dict[str, Any]:
    client = account.client("sagemaker-geospatial")

    def ended_job() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get_vector_enrichment_job(Arn=arn)
        return job if job.get(member) in ("COMPLETED", "SUCCEEDED", "FAILED") else None

    job: dict[str, Any] = eventually(ended_job)
    return job


def test_a_job_reads_and_writes_as_its_role(account: Emulator, role: Role, bucket: str) -> None:
    client = account.client("sagemaker-geospatial")
    read, write = (
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"),
        allow("s3:PutObject", f"arn:aws:s3:::{bucket}/out/*"),
    )
    get = allow("sagemaker-geospatial:GetVectorEnrichmentJob")

    def run() -> dict[str, Any]:
        arn = client.start_vector_enrichment_job(**job_request(role.arn, f"s3://{bucket}/input.csv"))["Arn"]
        return wait_for_end(account, arn, "Status")

    def export(job: dict[str, Any], prefix: str) -> dict[str, Any]:
        output = {"S3Data": {"S3Uri": f"s3://{bucket}/{prefix}/"}}
        client.export_vector_enrichment_job(Arn=job["Arn"], ExecutionRoleArn=role.arn, OutputConfig=output)
        return wait_for_end(account, job["Arn"], "ExportStatus")

    refused = run()
    assert (refused["Status"], refused["ErrorDetails"]["ErrorType"]) == ("FAILED", "CLIENT_ERROR")
    assert "s3:GetObject" in refused["ErrorDetails"]["ErrorMessage"]
    role.may(read)
    job = run()
    assert job["Status"] == "COMPLETED"
    for statements, missing in (([read], "GetVectorEnrichmentJob"), ([read, get], "s3:PutObject")):
        role.may(*statements)
        failed = export(run(), "out")
        assert failed["ExportStatus"] == "FAILED"
        assert missing in failed["ExportErrorDetails"]["Message"]
    role.may(read, write, get)
    assert export(run(), "elsewhere")["ExportStatus"] == "FAILED"
    assert export(job, "out")["ExportStatus"] == "SUCCEEDED"


# Functions and their mappings

CALLS_SQS = """
import boto3
sqs = boto3.client("sqs")
def handler(event, context):
    if event == "ask":
        return sqs.get_queue_url(QueueName="permissions")["QueueUrl"]
    return {}
"""


@dataclass
class CallingFunction:
    """A function that calls SQS when it is invoked with "ask"."""

    account: Emulator
    role: Role
    name: str

    def call(self) -> str:
        response = self.account.client("lambda").invoke(FunctionName=self.name, Payload=b'"ask"')
        return str(response["Payload"].read().decode())


@pytest.fixture
def function(account: Emulator, role: Role) -> CallingFunction:
    account.client("lambda").create_function(
        FunctionName=role.name,
        Runtime="python3.12",
        Role=role.arn,
        Handler="app.handler",
        Code={"ZipFile": zipped(app=CALLS_SQS)},
    )
    return CallingFunction(account, role, role.name)


@pytest.fixture(scope="module")
def queue(account: Emulator) -> str:
    url: str = account.client("sqs").create_queue(QueueName="permissions")["QueueUrl"]
    return url


def test_a_function_acts_as_its_role(function: CallingFunction, queue: str) -> None:
    response = function.call()
    assert "AccessDenied" in response
    assert (
        f"assumed-role/{function.role.name}/{function.name} is not authorized to perform: sqs:getqueueurl" in response
    )
    function.role.may(allow("sqs:GetQueueUrl"))
    assert json.loads(function.call()) == queue


def test_a_function_without_permission_to_log_runs_and_logs_nothing(
    account: Emulator, function: CallingFunction, queue: str
) -> None:
    logs, group = account.client("logs"), f"/aws/lambda/{function.name}"
    function.call()
    assert account.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    function.role.may(allow("logs:*", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"))
    function.call()
    eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])


@pytest.mark.parametrize("missing", LAMBDA_ON_QUEUES)
def test_a_mapping_requires_a_role_that_may_read_the_queue(
    account: Emulator, function: CallingFunction, queue: str, missing: str
) -> None:
    create = account.client("lambda").create_event_source_mapping
    function.role.may(allow([action for action in LAMBDA_ON_QUEUES if action != missing]))
    error = error_of(create, FunctionName=function.name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:permissions")
    assert error["Code"] == "InvalidParameterValueException"
    action = missing.removeprefix("sqs:")
    assert error["Message"] == f"The provided execution role does not have permissions to call {action} on SQS"


def test_a_mapping_reads_the_queue_as_the_function_s_role(account: Emulator, function: CallingFunction) -> None:
    sqs, functions = account.client("sqs"), account.client("lambda")
    url = sqs.create_queue(QueueName=function.name)["QueueUrl"]
    function.role.may(allow(LAMBDA_ON_QUEUES))
    mapping = functions.create_event_source_mapping(
        FunctionName=function.name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{function.name}"
    )["UUID"]

    def result() -> str:
        return str(functions.get_event_source_mapping(UUID=mapping).get("LastProcessingResult", ""))

    sqs.send_message(QueueUrl=url, MessageBody="one")
    eventually(lambda: result() == "OK")
    function.role.may(allow("sqs:GetQueueAttributes"))
    # A poll that waits already was allowed when it began. The message that it returns cannot be deleted any more.
    sqs.send_message(QueueUrl=url, MessageBody="two")
    eventually(lambda: "not authorized to perform: sqs:" in result())
    functions.delete_event_source_mapping(UUID=mapping)


# Pipelines


def run_pipeline(account: Emulator, role: Role, step: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The execution's ARN and, once its step has ended or waits, that step."""
    sagemaker = account.client("sagemaker")
    definition = json.dumps({"Version": "2020-12-01", "Steps": [{"Name": "step", **step}]})
    sagemaker.create_pipeline(PipelineName=f"P-{role.name}", PipelineDefinition=definition, RoleArn=role.arn)
    arn = sagemaker.start_pipeline_execution(PipelineName=f"P-{role.name}")["PipelineExecutionArn"]

    def begun_steps() -> Any:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return [step for step in steps if step["StepStatus"] in ("Failed", "Succeeded", "Executing")]

    return arn, f"P-{role.name}", eventually(begun_steps)[0]


@pytest.mark.parametrize("action", ["lambda:InvokeFunction", "sqs:SendMessage"])
def test_a_step_acts_as_the_pipeline_s_role(
    account: Emulator, function: CallingFunction, queue: str, action: str
) -> None:
    function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function.name}"
    step = (
        {"Type": "Lambda", "FunctionArn": function_arn}
        if action == "lambda:InvokeFunction"
        else {"Type": "Callback", "SqsQueueUrl": queue}
    )
    pipeline_role = Role(account)

    def failed() -> Any:
        steps = account.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
        return [step for step in steps["PipelineExecutionSteps"] if step["StepStatus"] == "Failed"]

    arn, _, _ = run_pipeline(account, pipeline_role, step)
    reason = eventually(failed)[0]["FailureReason"]
    assert "AccessDenied" in reason
    assert f"assumed-role/{pipeline_role.name}/SageMaker is not authorized to perform" in reason
    assert action.lower() in reason.lower()


def test_a_callback_is_answered_with_permission_for_the_waiting_execution(
    account: Emulator, role: Role, queue: str
) -> None:
    pipeline_role = Role(account)
    pipeline_role.may(allow("sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:permissions"))
    arn, name, step = run_pipeline(account, pipeline_role, {"Type": "Callback", "SqsQueueUrl": queue})
    token = step["Metadata"]["Callback"]["CallbackToken"]
    sagemaker, action = role.client("sagemaker"), "sagemaker:SendPipelineExecutionStepSuccess"
    root = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline"
    role.may(allow(action, f"{root}/another/*"))
    error = error_of(sagemaker.send_pipeline_execution_step_success, CallbackToken=token)
    assert error["Message"] == role.refusal(action, arn)
    role.may(allow(action, f"{root}/{name.lower()}/*"))
    assert sagemaker.send_pipeline_execution_step_success(CallbackToken=token)["PipelineExecutionArn"] == arn
