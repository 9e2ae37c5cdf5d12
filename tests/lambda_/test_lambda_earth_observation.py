"""Earth observation jobs: the two Lambda steps and the callbacks, against botocore's stubs, which check every shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

import earth_observation
import handler
from aws import InvocationContext
from callbacks import Callback, MalformedInputError
from geospatial_jobs import decide
from tests.support.lambda_fakes import ACCOUNT, EXECUTION_ARN, NOW, REGION, ROLE, LambdaWorld, failed_ids, token

ARN = f"arn:aws:sagemaker-geospatial:{REGION}:{ACCOUNT}:earth-observation-job/abc123def456"
OTHER = f"{ARN}7"
COLLECTION = f"arn:aws:sagemaker-geospatial:{REGION}:378778860802:raster-data-collection/public/nmqj48dcu3g7ayw8"
CREATED = datetime.fromtimestamp(NOW - 5, UTC)
POLYGON = [[[-114.5, 36.1], [-114.3, 36.1], [-114.3, 36.3], [-114.5, 36.1]]]
INPUT = {
    "RasterDataCollectionQuery": {
        "RasterDataCollectionArn": COLLECTION,
        "AreaOfInterest": {"AreaOfInterestGeometry": {"PolygonGeometry": {"Coordinates": POLYGON}}},
        "TimeRangeFilter": {"StartTime": "2021-01-01T00:00:00Z", "EndTime": "2022-07-10T23:59:59Z"},
    }
}
JOB: dict[str, Any] = {"LandCoverSegmentationConfig": {}}
OUTPUT = {"S3Data": {"S3Uri": "s3://bucket/eoj/"}}
STARTED = {
    "Arn": ARN,
    "CreationTime": CREATED,
    "DurationInSeconds": 0,
    "ExecutionRoleArn": ROLE,
    "JobConfig": JOB,
    "Name": "mapping",
    "Status": "INITIALIZING",
}


class StubbedService:
    """The service with prepared responses. botocore refuses requests and responses that do not fit its model."""

    def __init__(self, world: LambdaWorld) -> None:
        client = boto3.client("sagemaker-geospatial", REGION, aws_access_key_id="test", aws_secret_access_key="test")
        self.stub = Stubber(client)

        def clients(service: str, region: str, seconds: int) -> Any:
            return client if service == "sagemaker-geospatial" else world.client(service, region, seconds)

        self.invocation: InvocationContext = replace(world.invocation(), clients=clients)

    def describe(self, status: str, export: str = "", **more: Any) -> None:
        """Prepare the response to one GetEarthObservationJob."""
        job = {**STARTED, "InputConfig": {}, "Status": status, **more}
        self.stub.add_response(
            "get_earth_observation_job", job | ({"ExportStatus": export} if export else {}), {"Arn": ARN}
        )


@pytest.fixture
def service(world: LambdaWorld) -> Iterator[StubbedService]:
    service = StubbedService(world)
    with service.stub:
        yield service
        service.stub.assert_no_pending_responses()


def start_event(**changes: Any) -> dict[str, Any]:
    event = {
        "eoj_name": "mapping",
        "role": ROLE,
        "region": REGION,
        "eoj_config": str(JOB),
        "eoj_input_config": str(INPUT),
    }
    return {**event, "execution_arn": EXECUTION_ARN, **changes}


def record(world: LambdaWorld, **arguments: Any) -> dict[str, Any]:
    """A message of a callback step, as AWS's handler gets it."""
    world.sagemaker.open_tokens.add(token())
    body = {"token": token(), "pipelineExecutionArn": EXECUTION_ARN, "status": "Executing"}
    return world.raw_record(json.dumps({**body, "arguments": {"role": ROLE, "eoj_arn": ARN, **arguments}}))


@pytest.mark.parametrize(
    ("changes", "input_config"),
    [
        ({}, INPUT),
        ({"eoj_config": json.dumps(JOB), "eoj_input_config": json.dumps(INPUT)}, INPUT),
        ({"eoj_config": JOB, "eoj_input_config": INPUT}, INPUT),
        ({"eoj_input_config": OTHER}, {"PreviousEarthObservationJobArn": OTHER}),
    ],
    ids=["text of Python", "JSON", "mapping", "results of another job"],
)
def test_start_asks_for_the_job_and_returns_its_arn(service: StubbedService, changes: Any, input_config: Any) -> None:
    request = {"Name": "mapping", "ExecutionRoleArn": ROLE, "JobConfig": JOB, "InputConfig": input_config}
    service.stub.add_response("start_earth_observation_job", STARTED, {**request, "ClientToken": ANY})
    assert handler.handle(start_event(**changes), service.invocation) == {"statusCode": "200", "eoj_arn": ARN}


@pytest.mark.parametrize("text", ["{", "__import__('os')", "[1]", "x" * 10])
def test_a_configuration_that_cannot_be_read_is_named(service: StubbedService, text: str) -> None:
    with pytest.raises(MalformedInputError, match="eoj_config"):
        handler.handle(start_event(eoj_config=text), service.invocation)
    with pytest.raises(MalformedInputError, match="eoj_input_config is missing"):
        handler.handle(start_event(eoj_input_config=None), service.invocation)


