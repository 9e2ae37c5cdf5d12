"""The gateway through real clients: who answers what, what an unknown call gets, and what the ledger says."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from emulator_endpoint import Emulator, StartEmulator
from geopipe_runner.emulator.errors import ServiceError
from geopipe_runner.emulator.gateway import partition_of
from geopipe_runner.emulator.service import Environment, FallThrough, Handler, RequestContext
from geopipe_runner.emulator.settings import Settings

ACCOUNT = "200000000011"
JOB = f"arn:aws:sagemaker-geospatial:us-west-2:{ACCOUNT}:vector-enrichment-job/"


class Service:
    """A service with the handlers it is given."""

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


def geospatial(environment: Environment) -> Service:
    def list_jobs(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        environment.client("sts").get_caller_identity()
        return {"VectorEnrichmentJobSummaries": []}

    return Service("sagemaker-geospatial", {"GetVectorEnrichmentJob": get_job, "ListVectorEnrichmentJobs": list_jobs})


def pipelines(environment: Environment) -> Service:
    def list_tags(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        if ":pipeline/" not in parameters["ResourceArn"]:
            raise FallThrough
        return {"Tags": [{"Key": "answered", "Value": "here"}]}

    return Service("sagemaker", {"ListTags": list_tags})


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT), [geospatial, pipelines])


def test_owned_operations_answer_with_the_account(endpoint: Emulator) -> None:
    arn = JOB + "abcdefghijkl"
    job = endpoint.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn)
    assert (job["Arn"], job["Name"], job["Status"]) == (arn, ACCOUNT, "COMPLETED")


def test_moto_answers_in_the_same_account(endpoint: Emulator) -> None:
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
    assert sagemaker.list_tags(ResourceArn=pipeline)["Tags"] == [{"Key": "answered", "Value": "here"}]
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
        ("braket", "search_jobs", {"filters": []}, "of braket"),
        (
            "s3",
            "put_bucket_metrics_configuration",
            {"Bucket": "some-bucket", "Id": "a", "MetricsConfiguration": {"Id": "a"}},
            "PutBucketMetricsConfiguration of s3",
        ),
    ],
)
def test_what_nobody_answers_is_501_by_name(
    endpoint: Emulator, service: str, method: str, arguments: dict[str, Any], named: str
) -> None:
    client = endpoint.client(service)
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert named in caught.value.response["Error"]["Message"]


def raw(endpoint: Emulator, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read()
    finally:
        connection.close()


def test_unsigned_root_says_who_we_are(endpoint: Emulator) -> None:
    status, kind, body = raw(endpoint, "GET", "/")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"status": "ready", "account_id": ACCOUNT, "region": "us-west-2"}


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example:80"}])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_web_pages_are_refused(endpoint: Emulator, method: str, headers: dict[str, str]) -> None:
    status, _, body = raw(endpoint, method, "/some-bucket", headers)
    assert status == 403
    assert b"answers no web pages" in body


def test_unknown_path_of_an_owned_service_is_json(endpoint: Emulator) -> None:
    scope = "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/sagemaker-geospatial/aws4_request, Signature=0"
    status, kind, body = raw(endpoint, "PATCH", "/nowhere", {"Authorization": scope})
    assert (status, kind) == (501, "application/json")
    assert "PATCH /nowhere of sagemaker-geospatial" in json.loads(body)["message"]


def test_the_ledger_counts_external_and_internal_calls_apart(start_emulator: StartEmulator) -> None:
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


def test_regions_are_apart(endpoint: Emulator) -> None:
    endpoint.client("sqs", "eu-west-1").create_queue(QueueName="only-there")
    here = endpoint.client("sqs").list_queues(QueueNamePrefix="only-there")
    assert "QueueUrls" not in here
    assert [partition_of(region) for region in ("us-west-2", "cn-north-1", "us-gov-west-1")] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
    ]
