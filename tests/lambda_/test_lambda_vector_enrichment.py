"""The two Lambda steps, the verdict on every job status, and every form of a configuration."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

import callbacks
import handler
import vector_enrichment
from geospatial_jobs import decide
from tests.support.lambda_fakes import EXECUTION_ARN, ROLE, LambdaWorld, event, failed_ids, job_arn, refusal, token
from vector_enrichment import TYPE

START, EXPORT, GET = "StartVectorEnrichmentJob", "ExportVectorEnrichmentJob", "GetVectorEnrichmentJob"
LIST = "ListVectorEnrichmentJobs"
INPUT = {"DataSourceConfig": {"S3Data": {"S3Uri": "s3://geo-bucket/input/sample.csv"}}, "DocumentType": "CSV"}
JOB = {"ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}}
TIMED_OUT = ReadTimeoutError(endpoint_url="https://sagemaker-geospatial.us-west-2.amazonaws.com")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ["start", "start_without_execution", "start_other_language"])
def test_start_asks_for_the_job_and_returns_the_declared_outputs(world: LambdaWorld, name: str) -> None:
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


def test_start_without_a_region_uses_the_function_s_own(world: LambdaWorld) -> None:
    handler.handle(event("start") | {"region": None}, world.invocation())
    assert world.regions == [("sagemaker-geospatial", "")]


@pytest.mark.parametrize("name", ["export", "export_without_execution"])
def test_export_returns_the_declared_outputs_once_the_export_shows(world: LambdaWorld, name: str) -> None:
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


def test_an_export_that_never_shows_fails_the_step_before_the_function_times_out(world: LambdaWorld) -> None:
    world.add_job()
    world.geospatial.exports_after = 1_000
    with pytest.raises(TimeoutError, match=f"the export of {job_arn()} did not appear"):
        handler.handle(event("export"), world.invocation())
    assert 10 < 30 - world.invocation().remaining() < 20
    assert max(world.naps) == 2.0


def test_an_export_that_failed_immediately_is_reported_by_its_callback(world: LambdaWorld) -> None:
    world.add_job(ExportStatus="FAILED")
    assert handler.handle(event("export"), world.invocation())["statusCode"] == "200"


def test_client_tokens_are_the_same_for_the_same_step_of_the_same_execution(world: LambdaWorld) -> None:
    world.add_job()
    for request_id in ("one", "two"):
        handler.handle(event("start"), world.invocation(request_id))
        handler.handle(event("export"), world.invocation(request_id))
    started = [call["ClientToken"] for call in world.geospatial.called(START)]
    exported = [call["ClientToken"] for call in world.geospatial.called(EXPORT)]
    assert started == [sha256(EXECUTION_ARN + "vej-processing-step")] * 2
    assert exported == [sha256(EXECUTION_ARN + "export-vej-step")] * 2


def test_client_tokens_come_from_the_invocation_without_an_execution_arn(world: LambdaWorld) -> None:
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
def test_a_transient_error_is_retried_with_the_same_token(
    world: LambdaWorld, error: Exception, name: str, operation: str
) -> None:
    if name == "export":
        world.add_job()
    world.geospatial.errors[operation] = [error, error]
    assert handler.handle(event(name), world.invocation())["vej_arn"] == job_arn()
    assert len(world.geospatial.called(operation)) == 3
    assert len({call.get("ClientToken") for call in world.geospatial.called(operation)}) == 1


def test_retries_end_before_the_function_s_time(world: LambdaWorld) -> None:
    world.geospatial.errors[START] = [refusal("ThrottlingException", status=429)] * 1_000
    with pytest.raises(ClientError, match="ThrottlingException"):
        handler.handle(event("start"), world.invocation())
    assert 2 < world.invocation().remaining() < 10


@pytest.mark.parametrize("code", ["ValidationException", "ServiceQuotaExceededException"])
@pytest.mark.parametrize(("name", "operation"), [("start", START), ("export", EXPORT)])
def test_any_other_error_fails_the_step_immediately(world: LambdaWorld, code: str, name: str, operation: str) -> None:
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
        ("export", {"vej_arn": "arn:aws:s3:::x"}, "vej_arn is not an ARN of the type vector-enrichment-job"),
        ("export", {"role": ""}, "role is missing"),
        ("export", {"vej_export_config": "no"}, "vej_export_config is not JSON"),
    ],
)
def test_an_incomplete_event_is_refused_with_the_key(world: LambdaWorld, name: str, change: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        handler.handle(event(name) | change, world.invocation())
    assert not world.geospatial.calls


# A start or an export that is repeated after a lost response.

CONFLICT = refusal("ConflictException", "the job cannot be changed now", 409)
RESET = EndpointConnectionError(endpoint_url="https://sagemaker-geospatial.us-west-2.amazonaws.com")
LONG_CALLS = [("start", START), ("export", EXPORT)]


def like_the_event(world: LambdaWorld, number: int, **changes: Any) -> str:
    """Returns the ARN of a job as the start event describes it, with changes."""
    described = {"Name": "vej-pipeline-step-1", "ExecutionRoleArn": ROLE, "InputConfig": INPUT, "JobConfig": JOB}
    created = datetime.fromtimestamp(world.now - changes.pop("age", 0), UTC)
    return world.add_job(number, **{"CreationTime": created, "status": "IN_PROGRESS", **described, **changes})


@pytest.mark.parametrize("error", [TIMED_OUT, RESET, CONFLICT, refusal("InternalServerException", status=500)], ids=str)
@pytest.mark.parametrize(("name", "operation"), LONG_CALLS)
def test_a_lost_response_starts_nothing_twice(world: LambdaWorld, error: Exception, name: str, operation: str) -> None:
    jobs = 1 if name == "start" else len([world.add_job()])
    world.geospatial.lost[operation] = [error]
    assert handler.handle(event(name), world.invocation())["vej_arn"] == job_arn()
    assert len(world.geospatial.jobs) == jobs
    assert len({call["ClientToken"] for call in world.geospatial.called(operation)}) == 1


@pytest.mark.parametrize("conflicts", [1, 2, 7])
def test_a_start_in_progress_is_found_by_its_client_token(world: LambdaWorld, conflicts: int) -> None:
    world.geospatial.errors = {START: [CONFLICT] * conflicts, LIST: [refusal("AccessDeniedException", status=403)] * 9}
    assert handler.handle(event("start"), world.invocation())["vej_arn"] == job_arn()
    assert len(world.geospatial.called(START)) == conflicts + 1


@pytest.mark.parametrize("first", [[], [TIMED_OUT], [refusal("ThrottlingException", status=429), RESET]], ids=str)
@pytest.mark.parametrize("place", [1, 2, 3, 5])
def test_a_started_job_is_found_among_others(world: LambdaWorld, first: list[Exception], place: int) -> None:
    for number in range(1, 6):
        like_the_event(world, number, **({} if number == place else {"Name": f"another-{number}"}))
    world.geospatial.errors[START] = [*first, *[CONFLICT] * 1_000]
    assert handler.handle(event("start"), world.invocation())["vej_arn"] == job_arn(place)
    assert world.logged("starting the vector enrichment job: an earlier attempt did it")
    assert len(world.geospatial.called(START)) == len(first) + 8


@pytest.mark.parametrize(
    "changes",
    [
        {"ExecutionRoleArn": f"{ROLE}2"},
        {"InputConfig": {**INPUT, "DataSourceConfig": {"S3Data": {"S3Uri": "s3://geo-bucket/input/other.csv"}}}},
        {"JobConfig": {"ReverseGeocodingConfig": {"XAttributeName": "x", "YAttributeName": "Latitude"}}},
        {"Name": "vej-pipeline-step-10"},
        {"age": 901},
    ],
    ids=str,
)
def test_the_job_of_another_start_is_not_taken(world: LambdaWorld, changes: dict[str, Any]) -> None:
    like_the_event(world, 1, **changes)
    world.geospatial.errors[START] = [CONFLICT] * 1_000
    with pytest.raises(ClientError, match="ConflictException"):
        handler.handle(event("start"), world.invocation())
    assert len(world.geospatial.called(START)) == 8
    assert world.invocation().remaining() > 20


def test_a_job_is_not_taken_while_other_pages_are_unread(world: LambdaWorld) -> None:
    for number in range(1, 6):
        like_the_event(world, number, **({} if number == 1 else {"Name": "another"}))

    def take_long(called: str) -> None:
        world.now += 9 if called == LIST else 0

    world.geospatial.before = take_long
    world.geospatial.errors[START] = [CONFLICT] * 1_000
    with pytest.raises(ClientError, match="ConflictException"):
        handler.handle(event("start"), world.invocation())
    assert 0 < len(world.geospatial.called(LIST)) < 3


def test_neither_of_two_equal_jobs_is_taken(world: LambdaWorld) -> None:
    for number in (1, 2):
        like_the_event(world, number)
    world.geospatial.errors[START] = [CONFLICT] * 1_000
    with pytest.raises(ClientError, match="ConflictException"):
        handler.handle(event("start"), world.invocation())


@pytest.mark.parametrize("seconds", [15, 20, 24])
@pytest.mark.parametrize(("name", "operation"), LONG_CALLS)
def test_a_lost_response_that_took_most_of_the_time_is_looked_up(name: str, operation: str, seconds: float) -> None:
    world = LambdaWorld()
    if name == "start":
        like_the_event(world, 1)
    else:
        world.add_job(ExportStatus="IN_PROGRESS")

    def use_time(called: str) -> None:
        if not world.geospatial.called(operation)[1:]:
            world.now += seconds

    world.geospatial.before = use_time
    world.geospatial.errors[operation] = [TIMED_OUT, *[CONFLICT] * 1_000]
    assert handler.handle(event(name), world.invocation())["vej_arn"] == job_arn()
    assert world.invocation().remaining() > 2


@pytest.mark.parametrize("error", [refusal("AccessDeniedException", "no list", 403), TIMED_OUT], ids=str)
def test_a_job_that_cannot_be_looked_up_leaves_the_conflict(world: LambdaWorld, error: Exception) -> None:
    like_the_event(world, 1)
    world.geospatial.errors = {START: [CONFLICT] * 1_000, LIST: [error] * 1_000}
    with pytest.raises(ClientError, match="ConflictException"):
        handler.handle(event("start"), world.invocation())
    assert world.logged("an earlier attempt could not be looked up")


@pytest.mark.parametrize("error", [refusal("ServiceQuotaExceededException"), refusal("ValidationException")], ids=str)
@pytest.mark.parametrize(("name", "operation"), LONG_CALLS)
def test_another_error_after_a_conflict_fails_the_step(
    world: LambdaWorld, error: Exception, name: str, operation: str
) -> None:
    world.add_job()
    world.geospatial.errors[operation] = [CONFLICT, error]
    with pytest.raises(ClientError) as caught:
        handler.handle(event(name), world.invocation())
    assert caught.value is error


@pytest.mark.parametrize("status", ["IN_PROGRESS", "SUCCEEDED", "FAILED"])
@pytest.mark.parametrize("first", [[], [TIMED_OUT]], ids=str)
def test_an_export_in_progress_is_found_by_the_job_s_state(
    world: LambdaWorld, status: str, first: list[Exception]
) -> None:
    world.add_job(ExportStatus=status)
    world.geospatial.errors[EXPORT] = [*first, *[CONFLICT] * 1_000]
    assert handler.handle(event("export"), world.invocation()) == {"statusCode": "200", "vej_arn": job_arn()}
    assert len(world.geospatial.called(EXPORT)) == len(first) + 8


@pytest.mark.parametrize("status", ["IN_PROGRESS", "STOPPED", "FAILED", "COMPLETED"])
def test_an_export_that_no_attempt_has_started_keeps_its_conflict(world: LambdaWorld, status: str) -> None:
    world.add_job(status=status)
    world.geospatial.errors[EXPORT] = [CONFLICT] * 1_000
    with pytest.raises(ClientError, match="ConflictException"):
        handler.handle(event("export"), world.invocation())
    assert len(world.geospatial.called(EXPORT)) == 8


@pytest.mark.parametrize(
    ("timeout", "read_seconds"), [(900, 20), (30, 20), (25, 20), (20, 16), (10, 6), (6, 2), (3, 1), (1, 1)]
)
@pytest.mark.parametrize(("name", "operation"), LONG_CALLS)
def test_start_and_export_wait_long_for_their_response(
    timeout: float, read_seconds: int, name: str, operation: str
) -> None:
    world = LambdaWorld(timeout)
    world.add_job()
    handler.handle(event(name), world.invocation())
    assert world.read_seconds == [read_seconds, 0][: len(world.read_seconds)]


@pytest.mark.parametrize(("name", "operation"), LONG_CALLS)
@pytest.mark.parametrize("timeout", [10, 30, 60, 900])
def test_repeated_calls_end_within_the_function_s_time(timeout: float, name: str, operation: str) -> None:
    world = LambdaWorld(timeout)
    world.add_job()

    def use_all_time(called: str) -> None:
        world.now += 2 + (world.read_seconds[-1] or 4)

    world.geospatial.before = use_all_time
    world.geospatial.errors[operation] = [TIMED_OUT] * 1_000
    with pytest.raises(ReadTimeoutError):
        handler.handle(event(name), world.invocation())
    assert world.invocation().remaining() > 0
    assert len(world.geospatial.called(operation)) >= (1 if timeout == 10 else 2)


# The whole table: every phase, job state and export state, and both statuses a message can have.

JOB_STATES = ("INITIALIZING", "IN_PROGRESS", "STOPPING", "STOPPED", "COMPLETED", "FAILED", "DELETING", "DELETED")
EXPORT_STATES = (None, "IN_PROGRESS", "SUCCEEDED", "FAILED")
STEP_PHASES = (None, "job", "export")

# The verdicts, written out rather than computed: S success, F failure, . still running.
# Rows: job states in the order above; columns: export states in the order above.
BY_JOB = ["....", "....", "....", "FFFF", "SSSS", "FFFF", "....", "FFFF"]
BY_EXPORT = ["..SF", "..SF", "..SF", "F.SF", "..SF", "F.SF", "..SF", "F.SF"]
BY_EITHER = ["..SF", "..SF", "..SF", "F.SF", "S.SF", "F.SF", "..SF", "F.SF"]
TABLES = {"job": BY_JOB, "export": BY_EXPORT, None: BY_EITHER}
LETTERS = {"success": "S", "failure": "F", "still running": "."}


def expected(phase: str | None, job_state: str, export_state: str | None) -> str:
    return TABLES[phase][JOB_STATES.index(job_state)][EXPORT_STATES.index(export_state)]


def description(job_state: str, export_state: str | None) -> dict[str, Any]:
    return {"Status": job_state} | ({"ExportStatus": export_state} if export_state else {})


def test_decide_returns_the_table() -> None:
    for phase, job_state, export_state in product(STEP_PHASES, JOB_STATES, EXPORT_STATES):
        decision = decide(TYPE, description(job_state, export_state), phase)
        assert LETTERS[decision.outcome] == expected(phase, job_state, export_state), (phase, job_state, export_state)
        assert not decision.stop_job


@pytest.mark.parametrize("message_status", ["Executing", "Stopping"])
def test_callbacks_are_answered_by_the_table(message_status: str) -> None:
    for phase, job_state, export_state in product(STEP_PHASES, JOB_STATES, EXPORT_STATES):
        world = LambdaWorld()
        world.add_job(**{"status": job_state, **({"ExportStatus": export_state} if export_state else {})})
        record = world.record(status=message_status, more_arguments={"phase": phase} if phase else {})
        response = callbacks.answer_batch([record], vector_enrichment, world.invocation())
        letter = "F" if message_status == "Stopping" else expected(phase, job_state, export_state)
        sent = {"success": "S", "failure": "F"}[world.sagemaker.answers[token()][0]] if world.sagemaker.answers else "."
        case = (phase, job_state, export_state)
        assert sent == letter, case
        assert failed_ids(response) == (["message-1"] if letter == "." else []), case
        assert bool(world.geospatial.called("StopVectorEnrichmentJob")) == (message_status == "Stopping"), case


@pytest.mark.parametrize(
    ("phase", "more", "outputs"),
    [("job", {}, {"vej_status": "COMPLETED"}), ("export", {"ExportStatus": "SUCCEEDED"}, {"statusJob": "SUCCEEDED"})],
)
def test_a_success_carries_the_output_its_step_declares(
    world: LambdaWorld, phase: str, more: Any, outputs: Any
) -> None:
    world.add_job(**more)
    callbacks.answer_batch([world.record(more_arguments={"phase": phase})], vector_enrichment, world.invocation())
    assert world.sagemaker.answers[token()] == ("success", outputs)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (
            {"Status": "FAILED", "ErrorDetails": {"ErrorType": "CLIENT_ERROR", "ErrorMessage": "no column X"}},
            "The vector enrichment job is FAILED: CLIENT_ERROR: no column X",
        ),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "why"}}, "The vector enrichment job is FAILED: why"),
        ({"Status": "STOPPED"}, "The vector enrichment job is STOPPED"),
        (
            {
                "Status": "COMPLETED",
                "ExportStatus": "FAILED",
                "ExportErrorDetails": {"Type": "CLIENT_ERROR", "Message": "no such bucket"},
            },
            "The export of the vector enrichment job is FAILED: CLIENT_ERROR: no such bucket",
        ),
    ],
)
def test_a_failure_says_why(details: dict[str, Any], reason: str) -> None:
    assert decide(TYPE, details).reason == reason


@given(phase=st.sampled_from([None, *TYPE.phases]), status=st.text(), export_status=st.none() | st.text())
def test_an_unknown_status_is_still_running(phase: str | None, status: str, export_status: str | None) -> None:
    known = {*JOB_STATES, *EXPORT_STATES}
    if status in known or export_status in known - {None}:
        return
    assert decide(TYPE, {"Status": status, "ExportStatus": export_status}, phase).outcome == "still running"


def test_a_job_without_a_status_is_still_running() -> None:
    assert decide(TYPE, {"Arn": job_arn()}).outcome == "still running"


S3 = {"S3Data": {"S3Uri": "s3://b/k.csv"}}
PLAIN_INPUT = {"DataSourceConfig": S3, "DocumentType": "CSV"}
REVERSE = {"ReverseGeocodingConfig": {"XAttributeName": "lon", "YAttributeName": "lat"}}
MATCHING = {
    "MapMatchingConfig": {
        "IdAttributeName": "i",
        "TimestampAttributeName": "t",
        "XAttributeName": "x",
        "YAttributeName": "y",
    }
}


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    "given_config",
    [
        PLAIN_INPUT,
        {"DataSourceConfig": {**S3, "Type": "S3_DATA"}, "DocumentType": "CSV"},
        {"dataSourceConfig": {"s3Data": {"s3Uri": "s3://b/k.csv", "kmsKeyId": None}}, "documentType": "CSV"},
        {"DataSourceConfig": S3, "DocumentType": {"Value": "CSV"}},
        {"DataSourceConfig": S3},
        S3,
        {"S3Uri": "s3://b/k.csv"},
    ],
)
def test_every_form_of_an_input_config(given_config: dict[str, Any], as_text: bool) -> None:
    value = json.dumps(given_config) if as_text else given_config
    assert vector_enrichment.input_config({"k": value}, "k") == PLAIN_INPUT


@pytest.mark.parametrize("given_config", [S3, {"s3Data": {"s3Uri": "s3://b/k.csv"}}, {"S3Uri": "s3://b/k.csv"}])
def test_every_form_of_an_output_config(given_config: dict[str, Any]) -> None:
    assert vector_enrichment.output_config({"k": given_config}, "k") == S3


@pytest.mark.parametrize(
    ("given_config", "expected"),
    [
        (REVERSE, REVERSE),
        ({"MapMatchingConfig": None, **REVERSE}, REVERSE),
        ({"reverseGeocodingConfig": {"xAttributeName": "lon", "yAttributeName": "lat"}}, REVERSE),
        (MATCHING, MATCHING),
    ],
)
def test_every_form_of_a_job_config(given_config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert vector_enrichment.configuration({"k": given_config}, "k") == expected


def test_unknown_keys_are_left_to_the_service() -> None:
    config = {"KmsKeyId": "key", "S3Uri": "s3://b/o/", "Novelty": 1}
    assert vector_enrichment.configuration({"k": config}, "k") == config
    assert vector_enrichment.output_config({"k": config}, "k") == {"S3Data": {"S3Uri": "s3://b/o/", "KmsKeyId": "key"}}
    assert vector_enrichment.input_config({"k": {**PLAIN_INPUT, "Novelty": 1}}, "k") == {**PLAIN_INPUT, "Novelty": 1}
