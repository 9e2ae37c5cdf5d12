"""Settings, and what the real boto3 clients send: a table responds before a request leaves the process."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import IncompleteReadError, ReadTimeoutError

import handler
from aws import SLOWEST_CALL_SECONDS, Clients, ErrorKind, FunctionSettings, InvocationContext, error_kind
from tests.support.lambda_fakes import (
    DEAD_LETTER_QUEUE_ARN,
    DEAD_LETTER_QUEUE_URL,
    EXECUTION_ARN,
    QUEUE_ARN,
    QUEUE_URL,
    LambdaWorld,
    event,
    job_arn,
    refusal,
    token,
)

pytestmark = pytest.mark.slow

CREDENTIALS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "none", "aws_session_token": "none"}


class Body:
    """The least that botocore needs to read a response."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self._content


class ClientWire:
    """Clients that record requests and respond from a table of (path or target) → (status, response)."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        self.answers = answers
        self.requests: list[AWSRequest] = []
        self.clients = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))

    def __call__(self, service: str, region: str, read_seconds: int) -> Any:
        client = self.clients(service, region, read_seconds)
        client.meta.events.register("before-send", self._answer, unique_id="wire")
        return client

    def _answer(self, request: AWSRequest, **kwargs: Any) -> AWSResponse:
        self.requests.append(request)
        target = request.headers.get("X-Amz-Target", b"")
        name = (target.decode() if isinstance(target, bytes) else target) or request.url.partition(".com")[2]
        status, response = next(self.answers[key] for key in self.answers if key in name)
        if status == 0:
            raise ReadTimeoutError(endpoint_url=request.url)
        code = {"x-amzn-errortype": response["__type"]} if status >= 400 else {}
        return AWSResponse(request.url, status, code, Body(json.dumps(response).encode()))

    def invocation(self, world: LambdaWorld) -> InvocationContext:
        return dataclasses.replace(world.invocation(), clients=self)

    def sent(self) -> list[tuple[str, Any]]:
        return [(r.url, json.loads(r.body) if r.body else None) for r in self.requests]


JOBS = "/vector-enrichment-jobs"
ENDPOINT = "https://sagemaker-geospatial.us-west-2.amazonaws.com"
DESCRIPTION = {"Arn": job_arn(), "Status": "COMPLETED", "Name": "n", "Type": "REVERSE_GEOCODING"}


def test_a_finished_job_s_callback_on_the_wire(world: LambdaWorld) -> None:
    wire = ClientWire({JOBS: (200, DESCRIPTION), "StepSuccess": (200, {"PipelineExecutionArn": EXECUTION_ARN})})
    assert handler.handle(event("callback_job"), wire.invocation(world)) == {"batchItemFailures": []}
    (read, _), (_, success) = wire.sent()
    assert read == f"{ENDPOINT}{JOBS}/{job_arn().replace(':', '%3A').replace('/', '%2F')}"
    assert success.pop("ClientRequestToken")
    assert success == {
        "CallbackToken": token(),
        "OutputParameters": [{"Name": "vej_status", "Value": "COMPLETED"}],
    }


def test_a_busy_job_s_callback_on_the_wire(world: LambdaWorld) -> None:
    busy = DESCRIPTION | {"Status": "IN_PROGRESS"}
    wire = ClientWire({JOBS: (200, busy), "ChangeMessageVisibility": (200, {})})
    response = handler.handle(event("callback_job"), wire.invocation(world))
    assert len(response["batchItemFailures"]) == 1
    receipt = event("callback_job")["Records"][0]["receiptHandle"]
    assert wire.sent()[1][1] == {"QueueUrl": QUEUE_URL, "ReceiptHandle": receipt, "VisibilityTimeout": 16}


def test_start_on_the_wire(world: LambdaWorld) -> None:
    wire = ClientWire({JOBS: (201, DESCRIPTION | {"Status": "INITIALIZING"})})
    assert handler.handle(event("start_other_language"), wire.invocation(world))["vej_arn"] == job_arn()
    ((url, body),) = wire.sent()
    assert url == f"{ENDPOINT}{JOBS}"
    assert body["JobConfig"] == {
        "ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}
    }
    assert body["InputConfig"]["DocumentType"] == "CSV"


def test_export_on_the_wire(world: LambdaWorld) -> None:
    shown = DESCRIPTION | {"ExportStatus": "IN_PROGRESS"}
    wire = ClientWire({"/export-vector-enrichment-jobs": (200, shown), JOBS: (200, shown)})
    assert handler.handle(event("export"), wire.invocation(world))["statusCode"] == "200"
    assert [url.removeprefix(ENDPOINT)[:30] for url, _ in wire.sent()] == [
        "/export-vector-enrichment-jobs",
        f"{JOBS}/arn%3A"[:30],
    ]


def test_a_start_that_was_done_already_on_the_wire(world: LambdaWorld) -> None:
    started = event("start")
    job = DESCRIPTION | {
        "Status": "IN_PROGRESS",
        "Name": started["vej_name"],
        "CreationTime": world.now - 30,
        "ExecutionRoleArn": started["role"],
        "InputConfig": json.loads(started["vej_input_config"]),
        "JobConfig": json.loads(started["vej_config"]),
    }
    wire = ClientWire(
        {
            "/list-vector-enrichment-jobs": (200, {"VectorEnrichmentJobSummaries": [job]}),
            f"{JOBS}/arn": (200, job),
            JOBS: (409, {"__type": "ConflictException", "message": "is being created"}),
        }
    )
    assert handler.handle(started, wire.invocation(world)) == {"statusCode": "200", "vej_arn": job_arn()}
    paths = [url.removeprefix(ENDPOINT)[: len(JOBS) + 8] for url, _ in wire.sent()]
    assert paths == [*[JOBS] * 8, "/list-vector-enrichment-jobs"[: len(JOBS) + 8], f"{JOBS}/arn%3Aa"]


@pytest.mark.parametrize(
    ("status", "code", "settled"),
    [
        (404, "ResourceNotFoundException", True),
        (400, "ValidationException", True),
        (403, "AccessDeniedException", False),
        (429, "ThrottlingException", False),
        (500, "InternalServerException", False),
        (0, "", False),
    ],
)
def test_errors_as_botocore_raises_them(world: LambdaWorld, status: int, code: str, settled: bool) -> None:
    wire = ClientWire(
        {
            JOBS: (status, {"__type": code, "message": "no"}),
            "StepFailure": (200, {}),
            "ChangeMessageVisibility": (200, {}),
        }
    )
    response = handler.handle(event("callback_job"), wire.invocation(world))
    assert (response["batchItemFailures"] == []) is settled
    reads = [url for url, _ in wire.sent() if JOBS in url]
    assert len(reads) == (2 if status in (0, 429, 500) else 1)


def test_a_client_is_created_once_for_each_service_and_region() -> None:
    clients = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))
    assert clients("sqs", "") is clients("sqs", "us-west-2")
    assert clients("sqs", "eu-west-1") is not clients("sqs", "")
    assert clients("sqs", "eu-west-1").meta.region_name == "eu-west-1"


@pytest.mark.parametrize("read_seconds", [1, 7, 20])
def test_a_client_that_waits_long_makes_one_attempt(read_seconds: int) -> None:
    clients = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))
    config = clients("sagemaker-geospatial", "", read_seconds).meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"]) == (read_seconds, 1)
    assert clients("sagemaker-geospatial", "us-west-2", read_seconds).meta.config is config


def test_the_slowest_call_leaves_time_for_one_more_in_thirty_seconds() -> None:
    config = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))("sqs", "").meta.config
    attempts = config.retries["total_max_attempts"]
    assert (config.connect_timeout + config.read_timeout) * attempts < SLOWEST_CALL_SECONDS
    assert 2 * SLOWEST_CALL_SECONDS < 30


def test_settings_know_their_queues_by_name() -> None:
    settings = FunctionSettings.read({"QUEUE_URL": "http://127.0.0.1:4566/123456789012/callbacks"})
    assert settings.queue_url_of(QUEUE_ARN) == "http://127.0.0.1:4566/123456789012/callbacks"
    assert settings.queue_url_of(DEAD_LETTER_QUEUE_ARN) == settings.queue_url_of("") == ""
    assert not settings.is_dead_letter_queue(DEAD_LETTER_QUEUE_ARN)
    settings = FunctionSettings(QUEUE_URL, DEAD_LETTER_QUEUE_URL)
    assert settings.is_dead_letter_queue(DEAD_LETTER_QUEUE_ARN)
    assert not settings.is_dead_letter_queue(QUEUE_ARN)


def test_the_deadline_comes_from_the_environment() -> None:
    assert FunctionSettings.read({}).callback_deadline_seconds == 57_600
    assert FunctionSettings.read({"CALLBACK_DEADLINE_SECONDS": " 90 "}).callback_deadline_seconds == 90


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "٣"])
def test_a_wrong_deadline_names_its_variable(value: str) -> None:
    with pytest.raises(ValueError, match="CALLBACK_DEADLINE_SECONDS must be"):
        FunctionSettings.read({"CALLBACK_DEADLINE_SECONDS": value})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("403", "Forbidden", 403, "HeadObject"), ErrorKind.DENIED),
        (refusal("404", "Not Found", 404, "HeadObject"), ErrorKind.NOT_FOUND),
        (refusal("503", "Service Unavailable", 503, "HeadObject"), ErrorKind.TRANSIENT),
        (refusal("NoSuchKey", status=404), ErrorKind.NOT_FOUND),
        (refusal("NoSuchBucket", status=404), ErrorKind.OTHER),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), ErrorKind.TRANSIENT),
    ],
)
def test_errors_of_s3_have_a_kind(error: Any, kind: ErrorKind) -> None:
    assert error_kind(error) is kind
