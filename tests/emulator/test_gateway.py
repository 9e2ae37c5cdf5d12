"""The gateway through real clients: where calls go, what unknown calls get, and what the call log says."""

from __future__ import annotations

import errno
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.gateway.chain import partition_of
from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.protocol.parse import parse_json_object
from geopipe_emulator.service import Environment, FallThrough, Handler, RequestContext
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import zipped

ACCOUNT = "200000000011"
KINESIS = "arn:aws:kinesis:us-west-2:1:stream/s"
JOB = f"arn:aws:sagemaker-geospatial:us-west-2:{ACCOUNT}:vector-enrichment-job/"


class StubService:
    """A service with given operations."""

    def __init__(self, name: str, operations: Mapping[str, Handler]) -> None:
        self.name = self.model_name = name
        self.operations = operations
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


def get_job(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
    if parameters["Arn"].endswith("missing"):
        raise ServiceError("ResourceNotFoundException", f"no job {parameters['Arn']} in {context.region}")
    if parameters["Arn"].endswith("crashing"):
        raise KeyError("our own mistake")
    return {"Arn": parameters["Arn"], "Name": context.account_id, "Status": "COMPLETED"}


def geospatial(environment: Environment) -> StubService:
    def list_jobs(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        environment.client("sts").get_caller_identity()
        return {"VectorEnrichmentJobSummaries": []}

    return StubService(
        "sagemaker-geospatial", {"GetVectorEnrichmentJob": get_job, "ListVectorEnrichmentJobs": list_jobs}
    )


def pipelines(environment: Environment) -> StubService:
    def list_tags(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        if ":pipeline/" not in parameters["ResourceArn"]:
            raise FallThrough
        return {"Tags": [{"Key": "answered", "Value": "by us"}]}

    return StubService("sagemaker", {"ListTags": list_tags})


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT), [geospatial, pipelines])


def test_our_operations_know_the_account(endpoint: Emulator) -> None:
    arn = JOB + "abcdefghijkl"
    job = endpoint.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn)
    assert (job["Arn"], job["Name"], job["Status"]) == (arn, ACCOUNT, "COMPLETED")


def test_moto_serves_the_same_account(endpoint: Emulator) -> None:
    identity = endpoint.client("sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = endpoint.client("iam").create_role(RoleName="gateway", AssumeRolePolicyDocument=document)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/gateway"
    logs = endpoint.client("logs")
    logs.create_log_group(logGroupName="/gateway")
    assert logs.describe_log_groups()["logGroups"][0]["arn"].startswith(f"arn:aws:logs:us-west-2:{ACCOUNT}:")
    assert endpoint.client("resourcegroupstaggingapi").get_resources()["ResourceTagMappingList"] == []


def test_service_errors_become_the_clients_exceptions(endpoint: Emulator) -> None:
    client = endpoint.client("sagemaker-geospatial")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="missing in us-west-2") as caught:
        client.get_vector_enrichment_job(Arn=JOB + "jobthatismissing")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(client.exceptions.ValidationException, match="1 validation error detected"):
        client.get_vector_enrichment_job(Arn="arn:nonsense")


