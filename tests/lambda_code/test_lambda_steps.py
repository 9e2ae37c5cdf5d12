"""The two Lambda steps: what they ask of the service, what they return, and how long they insist."""

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

import handler
from lambda_fakes import EXECUTION_ARN, ROLE, World, event, job_arn, refusal

START, EXPORT, GET = "StartVectorEnrichmentJob", "ExportVectorEnrichmentJob", "GetVectorEnrichmentJob"
INPUT = {"DataSourceConfig": {"S3Data": {"S3Uri": "s3://geo-bucket/input/sample.csv"}}, "DocumentType": "CSV"}
JOB = {"ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}}
TIMED_OUT = ReadTimeoutError(endpoint_url="https://sagemaker-geospatial.us-west-2.amazonaws.com")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ["start", "start_without_execution", "start_other_language"])
def test_start_asks_for_the_job_and_returns_the_declared_outputs(world: World, name: str) -> None:
    assert handler.handle(event(name), world.invocation()) == {"statusCode": "200", "vej_arn": job_arn()}
    (asked,) = world.geospatial.called(START)
    asked.pop("ClientToken")
    assert asked == {
        "Name": "vej-pipeline-step-1",
        "ExecutionRoleArn": ROLE,
        "InputConfig": INPUT,
        "JobConfig": JOB,
    }
    assert world.regions == [("sagemaker-geospatial", "us-west-2")]


def test_start_without_a_region_uses_the_function_s_own(world: World) -> None:
    handler.handle(event("start") | {"region": None}, world.invocation())
    assert world.regions == [("sagemaker-geospatial", "")]


@pytest.mark.parametrize("name", ["export", "export_without_execution"])
def test_export_returns_the_declared_outputs_once_the_export_shows(world: World, name: str) -> None:
    world.add_job()
    world.geospatial.exports_after = 3
    assert handler.handle(event(name), world.invocation()) == {"statusCode": "200", "vej_arn": job_arn()}
    (asked,) = world.geospatial.called(EXPORT)
    asked.pop("ClientToken")
    assert asked == {
        "Arn": job_arn(),
        "ExecutionRoleArn": ROLE,
        "OutputConfig": {"S3Data": {"S3Uri": "s3://geo-bucket/output/"}},
    }
    assert len(world.geospatial.called(GET)) == 4
    assert world.naps == [0.1, 0.2, 0.4]


def test_an_export_that_never_shows_fails_the_step_before_the_function_times_out(world: World) -> None:
    world.add_job()
    world.geospatial.exports_after = 1_000
    with pytest.raises(TimeoutError, match=f"the export of {job_arn()} did not show"):
        handler.handle(event("export"), world.invocation())
    assert 10 < 30 - world.invocation().remaining() < 20
    assert max(world.naps) == 2.0


def test_an_export_that_failed_at_once_is_left_to_its_callback(world: World) -> None:
    world.add_job(ExportStatus="FAILED")
    assert handler.handle(event("export"), world.invocation())["statusCode"] == "200"


def test_client_tokens_are_the_same_for_the_same_step_of_the_same_execution(world: World) -> None:
    world.add_job()
    for request_id in ("one", "two"):
        handler.handle(event("start"), world.invocation(request_id))
        handler.handle(event("export"), world.invocation(request_id))
    started = [call["ClientToken"] for call in world.geospatial.called(START)]
    exported = [call["ClientToken"] for call in world.geospatial.called(EXPORT)]
    assert started == [sha256(EXECUTION_ARN + "vej-processing-step")] * 2
    assert exported == [sha256(EXECUTION_ARN + "export-vej-step")] * 2


def test_client_tokens_come_from_the_invocation_when_the_execution_is_not_told(world: World) -> None:
    world.add_job()
    for request_id in ("one", "two", "two"):
        handler.handle(event("start_without_execution"), world.invocation(request_id))
    handler.handle(event("export_without_execution"), world.invocation("two"))
    tokens = [call["ClientToken"] for call in world.geospatial.called(START) + world.geospatial.called(EXPORT)]
    assert tokens[1] == tokens[2]
    assert len(set(tokens)) == 3
    assert {len(token) for token in tokens} == {64}


@pytest.mark.parametrize(
    "error",
    [refusal("ThrottlingException", status=429), refusal("InternalServerException", status=500), TIMED_OUT],
    ids=str,
)
@pytest.mark.parametrize(("name", "operation"), [("start", START), ("export", EXPORT), ("export", GET)])
def test_a_passing_error_is_met_with_patience_and_the_same_token(
    world: World, error: Exception, name: str, operation: str
) -> None:
    world.add_job()
    world.geospatial.errors[operation] = [error, error]
    assert handler.handle(event(name), world.invocation())["vej_arn"] == job_arn()
    assert len(world.geospatial.called(operation)) == 3
    assert len({call.get("ClientToken") for call in world.geospatial.called(operation)}) == 1


def test_patience_ends_with_the_function_s_time(world: World) -> None:
    world.geospatial.errors[START] = [refusal("ThrottlingException", status=429)] * 1_000
    with pytest.raises(ClientError, match="ThrottlingException"):
        handler.handle(event("start"), world.invocation())
    assert world.invocation().remaining() > 10


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ServiceQuotaExceededException"])
@pytest.mark.parametrize(("name", "operation"), [("start", START), ("export", EXPORT)])
def test_any_other_error_fails_the_step_at_once(world: World, code: str, name: str, operation: str) -> None:
    world.geospatial.errors[operation] = [refusal(code, "because")]
    with pytest.raises(ClientError, match=f"{code}.*because"):
        handler.handle(event(name), world.invocation())
    assert len(world.geospatial.calls) == 1
    assert not world.naps


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("start", {"role": None}, "role is missing"),
        ("start", {"vej_name": " "}, "vej_name is missing"),
        ("start", {"vej_config": None}, "vej_config is missing"),
        ("start", {"vej_input_config": "{"}, "vej_input_config is not JSON"),
        ("start", {"vej_config": "[]"}, "vej_config must be a JSON object, not list"),
        ("export", {"vej_arn": None}, "vej_arn is missing"),
        ("export", {"vej_arn": "arn:aws:s3:::x"}, "vej_arn is not the ARN of a vector enrichment job"),
        ("export", {"role": ""}, "role is missing"),
        ("export", {"vej_export_config": "no"}, "vej_export_config is not JSON"),
    ],
)
def test_an_incomplete_event_is_refused_by_name(world: World, name: str, change: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        handler.handle(event(name) | change, world.invocation())
    assert not world.geospatial.calls
