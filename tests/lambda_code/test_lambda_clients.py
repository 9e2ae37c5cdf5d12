"""The real boto3 clients, answered before a request leaves the process: what would go over the wire."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

import handler
from clients import SLOWEST_CALL_SECONDS, Clients
from invocation import Invocation, margin_of
from lambda_fakes import EXECUTION_ARN, QUEUE_URL, World, event, job_arn, token

CREDENTIALS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "none", "aws_session_token": "none"}


class Body:
    """The least that botocore reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self._content


class Wire:
    """Clients whose requests are kept and answered from a table of (path or target) → (status, answer)."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        self.answers = answers
        self.requests: list[AWSRequest] = []
        self.clients = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))

    def __call__(self, service: str, region: str) -> Any:
        client = self.clients(service, region)
        client.meta.events.register("before-send", self._answer, unique_id="wire")
        return client

    def _answer(self, request: AWSRequest, **kwargs: Any) -> AWSResponse:
        self.requests.append(request)
        target = request.headers.get("X-Amz-Target", b"")
        name = (target.decode() if isinstance(target, bytes) else target) or request.url.partition(".com")[2]
        status, answer = next(self.answers[key] for key in self.answers if key in name)
        if status == 0:
            raise ReadTimeoutError(endpoint_url=request.url)
        code = {"x-amzn-errortype": answer["__type"]} if status >= 400 else {}
        return AWSResponse(request.url, status, code, Body(json.dumps(answer).encode()))

    def invocation(self, world: World) -> Invocation:
        usual = world.invocation()
        return Invocation(self, usual.settings, usual.log, "id", lambda: 30.0, margin_of(30.0), usual.now, usual.sleep)

    def sent(self) -> list[tuple[str, Any]]:
        return [(r.url, json.loads(r.body) if r.body else None) for r in self.requests]


JOBS = "/vector-enrichment-jobs"
ENDPOINT = "https://sagemaker-geospatial.us-west-2.amazonaws.com"
DESCRIPTION = {"Arn": job_arn(), "Status": "COMPLETED", "Name": "n", "Type": "REVERSE_GEOCODING"}


def test_a_finished_job_s_callback_on_the_wire(world: World) -> None:
    wire = Wire({JOBS: (200, DESCRIPTION), "StepSuccess": (200, {"PipelineExecutionArn": EXECUTION_ARN})})
    assert handler.handle(event("callback_job"), wire.invocation(world)) == {"batchItemFailures": []}
    (look, _), (_, success) = wire.sent()
    assert look == f"{ENDPOINT}{JOBS}/{job_arn().replace(':', '%3A').replace('/', '%2F')}"
    assert success.pop("ClientRequestToken")
    assert success == {
        "CallbackToken": token(),
        "OutputParameters": [{"Name": "vej_status", "Value": "COMPLETED"}],
    }


def test_a_busy_job_s_callback_on_the_wire(world: World) -> None:
    busy = DESCRIPTION | {"Status": "IN_PROGRESS"}
    wire = Wire({JOBS: (200, busy), "ChangeMessageVisibility": (200, {})})
    answer = handler.handle(event("callback_job"), wire.invocation(world))
    assert len(answer["batchItemFailures"]) == 1
    receipt = event("callback_job")["Records"][0]["receiptHandle"]
    assert wire.sent()[1][1] == {"QueueUrl": QUEUE_URL, "ReceiptHandle": receipt, "VisibilityTimeout": 16}


def test_start_on_the_wire(world: World) -> None:
    wire = Wire({JOBS: (201, DESCRIPTION | {"Status": "INITIALIZING"})})
    assert handler.handle(event("start_other_language"), wire.invocation(world))["vej_arn"] == job_arn()
    ((url, body),) = wire.sent()
    assert url == f"{ENDPOINT}{JOBS}"
    assert body["JobConfig"] == {
        "ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}
    }
    assert body["InputConfig"]["DocumentType"] == "CSV"


def test_export_on_the_wire(world: World) -> None:
    shown = DESCRIPTION | {"ExportStatus": "IN_PROGRESS"}
    wire = Wire({"/export-vector-enrichment-jobs": (200, shown), JOBS: (200, shown)})
    assert handler.handle(event("export"), wire.invocation(world))["statusCode"] == "200"
    assert [url.removeprefix(ENDPOINT)[:30] for url, _ in wire.sent()] == [
        "/export-vector-enrichment-jobs",
        f"{JOBS}/arn%3A"[:30],
    ]


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
def test_errors_as_botocore_raises_them(world: World, status: int, code: str, settled: bool) -> None:
    wire = Wire(
        {
            JOBS: (status, {"__type": code, "message": "no"}),
            "StepFailure": (200, {}),
            "ChangeMessageVisibility": (200, {}),
        }
    )
    answer = handler.handle(event("callback_job"), wire.invocation(world))
    assert (answer["batchItemFailures"] == []) is settled
    looks = [url for url, _ in wire.sent() if JOBS in url]
    assert len(looks) == (2 if status in (0, 429, 500) else 1)


def test_clients_are_made_once_for_each_service_and_region() -> None:
    clients = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))
    assert clients("sqs", "") is clients("sqs", "us-west-2")
    assert clients("sqs", "eu-west-1") is not clients("sqs", "")
    assert clients("sqs", "eu-west-1").meta.region_name == "eu-west-1"


def test_the_slowest_call_leaves_time_for_one_more_in_thirty_seconds() -> None:
    config = Clients("us-west-2", boto3.session.Session(**CREDENTIALS))("sqs", "").meta.config
    attempts = config.retries["total_max_attempts"]
    assert (config.connect_timeout + config.read_timeout) * attempts < SLOWEST_CALL_SECONDS
    assert 2 * SLOWEST_CALL_SECONDS < 30