def test_a_job_that_an_earlier_attempt_has_started_is_found(service: StubbedService) -> None:
    for _ in range(8):
        service.stub.add_client_error("start_earth_observation_job", "ConflictException", http_status_code=409)
    summary = {key: STARTED[key] for key in ("Arn", "CreationTime", "DurationInSeconds", "Name", "Status")}
    listed = [{**summary, "OperationType": "LAND_COVER_SEGMENTATION"}]
    service.stub.add_response("list_earth_observation_jobs", {"EarthObservationJobSummaries": [], "NextToken": "2"}, {})
    service.stub.add_response(
        "list_earth_observation_jobs", {"EarthObservationJobSummaries": listed}, {"NextToken": "2"}
    )
    service.describe("IN_PROGRESS")
    assert handler.handle(start_event(), service.invocation)["eoj_arn"] == ARN


def test_export_returns_once_the_export_shows(service: StubbedService) -> None:
    request = {"Arn": ARN, "ExecutionRoleArn": ROLE, "OutputConfig": OUTPUT, "ClientToken": ANY}
    response = {
        "Arn": ARN,
        "CreationTime": CREATED,
        "ExecutionRoleArn": ROLE,
        "ExportStatus": "IN_PROGRESS",
        "OutputConfig": OUTPUT,
    }
    service.stub.add_response("export_earth_observation_job", response, request)
    service.describe("COMPLETED")
    service.describe("COMPLETED", "IN_PROGRESS")
    event = {"eoj_arn": ARN, "role": ROLE, "eoj_export_config": str(OUTPUT)}
    assert handler.handle(event, service.invocation) == {"statusCode": "200", "eoj_arn": ARN}


@pytest.mark.parametrize(
    ("phase", "status", "export", "answer"),
    [
        ({}, "COMPLETED", "", ("success", {"eoj_status": "COMPLETED"})),
        ({}, "COMPLETED", "SUCCEEDED", ("success", {"eoj_status": "COMPLETED", "export_eoj_status": "SUCCEEDED"})),
        ({"phase": "job"}, "COMPLETED", "IN_PROGRESS", ("success", {"eoj_status": "COMPLETED"})),
        ({}, "STOPPED", "", ("failure", "The earth observation job is STOPPED")),
        ({}, "INITIALIZING", "", None),
        ({}, "COMPLETED", "IN_PROGRESS", None),
        ({"phase": "export"}, "COMPLETED", "", None),
    ],
)
def test_a_callback_is_answered_when_its_job_or_export_is_final(
    world: LambdaWorld, service: StubbedService, phase: Any, status: str, export: str, answer: Any
) -> None:
    service.describe(status, export)
    response = handler.handle({"Records": [record(world, **phase)]}, service.invocation)
    assert world.sagemaker.answers.get(token()) == answer
    assert failed_ids(response) == ([] if answer else ["message-1"])


def test_a_failure_says_what_the_service_says(world: LambdaWorld, service: StubbedService) -> None:
    service.describe("FAILED", ErrorDetails={"Type": "CLIENT_ERROR", "Message": "no images"})
    handler.handle({"Records": [record(world)]}, service.invocation)
    assert world.sagemaker.answers[token()] == (
        "failure",
        "The earth observation job is FAILED: CLIENT_ERROR: no images",
    )
    details = {"ExportResults": {"Type": "SERVER_ERROR", "Message": "disk"}, "ExportSourceImages": {"Message": "late"}}
    job = {"Status": "COMPLETED", "ExportStatus": "FAILED", "ExportErrorDetails": details}
    reason = decide(earth_observation.TYPE, job).reason
    assert reason == "The export of the earth observation job is FAILED: SERVER_ERROR: disk: late"


def test_a_job_that_cannot_be_found_fails_its_step(world: LambdaWorld, service: StubbedService) -> None:
    service.stub.add_client_error("get_earth_observation_job", "ResourceNotFoundException", http_status_code=404)
    handler.handle({"Records": [record(world)]}, service.invocation)
    assert "cannot be found" in world.sagemaker.answers[token()][1]
    with pytest.raises(MalformedInputError, match="eoj_arn is not an ARN of the type earth-observation-job"):
        vector = ARN.replace("earth-observation-job", "vector-enrichment-job")
        earth_observation.check(Callback(token(), REGION, {"eoj_arn": vector}), service.invocation)


def test_a_step_that_is_stopped_stops_its_job(world: LambdaWorld, service: StubbedService) -> None:
    service.stub.add_response("stop_earth_observation_job", {}, {"Arn": ARN})
    message = record(world)
    message["body"] = message["body"].replace("Executing", "Stopping")
    assert handler.handle({"Records": [message]}, service.invocation) == {"batchItemFailures": []}
    assert world.sagemaker.answers[token()][0] == "failure"