def test_our_own_mistake_is_an_internal_failure_with_a_traceback(
    endpoint: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    client = endpoint.client("sagemaker-geospatial")
    with pytest.raises(ClientError, match=r"InternalFailure.*our own mistake"):
        client.get_vector_enrichment_job(Arn=JOB + "jobthatcrashing")
    assert "Traceback" in capfd.readouterr().err


def test_other_operations_of_a_shared_service_go_to_moto(endpoint: Emulator) -> None:
    sagemaker = endpoint.client("sagemaker")
    assert sagemaker.list_notebook_instances()["NotebookInstances"] == []
    pipeline = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/p"
    assert sagemaker.list_tags(ResourceArn=pipeline)["Tags"] == [{"Key": "answered", "Value": "by us"}]
    notebook = {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium", "Tags": [{"Key": "by", "Value": "moto"}]}
    created = sagemaker.create_notebook_instance(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/notebooks", **notebook)
    assert sagemaker.list_tags(ResourceArn=created["NotebookInstanceArn"])["Tags"] == notebook["Tags"]


@pytest.mark.parametrize(
    ("service", "method", "arguments", "named"),
    [
        ("sagemaker-geospatial", "list_earth_observation_jobs", {}, "ListEarthObservationJobs of sagemaker-geospatial"),
        ("sagemaker", "list_hubs", {}, "ListHubs of sagemaker"),
        ("iam", "list_organizations_features", {}, "ListOrganizationsFeatures of iam"),
        ("sqs", "cancel_message_move_task", {"TaskHandle": "t"}, "CancelMessageMoveTask of sqs"),
        ("braket", "search_jobs", {"filters": []}, "SearchJobs of braket"),
        (
            "pipes",
            "create_pipe",
            {"Name": "p", "RoleArn": "arn:aws:iam::1:role/r", "Source": KINESIS, "Target": KINESIS},
            "CreatePipe of pipes",
        ),
        ("cloudformation", "list_stacks", {}, "ListStacks of cloudformation"),
        ("sns", "subscribe", {"TopicArn": "arn:aws:sns:us-west-2:1:t", "Protocol": "email"}, "Subscribe of sns"),
        ("events", "put_targets", {"Rule": "r", "Targets": [{"Id": "i", "Arn": KINESIS}]}, "PutTargets of events"),
        ("translate", "list_terminologies", {}, "ListTerminologies of translate"),
        ("s3", "get_object_retention", {"Bucket": "some-bucket", "Key": "k"}, "GetObjectRetention of s3"),
        # moto's own code fails over these requests.
        (
            "sagemaker",
            "create_feature_group",
            {
                "FeatureGroupName": "f",
                "RecordIdentifierFeatureName": "r",
                "EventTimeFeatureName": "e",
                "FeatureDefinitions": [{"FeatureName": "r", "FeatureType": "String"}],
            },
            "CreateFeatureGroup of sagemaker with these parameters",
        ),
        ("iam", "list_roles", {"Marker": "no marker"}, "ListRoles of iam with these parameters"),
        (
            "logs",
            "put_subscription_filter",
            {"logGroupName": "g", "filterName": "f", "filterPattern": "", "destinationArn": "a"},
            "PutSubscriptionFilter of logs",
        ),
        (
            "s3",
            "put_bucket_metrics_configuration",
            {"Bucket": "some-bucket", "Id": "a", "MetricsConfiguration": {"Id": "a"}},
            "PutBucketMetricsConfiguration of s3",
        ),
    ],
)
def test_what_the_emulator_lacks_is_501_by_name(
    endpoint: Emulator,
    capsys: pytest.CaptureFixture[str],
    service: str,
    method: str,
    arguments: dict[str, Any],
    named: str,
) -> None:
    client = endpoint.client(service)
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert named in caught.value.response["Error"]["Message"]
    assert capsys.readouterr().out == "", "a program reads the URL from standard output, and then nothing"


def raw(endpoint: Emulator, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=90)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read()
    finally:
        connection.close()


DEEP = b"[" * 100_000
WIDE_AND_DEEP = b'{"a": ' + b"[" * 300 + b"]" * 300 + b', "b": "]]]]"}'
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/{}/aws4_request, SignedHeaders=host, Signature=0"


def signed(
    endpoint: Emulator, service: str, body: bytes, target: str = "", path: str = "/", method: str = "POST"
) -> tuple[int, bytes]:
    headers = {"Authorization": AUTHORIZATION.format(service), "Content-Type": "application/x-amz-json-1.1"}
    if target:
        headers["X-Amz-Target"] = target
    elif service in ("iam", "sts"):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("service", "target", "body", "code"),
    [
        ("sqs", "AmazonSQS.Nothing", b"{}", "UnknownOperationException"),
        ("logs", "Logs_20140328.Nothing", b"{}", "UnknownOperationException"),
        ("sagemaker", "SageMaker.Nothing", b"{}", "UnknownOperationException"),
        ("sagemaker", "NotSageMaker.ListPipelines", b"{}", "UnknownOperationException"),
        ("dynamodb", "DynamoDB_20120810.Nothing", b"{}", "UnknownOperationException"),
        ("dynamodb", "", b"{}", "UnknownOperationException"),
        ("iam", "", b"Action=Nothing", "InvalidAction"),
        ("iam", "", b"", "MissingAction"),
        ("sts", "", b"Version=2011-06-15", "MissingAction"),
        ("sqs", "AmazonSQS.CreateQueue", b"{", "SerializationException"),
        ("sqs", "AmazonSQS.CreateQueue", b"[]", "SerializationException"),
        ("sqs", "AmazonSQS.CreateQueue", b'"\xff"', "SerializationException"),
        ("logs", "Logs_20140328.DescribeLogGroups", b"nothing", "SerializationException"),
        ("sqs", "AmazonSQS.CreateQueue", DEEP, "SerializationException"),
        ("sqs", "AmazonSQS.CreateQueue", WIDE_AND_DEEP, "SerializationException"),
        ("sagemaker", "SageMaker.ListTags", WIDE_AND_DEEP, "SerializationException"),
        ("sagemaker", "SageMaker.ListTags", DEEP, "SerializationException"),
        ("iam", "", b"Action=CreateRole&RoleName=r&AssumeRolePolicyDocument=" + DEEP, "MalformedPolicyDocument"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_malformed_calls_are_400(
    endpoint: Emulator, capfd: pytest.CaptureFixture[str], service: str, target: str, body: bytes, code: str
) -> None:
    status, content = signed(endpoint, service, body, target)
    assert status == 400
    assert code.encode() in content
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("path", ["/bucket?delete", "/new-bucket"])
def test_malformed_xml_is_400(endpoint: Emulator, path: str) -> None:
    method = "POST" if "?" in path else "PUT"
    status, content = signed(endpoint, "s3", b"<a>" * 10_000, path=path, method=method)
    assert status == 400
    assert b"<Code>MalformedXML</Code>" in content


def test_many_brackets_are_not_deep() -> None:
    body = json.dumps({"a": [[]] * 10_000, "b": '[[["\\' * 1000}).encode()
    assert len(parse_json_object(body)["a"]) == 10_000


@pytest.mark.parametrize("failure", [MemoryError(), OSError(errno.EMFILE, "x"), OSError(errno.ENOSPC, "x", "/tmp/f")])
def test_a_shortage_is_503_in_one_line(
    start_emulator: StartEmulator, capfd: pytest.CaptureFixture[str], failure: Exception
) -> None:
    def fail(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        raise failure

    service = StubService("sagemaker-geospatial", {"GetVectorEnrichmentJob": fail})
    emulator = start_emulator(Settings(account_id="200000000013"), [lambda environment: service])
    with pytest.raises(ClientError) as caught:
        emulator.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=JOB + "abcdefghijkl")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_failures_show_nothing_that_proves_who_calls(
    start_emulator: StartEmulator, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = ["5ec12e75ec12e7", "AKIAVERYSECRET", "70ken70ken70ken"]
    scope = f"Credential={secrets[1]}/20260101/us-west-2/sagemaker-geospatial/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={secrets[0]}"

    def fail(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        raise ValueError(f"cannot read {authorization} with {secrets[2]}, {scope} and {secrets[0]}")

    service = StubService("sagemaker-geospatial", {"GetVectorEnrichmentJob": fail})
    emulator = start_emulator(Settings(account_id="200000000014"), [lambda environment: service])
    path = "/vector-enrichment-jobs/" + (JOB + "abcdefghijkl").replace("/", "%2F")
    headers = {"Authorization": authorization, "X-Amz-Security-Token": secrets[2]}
    status, _, body = raw(emulator, "GET", path, headers)
    errors = capfd.readouterr().err
    assert status == 500
    assert "Traceback" in errors
    for secret in secrets:
        assert secret not in errors
        assert secret not in body.decode()


def test_a_reset_empties_every_service(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(Settings(account_id="200000000015"), None)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})

    def create() -> None:
        role = emulator.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        emulator.client("sqs").create_queue(QueueName="q")
        emulator.client("s3").create_bucket(
            Bucket="reset-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        emulator.client("logs").create_log_group(logGroupName="/g")
        emulator.client("lambda").create_function(
            FunctionName="f",
            Role=role,
            Runtime="python3.12",
            Handler="m.h",
            Code={"ZipFile": zipped(m="def h(event, context): return event")},
        )
        emulator.client("sagemaker").create_pipeline(
            PipelineName="p",
            RoleArn=emulator.client("iam").create_role(
                RoleName="p",
                AssumeRolePolicyDocument=document.replace("lambda.", "sagemaker."),
            )["Role"]["Arn"],
            PipelineDefinition=json.dumps(
                {"Version": "2020-12-01", "Steps": [{"Name": "s", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}}]}
            ),
        )

    def remaining() -> dict[str, int]:
        return {
            "roles": len(emulator.client("iam").list_roles()["Roles"]),
            "queues": len(emulator.client("sqs").list_queues().get("QueueUrls", [])),
            "buckets": len(emulator.client("s3").list_buckets()["Buckets"]),
            "groups": len(emulator.client("logs").describe_log_groups()["logGroups"]),
            "functions": len(emulator.client("lambda").list_functions()["Functions"]),
            "pipelines": len(emulator.client("sagemaker").list_pipelines()["PipelineSummaries"]),
        }

    for path in ("/moto-api/reset", "/_geopipe/reset"):
        create()
        assert all(remaining().values()), remaining()
        assert raw(emulator, "POST", path)[0] == 200
        assert not any(remaining().values()), remaining()


def test_a_reset_empties_what_one_service_has_created_in_another(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(Settings(account_id="200000000073"))
    emulator.client("dynamodb").create_table(
        TableName="encrypted",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True},
    )
    # The table's key is in KMS, which no call has named.
    assert raw(emulator, "POST", "/_geopipe/reset")[0] == 200
    assert emulator.client("kms").list_keys()["Keys"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/moto-api/reset"),
        ("POST", "/moto-api/reset-auth"),
        ("POST", "/moto-api/recorder/start-recording"),
        ("POST", "/moto-api/config"),
        ("POST", "/moto-api/state-manager/set-transition"),
    ],
)
def test_moto_s_other_controls_are_refused(endpoint: Emulator, method: str, path: str) -> None:
    status, _, body = raw(endpoint, method, path)
    assert status == 501
    assert f"{method} {path}".encode() in body


def test_unsigned_root_says_who_we_are(endpoint: Emulator) -> None:
    status, kind, body = raw(endpoint, "GET", "/")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"status": "ready", "account_id": ACCOUNT, "region": "us-west-2"}


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example:80"}])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_web_pages_are_refused(endpoint: Emulator, method: str, headers: dict[str, str]) -> None:
    status, _, body = raw(endpoint, method, "/some-bucket", headers)
    assert status == 403
    assert b"does not serve web pages" in body


def test_unknown_path_of_an_owned_service_is_json(endpoint: Emulator) -> None:
    scope = "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/sagemaker-geospatial/aws4_request, Signature=0"
    status, kind, body = raw(endpoint, "PATCH", "/nowhere", {"Authorization": scope})
    assert (status, kind) == (501, "application/json")
    assert "PATCH /nowhere of sagemaker-geospatial" in json.loads(body)["message"]


def test_the_call_log_counts_external_and_internal_calls_apart(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(Settings(account_id="200000000012"), [geospatial])
    emulator.client("iam").list_roles()
    emulator.client("s3").list_buckets()
    emulator.client("sagemaker-geospatial").list_vector_enrichment_jobs()
    emulator.client("sqs").create_queue(QueueName="counted")
    emulator.client("sqs").create_queue(QueueName="counted")
    status, _, body = raw(emulator, "GET", "/_geopipe/calls")
    report = json.loads(body)
    assert status == 200
    assert {(r["service"], r["operation"], r["count"], r["mutating"]) for r in report["external"]} == {
        ("iam", "ListRoles", 1, False),
        ("s3", "ListBuckets", 1, False),
        ("sagemaker-geospatial", "ListVectorEnrichmentJobs", 1, False),
        ("sqs", "CreateQueue", 2, True),
    }
    assert [(r["service"], r["operation"]) for r in report["internal"]] == [("sts", "GetCallerIdentity")]
    raw(emulator, "DELETE", "/_geopipe/calls")
    assert emulator.calls == {"external": [], "internal": []}


def test_regions_are_separate(endpoint: Emulator) -> None:
    endpoint.client("sqs", "eu-west-1").create_queue(QueueName="only-there")
    here = endpoint.client("sqs").list_queues(QueueNamePrefix="only-there")
    assert "QueueUrls" not in here
    assert [partition_of(region) for region in ("us-west-2", "cn-north-1", "us-gov-west-1")] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
    ]
