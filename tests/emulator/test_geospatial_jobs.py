"""Vector enrichment jobs as a client sees them: states, errors, exports. S3 and IAM are the emulator's own."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import Session as BotocoreSession

from geopipe_emulator.clients import client_factory
from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import Environment, RequestContext
from geopipe_emulator.services.sagemaker_geospatial import GeospatialService
from geopipe_emulator.settings import Settings

ACCOUNT = "210987654321"
BUCKET = "geospatial-jobs"
CONTEXT = RequestContext(account_id=ACCOUNT, region="us-west-2")
TERMINAL = {"COMPLETED", "FAILED", "STOPPED"}
LONG = 3600.0
"""Longer than any test: what is seen to end before was ended."""

Wanted = Callable[[dict[str, Any]], bool]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    server = EmulatorServer(Settings(account_id=ACCOUNT), services=[GeospatialService])
    server.start()
    s3 = server.environment.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=BUCKET, Key="input.csv", Body=b"Id,Longitude,Latitude\n1,-149.8935557,61.21759217\n2,,61\n")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: EmulatorServer) -> Any:
    return server.environment.client("sagemaker-geospatial")


@pytest.fixture(scope="module")
def s3(server: EmulatorServer) -> Any:
    return server.environment.client("s3")


@pytest.fixture(scope="module")
def role(server: EmulatorServer) -> str:
    return make_role(server, "enricher", "sagemaker-geospatial.amazonaws.com")


@pytest.fixture
def slow(server: EmulatorServer) -> Iterator[Callable[..., Operations]]:
    """Starts services with other settings, and calls them without HTTP."""
    made: list[GeospatialService] = []

    def make(**durations: float) -> Operations:
        settings = replace(server.settings, **durations)
        service = GeospatialService(Environment(settings, server.url, client_factory(server.url)))
        made.append(service)
        return Operations(service)

    yield make
    for service in made:
        service.stop()


class Operations:
    """A service's operations, called as the gateway calls them."""

    def __init__(self, service: GeospatialService, context: RequestContext = CONTEXT) -> None:
        self.service = service
        self._context = context

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.service.operations[operation](parameters, self._context)

    def get(self, arn: str) -> dict[str, Any]:
        return self("GetVectorEnrichmentJob", Arn=arn)


def make_role(server: EmulatorServer, name: str, *principals: str, effect: str = "Allow", path: str = "/") -> str:
    statement = {"Effect": effect, "Action": ["sts:AssumeRole"], "Principal": {"Service": list(principals)}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = server.environment.client("iam")
    arn: str = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def a_request(role: str, key: str = "input.csv", **more: Any) -> dict[str, Any]:
    request = {
        "Name": "a-job",
        "ExecutionRoleArn": role,
        "InputConfig": {"DocumentType": "CSV", "DataSourceConfig": {"S3Data": {"S3Uri": f"s3://{BUCKET}/{key}"}}},
        "JobConfig": {"ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}},
    }
    return request | more


def an_output(prefix: str, bucket: str = BUCKET) -> dict[str, Any]:
    return {"S3Data": {"S3Uri": f"s3://{bucket}/{prefix}"}}


def wait_for(get: Callable[[], dict[str, Any]], wanted: Wanted, seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not wanted(job := get()):
        assert time.monotonic() < deadline, job
        time.sleep(0.005)
    return job


def ended(client: Any, arn: str) -> dict[str, Any]:
    return wait_for(lambda: client.get_vector_enrichment_job(Arn=arn), lambda job: job["Status"] in TERMINAL)


def exported(client: Any, arn: str) -> dict[str, Any]:
    return wait_for(
        lambda: client.get_vector_enrichment_job(Arn=arn), lambda job: job["ExportStatus"] in ("SUCCEEDED", "FAILED")
    )


def completed_job(client: Any, role: str, **more: Any) -> str:
    arn: str = client.start_vector_enrichment_job(**a_request(role, **more))["Arn"]
    assert ended(client, arn)["Status"] == "COMPLETED"
    return arn


def results(s3: Any, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_job_and_its_export_over_the_wire(client: Any, s3: Any, role: str) -> None:
    request = a_request(role, Tags={"team": "maps"})
    started = client.start_vector_enrichment_job(**request)
    assert started["Arn"].startswith(f"arn:aws:sagemaker-geospatial:us-west-2:{ACCOUNT}:vector-enrichment-job/")
    assert started["Status"] == "INITIALIZING" and started["Type"] == "REVERSE_GEOCODING"
    job = ended(client, started["Arn"])
    assert job["Status"] == "COMPLETED"
    assert "ExportStatus" not in job and "ErrorDetails" not in job
    assert {name: job[name] for name in request} == request
    assert datetime.now(UTC) - job["CreationTime"] < timedelta(minutes=5)

    answer = client.export_vector_enrichment_job(Arn=job["Arn"], ExecutionRoleArn=role, OutputConfig=an_output("wire/"))
    assert answer["ExportStatus"] == "IN_PROGRESS" and answer["OutputConfig"] == an_output("wire/")
    assert exported(client, job["Arn"])["ExportStatus"] == "SUCCEEDED"
    (key,) = results(s3, "wire/")
    prefix, folder, name = key.split("/")
    assert (prefix, len(folder), folder.isalnum(), name) == ("wire", 12, True, "results_0.csv")
    text = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["Id"], row["reverse_geo.label"], row["reverse_geo.status"]) for row in rows] == [
        ("1", "Anchorage, Alaska, USA", "Valid Data"),
        ("2", "", "Invalid Data: longitude is empty"),
    ]


@pytest.mark.parametrize(("given", "under"), [("no-slash", "no-slash/"), ("deep/er/", "deep/er/")])
def test_the_prefix_with_and_without_its_slash(client: Any, s3: Any, role: str, given: str, under: str) -> None:
    arn = completed_job(client, role)
    for _ in range(2):
        client.export_vector_enrichment_job(Arn=arn, ExecutionRoleArn=role, OutputConfig=an_output(given))
        assert exported(client, arn)["ExportStatus"] == "SUCCEEDED"
    keys = results(s3, under)
    assert len(keys) == 2 and all(key.removeprefix(under).count("/") == 1 for key in keys)


@pytest.mark.parametrize(
    ("key", "columns", "message"),
    [
        ("missing.csv", ("Longitude", "Latitude"), "NoSuchKey"),
        ("input.csv", ("Longitude", "lat"), "no column 'lat'; its columns are 'Id', 'Longitude', 'Latitude'"),
        ("empty.csv", ("Longitude", "Latitude"), "no header line"),
        ("latin.csv", ("Longitude", "Latitude"), "not UTF-8"),
    ],
)
def test_an_unusable_input_fails_the_job(
    client: Any, s3: Any, role: str, key: str, columns: tuple[str, str], message: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="empty.csv", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="latin.csv", Body=b"Longitude,Latitude,Note\n1,2,\xe9t\xe9\n")
    config = {"ReverseGeocodingConfig": {"XAttributeName": columns[0], "YAttributeName": columns[1]}}
    job = ended(client, client.start_vector_enrichment_job(**a_request(role, key, JobConfig=config))["Arn"])
    assert job["Status"] == "FAILED"
    assert job["ErrorDetails"]["ErrorType"] == "CLIENT_ERROR"
    assert message in job["ErrorDetails"]["ErrorMessage"]
    with pytest.raises(ClientError) as caught:
        client.export_vector_enrichment_job(Arn=job["Arn"], ExecutionRoleArn=role, OutputConfig=an_output("no/"))
    assert error_of(caught) == (409, "ConflictException", f"The job {job['Arn']} is FAILED.")


def test_an_export_to_nowhere_fails_and_can_be_repeated(client: Any, role: str) -> None:
    arn = completed_job(client, role)
    client.export_vector_enrichment_job(
        Arn=arn, ExecutionRoleArn=role, OutputConfig=an_output("x/", bucket="there-is-no-such-bucket")
    )
    job = exported(client, arn)
    assert (job["Status"], job["ExportStatus"]) == ("COMPLETED", "FAILED")
    assert job["ExportErrorDetails"]["Type"] == "CLIENT_ERROR"
    assert "NoSuchBucket" in job["ExportErrorDetails"]["Message"]
    client.export_vector_enrichment_job(Arn=arn, ExecutionRoleArn=role, OutputConfig=an_output("again/"))
    job = exported(client, arn)
    assert job["ExportStatus"] == "SUCCEEDED" and "ExportErrorDetails" not in job


def test_each_state_is_shown_as_long_as_the_settings_say(slow: Callable[..., Operations], role: str) -> None:
    initializing = slow(job_initializing_seconds=LONG)
    arn = initializing("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    assert initializing.get(arn)["Status"] == "INITIALIZING"

    working = slow(job_seconds=LONG)
    arn = working("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    assert wait_for(lambda: working.get(arn), lambda job: job["Status"] != "INITIALIZING")["Status"] == "IN_PROGRESS"
    with pytest.raises(ServiceError, match=r"ConflictException.*is IN_PROGRESS") as caught:
        working("ExportVectorEnrichmentJob", Arn=arn, ExecutionRoleArn=role, OutputConfig=an_output("early/"))
    assert caught.value.status == 409
    with pytest.raises(ServiceError, match=r"ConflictException.*is IN_PROGRESS"):
        working("DeleteVectorEnrichmentJob", Arn=arn)


def test_the_states_in_order(slow: Callable[..., Operations], role: str) -> None:
    operations = slow(job_initializing_seconds=0.05, job_seconds=0.05)
    arn = operations("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    seen: list[str] = []

    def describe() -> dict[str, Any]:
        job = operations.get(arn)
        if job["Status"] not in seen[-1:]:
            seen.append(job["Status"])
        return job

    wait_for(describe, lambda job: job["Status"] in TERMINAL)
    assert seen == ["INITIALIZING", "IN_PROGRESS", "COMPLETED"]


@pytest.mark.parametrize("durations", [{"job_initializing_seconds": LONG}, {"job_seconds": LONG}])
def test_a_stopped_job(slow: Callable[..., Operations], role: str, durations: dict[str, float]) -> None:
    operations = slow(**durations)
    arn = operations("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    assert operations("StopVectorEnrichmentJob", Arn=arn) == {}
    job = wait_for(lambda: operations.get(arn), lambda job: job["Status"] not in ("STOPPING",))
    assert job["Status"] == "STOPPED" and "ErrorDetails" not in job
    with pytest.raises(ServiceError, match=r"ConflictException.*is STOPPED"):
        operations("StopVectorEnrichmentJob", Arn=arn)


def test_a_running_export(slow: Callable[..., Operations], s3: Any, role: str) -> None:
    operations = slow(export_seconds=LONG)
    arn = operations("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    wait_for(lambda: operations.get(arn), lambda job: job["Status"] == "COMPLETED")
    export = {"Arn": arn, "ExecutionRoleArn": role, "OutputConfig": an_output("slow/")}
    first = operations("ExportVectorEnrichmentJob", **export, ClientToken="t" * 36)
    job = operations.get(arn)
    assert (job["Status"], job["ExportStatus"]) == ("COMPLETED", "IN_PROGRESS")
    assert results(s3, "slow/") == []
    assert operations("ExportVectorEnrichmentJob", **export, ClientToken="t" * 36) == first
    with pytest.raises(ServiceError, match=r"ConflictException.*being exported"):
        operations("ExportVectorEnrichmentJob", **export, ClientToken="u" * 36)
    with pytest.raises(ServiceError, match=r"ConflictException.*being exported"):
        operations("DeleteVectorEnrichmentJob", Arn=arn)
    with pytest.raises(ServiceError, match=r"ConflictException.*other parameters"):
        operations("ExportVectorEnrichmentJob", **(export | {"OutputConfig": an_output("b/")}), ClientToken="t" * 36)


def test_stopping_the_service_leaves_no_thread(slow: Callable[..., Operations], role: str) -> None:
    operations = slow(job_seconds=LONG)
    arns = [operations("StartVectorEnrichmentJob", **a_request(role))["Arn"] for _ in range(3)]
    names = {f"geospatial-{arn[-12:]}" for arn in arns}
    assert names <= {thread.name for thread in threading.enumerate()}
    operations.service.stop()
    assert not names & {thread.name for thread in threading.enumerate()}
    assert [operations.get(arn)["Status"] for arn in arns] == ["STOPPED"] * 3


def test_duration_counts_to_the_end(server: EmulatorServer, role: str) -> None:
    hours = iter(range(1000))
    environment = Environment(server.settings, server.url, client_factory(server.url))
    service = GeospatialService(
        environment, now=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=next(hours))
    )
    operations = Operations(service)
    arn = operations("StartVectorEnrichmentJob", **a_request(role))["Arn"]
    job = wait_for(lambda: operations.get(arn), lambda job: job["Status"] in TERMINAL)
    assert operations.get(arn)["DurationInSeconds"] == job["DurationInSeconds"] > 0
    assert job["CreationTime"] == datetime(2026, 1, 1, tzinfo=UTC)
    service.stop()


def test_a_client_token_starts_one_job(client: Any, role: str) -> None:
    token = str(uuid.uuid4())
    first = client.start_vector_enrichment_job(**a_request(role), ClientToken=token)
    assert client.start_vector_enrichment_job(**a_request(role), ClientToken=token)["Arn"] == first["Arn"]
    assert client.start_vector_enrichment_job(**a_request(role))["Arn"] != first["Arn"]
    with pytest.raises(ClientError) as caught:
        client.start_vector_enrichment_job(**a_request(role, key="other.csv"), ClientToken=token)
    assert error_of(caught)[:2] == (409, "ConflictException")


def test_a_role_the_service_cannot_assume(server: EmulatorServer, client: Any, role: str) -> None:
    service = "sagemaker-geospatial.amazonaws.com"
    arns = [
        f"arn:aws:iam::{ACCOUNT}:role/there-is-no-such-role",
        f"arn:aws:iam::{ACCOUNT}:role/wrong/path/enricher",
        f"arn:aws:iam::999999999999:role/{role.rpartition('/')[2]}",
        make_role(server, "untrusting", "lambda.amazonaws.com", "sagemaker.amazonaws.com"),
        make_role(server, "denying", service, effect="Deny"),
    ]
    done = completed_job(client, make_role(server, "pathy", "sagemaker.amazonaws.com", service, path="/a/b/"))
    for arn in arns:
        message = (
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal '{service}' to "
            "assume the role."
        )
        with pytest.raises(ClientError) as caught:
            client.start_vector_enrichment_job(**a_request(arn))
        assert error_of(caught) == (400, "ValidationException", message)
        with pytest.raises(ClientError) as caught:
            client.export_vector_enrichment_job(Arn=done, ExecutionRoleArn=arn, OutputConfig=an_output("x/"))
        assert error_of(caught) == (400, "ValidationException", message)


def test_map_matching_is_refused_by_name(client: Any, role: str) -> None:
    names = ("IdAttributeName", "TimestampAttributeName", "XAttributeName", "YAttributeName")
    config = {"MapMatchingConfig": dict.fromkeys(names, "x")}
    with pytest.raises(ClientError) as caught:
        client.start_vector_enrichment_job(**a_request(role, JobConfig=config))
    assert error_of(caught) == (
        400,
        "ValidationException",
        "Map matching is not emulated; use ReverseGeocodingConfig.",
    )


def test_other_regions_have_no_such_service(server: EmulatorServer, role: str) -> None:
    client = server.environment.client("sagemaker-geospatial", "eu-central-1")
    with pytest.raises(ClientError) as caught:
        client.start_vector_enrichment_job(**a_request(role))
    assert error_of(caught) == (
        403,
        "AccessDeniedException",
        "SageMaker geospatial exists in us-west-2 only; this request is for eu-central-1.",
    )


def test_a_deleted_job_is_gone_with_its_result(client: Any, role: str) -> None:
    arn = completed_job(client, role)
    client.delete_vector_enrichment_job(Arn=arn)
    unknown = [
        lambda: client.get_vector_enrichment_job(Arn=arn),
        lambda: client.delete_vector_enrichment_job(Arn=arn),
        lambda: client.stop_vector_enrichment_job(Arn=arn),
        lambda: client.export_vector_enrichment_job(Arn=arn, ExecutionRoleArn=role, OutputConfig=an_output("x/")),
        lambda: client.list_tags_for_resource(ResourceArn=arn),
    ]
    for call in unknown:
        with pytest.raises(ClientError) as caught:
            call()
        assert error_of(caught) == (404, "ResourceNotFoundException", f"There is no job {arn}.")


def test_listing_pages_sorts_and_filters(slow: Callable[..., Operations], role: str) -> None:
    operations = slow()
    names = ["c", "a", "b"]
    arns = [operations("StartVectorEnrichmentJob", **a_request(role, Name=name))["Arn"] for name in names]
    bad = operations("StartVectorEnrichmentJob", **a_request(role, key="missing.csv", Name="d"))["Arn"]
    for arn in [*arns, bad]:
        wait_for(lambda arn=arn: operations.get(arn), lambda job: job["Status"] in TERMINAL)

    def listed(**parameters: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = operations("ListVectorEnrichmentJobs", **parameters)
            found += [job["Name"] for job in page["VectorEnrichmentJobSummaries"]]
            if "NextToken" not in page:
                return found
            parameters["NextToken"] = page["NextToken"]

    assert listed() == ["d", "b", "a", "c"]
    assert listed(MaxResults=1, SortOrder="ASCENDING") == ["c", "a", "b", "d"]
    assert listed(MaxResults=3, SortBy="Name") == ["d", "c", "b", "a"]
    assert listed(StatusEquals="FAILED") == ["d"]
    assert listed(MaxResults=2, StatusEquals="COMPLETED") == ["b", "a", "c"]
    for parameters in ({"SortBy": "Color"}, {"NextToken": "nonsense"}):
        with pytest.raises(ServiceError, match="ValidationException"):
            operations("ListVectorEnrichmentJobs", **parameters)


def test_tags(client: Any, role: str) -> None:
    arn = completed_job(client, role, Tags={"a": "1"})
    client.tag_resource(ResourceArn=arn, Tags={"b": "2", "a": "3"})
    client.untag_resource(ResourceArn=arn, TagKeys=["b", "not there"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "3"}
    assert client.get_vector_enrichment_job(Arn=arn)["Tags"] == {"a": "3"}
    for tags in ({"aws:mine": "x"}, {str(number): "" for number in range(51)}):
        with pytest.raises(ClientError) as caught:
            client.tag_resource(ResourceArn=arn, Tags=tags)
        assert error_of(caught)[:2] == (400, "ValidationException")


MODEL = BotocoreSession().get_service_model("sagemaker-geospatial")
EMULATED = {
    *("StartVectorEnrichmentJob", "GetVectorEnrichmentJob", "ListVectorEnrichmentJobs", "StopVectorEnrichmentJob"),
    *("DeleteVectorEnrichmentJob", "ExportVectorEnrichmentJob"),
    *("TagResource", "UntagResource", "ListTagsForResource"),
}


@pytest.mark.parametrize("operation", sorted(set(MODEL.operation_names) - EMULATED))
def test_every_other_operation_is_refused_by_name(client: Any, operation: str) -> None:
    parameters = smallest(MODEL.operation_model(operation).input_shape)
    with pytest.raises(ClientError) as caught:
        getattr(client, xform_name(operation))(**parameters)
    status, code, message = error_of(caught)
    assert (status, code) == (501, "NotImplemented")
    assert message == f"The emulator does not answer {operation} of sagemaker-geospatial."


def test_all_earth_observation_operations_are_among_those_refused() -> None:
    earth = {name for name in MODEL.operation_names if "EarthObservation" in name}
    assert {f"{verb}EarthObservationJob" for verb in ("Start", "Get", "Stop", "Delete", "Export")} < earth
    assert not earth & EMULATED


def smallest(shape: Any) -> Any:
    """The smallest value of a shape that a client sends: required members only."""
    if shape.type_name == "structure":
        names = shape.required_members or (list(shape.members)[:1] if shape.is_tagged_union else [])
        return {name: smallest(shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [smallest(shape.member)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        return {}
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 1, tzinfo=UTC)
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
    return False if shape.type_name == "boolean" else 1
