"""The AWS that the Lambda code sees in tests: small services with state, which refuse what AWS refuses.

Parameters are checked against botocore's own models, errors are botocore's own classes, and time passes only when
the code sleeps or a call takes long.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from aws import FunctionSettings, InvocationContext
from log import JsonLog
from tests.support.paths import ROOT

REGION = "us-west-2"
ACCOUNT = "123456789012"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/callbacks"
DEAD_LETTER_QUEUE_URL = f"{QUEUE_URL}-dead"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:callbacks"
DEAD_LETTER_QUEUE_ARN = f"{QUEUE_ARN}-dead"
EXECUTION_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/geo/execution/f8xmafpxx3ke"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExampleRole"
NOW = 1_800_000_000.0


def job_arn(number: int = 1) -> str:
    return f"arn:aws:sagemaker-geospatial:{REGION}:{ACCOUNT}:vector-enrichment-job/job{number:09}"


def token(number: int = 1) -> str:
    return f"Token{number:05}"


def refusal(code: str, message: str = "no", status: int = 400, operation: str = "Operation") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "tests/lambda_/events" / f"{name}.json").read_text("utf-8"))
    return loaded


@cache
def _model(service: str) -> ServiceModel:
    loader = botocore.session.Session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def _check(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Refuse what botocore itself would not send."""
    report = ParamValidator().validate(parameters, _model(service).operation_model(operation).input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


@dataclass
class FakeService:
    """What the fakes share: a record of calls, and errors by operation, which are raised in their order.

    `errors` are raised instead of an effect, `lost` after it: then only the response is missing.
    """

    name: str
    region: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda operation: None

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == operation]

    def begin(self, operation: str, parameters: dict[str, Any]) -> None:
        _check(self.name, operation, parameters)
        self.calls.append((operation, dict(parameters)))
        self.before(operation)
        if self.errors.get(operation):
            raise self.errors[operation].pop(0)

    def respond(self, operation: str, response: dict[str, Any]) -> dict[str, Any]:
        if self.lost.get(operation):
            raise self.lost[operation].pop(0)
        return response


@dataclass
class Geospatial(FakeService):
    """Jobs by ARN. `exports_after` is how many reads it takes until an export shows."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports_after: int = 0
    now: Callable[[], float] = lambda: NOW
    page_size: int = 2
    started: dict[str, str] = field(default_factory=dict)
    _awaited: dict[str, int] = field(default_factory=dict)

    def start_vector_enrichment_job(self, **parameters: Any) -> dict[str, Any]:
        self.begin("StartVectorEnrichmentJob", parameters)
        client_token = parameters.pop("ClientToken")
        if client_token not in self.started:
            arn = self.started[client_token] = job_arn(len(self.jobs) + 1)
            created = datetime.fromtimestamp(self.now(), UTC)
            self.jobs[arn] = {"Arn": arn, "Status": "INITIALIZING", "CreationTime": created, **parameters}
        response = {"Arn": self.started[client_token], "Status": "INITIALIZING"}
        return self.respond("StartVectorEnrichmentJob", response)

    def list_vector_enrichment_jobs(self, **parameters: Any) -> dict[str, Any]:
        self.begin("ListVectorEnrichmentJobs", parameters)
        first = int(parameters.get("NextToken", 0))
        listed = list(self.jobs.values())
        keys = ("Arn", "CreationTime", "Name", "Status")
        summaries = [{key: job[key] for key in keys} for job in listed[first : first + self.page_size]]
        more = first + self.page_size < len(listed)
        return {"VectorEnrichmentJobSummaries": summaries} | (
            {"NextToken": str(first + self.page_size)} if more else {}
        )

    def get_vector_enrichment_job(self, **parameters: Any) -> dict[str, Any]:
        self.begin("GetVectorEnrichmentJob", parameters)
        arn = parameters["Arn"]
        if arn not in self.jobs:
            raise refusal("ResourceNotFoundException", f"no job {arn}", 404)
        if arn in self._awaited:
            self._awaited[arn] -= 1
            if self._awaited[arn] < 0:
                self.jobs[arn].setdefault("ExportStatus", "IN_PROGRESS")
        return dict(self.jobs[arn])

    def stop_vector_enrichment_job(self, **parameters: Any) -> dict[str, Any]:
        self.begin("StopVectorEnrichmentJob", parameters)
        return {}

    def export_vector_enrichment_job(self, **parameters: Any) -> dict[str, Any]:
        self.begin("ExportVectorEnrichmentJob", parameters)
        self._awaited[parameters["Arn"]] = self.exports_after
        response = {"Arn": parameters["Arn"], "ExportStatus": "IN_PROGRESS"}
        return self.respond("ExportVectorEnrichmentJob", response)


@dataclass
class SageMaker(FakeService):
    """Callback tokens: an open one can be answered once; unknown and used ones are refused."""

    open_tokens: set[str] = field(default_factory=set)
    answers: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def send_pipeline_execution_step_success(self, **parameters: Any) -> dict[str, Any]:
        self.begin("SendPipelineExecutionStepSuccess", parameters)
        outputs = {output["Name"]: output["Value"] for output in parameters["OutputParameters"]}
        if any(len(name) > 256 or len(value) > 1024 for name, value in outputs.items()):
            raise refusal("ValidationException", "an output is too long")
        return self._answer(parameters["CallbackToken"], "success", outputs)

    def send_pipeline_execution_step_failure(self, **parameters: Any) -> dict[str, Any]:
        self.begin("SendPipelineExecutionStepFailure", parameters)
        if len(parameters["FailureReason"]) > 256:
            raise refusal("ValidationException", "the reason is too long")
        parameters["FailureReason"].encode()
        return self._answer(parameters["CallbackToken"], "failure", parameters["FailureReason"])

    def _answer(self, callback_token: str, outcome: str, content: Any) -> dict[str, Any]:
        if not (len(callback_token) == 10 and callback_token.isascii() and callback_token.isalnum()):
            raise refusal("ValidationException", f"{callback_token} is no token")
        if callback_token in self.answers:
            raise refusal("ConflictException", f"{callback_token} was used")
        if callback_token not in self.open_tokens:
            raise refusal("ResourceNotFound", f"{callback_token} is unknown")
        self.answers[callback_token] = (outcome, content)
        return {"PipelineExecutionArn": EXECUTION_ARN}


@dataclass
class Sqs(FakeService):
    def change_message_visibility(self, **parameters: Any) -> dict[str, Any]:
        self.begin("ChangeMessageVisibility", parameters)
        return {}


class LambdaWorld:
    """One account with a clock: 30 s for an invocation, as deployed."""

    def __init__(self, timeout: float = 30.0) -> None:
        self.geospatial = Geospatial("sagemaker-geospatial", REGION, now=lambda: self.now)
        self.sagemaker = SageMaker("sagemaker", REGION)
        self.sqs = Sqs("sqs", REGION)
        self.regions: list[tuple[str, str]] = []
        self.read_seconds: list[int] = []
        self.client_errors: dict[str, list[Exception]] = {}
        self.now = NOW
        self.ends = NOW + timeout
        self.timeout = timeout
        self.naps: list[float] = []
        self.lines: list[str] = []
        self.settings = FunctionSettings(QUEUE_URL, DEAD_LETTER_QUEUE_URL, 3600)

    def client(self, service: str, region: str, read_seconds: int) -> Any:
        self.regions.append((service, region))
        self.read_seconds.append(read_seconds)
        if self.client_errors.get(service):
            raise self.client_errors[service].pop(0)
        known: Mapping[str, Any] = {"sagemaker-geospatial": self.geospatial, "sagemaker": self.sagemaker}
        return known.get(service, self.sqs)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def invocation(self, request_id: str = "0f9e7f0c-1111-2222-3333-444455556666") -> InvocationContext:
        return InvocationContext(
            clients=self.client,
            settings=self.settings,
            log=JsonLog(request_id, self.lines.append),
            request_id=request_id,
            total=self.timeout,
            remaining=lambda: self.ends - self.now,
            now=lambda: self.now,
            sleep=self.sleep,
        )

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["message"] == message]

    def add_job(self, number: int = 1, status: str = "COMPLETED", **more: Any) -> str:
        self.geospatial.jobs[job_arn(number)] = {"Arn": job_arn(number), "Status": status, **more}
        return job_arn(number)

    def record(self, number: int = 1, age: float = 100.0, queue_arn: str = QUEUE_ARN, **body: Any) -> dict[str, Any]:
        """A message about job `number`; its token is open. Entries of `body` are put over the usual ones."""
        self.sagemaker.open_tokens.add(token(number))
        arguments = {"role": ROLE, "region": REGION, "vej_arn": job_arn(number)} | body.pop("more_arguments", {})
        usual = {"token": token(number), "pipelineExecutionArn": EXECUTION_ARN, "arguments": arguments}
        return self.raw_record(json.dumps({**usual, "status": "Executing", **body}), number, age, queue_arn)

    def raw_record(self, body: Any, number: int = 1, age: float = 100.0, queue_arn: str = QUEUE_ARN) -> dict[str, Any]:
        return {
            "messageId": f"message-{number}",
            "receiptHandle": f"Receipt+Handle/{number}",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int((self.now - age) * 1000)),
                "SenderId": "AIDAEXAMPLE",
                "ApproximateFirstReceiveTimestamp": str(int(self.now * 1000)),
            },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": REGION,
        }


def failed_ids(response: Mapping[str, Any]) -> list[str]:
    return [entry["itemIdentifier"] for entry in response["batchItemFailures"]]


GET, STOP = "GetVectorEnrichmentJob", "StopVectorEnrichmentJob"
SUCCESS, FAILURE = "SendPipelineExecutionStepSuccess", "SendPipelineExecutionStepFailure"
VISIBILITY = "ChangeMessageVisibility"
_URL = f"https://sagemaker-geospatial.{REGION}.amazonaws.com"

# A callback waits after these: none says that the next attempt would fail the same way.
TRY_LATER: tuple[Exception, ...] = (
    refusal("ThrottlingException", status=429),
    refusal("AccessDeniedException", status=403),
    refusal("InternalServerException", status=500),
    refusal("SomethingNew", status=418),
    ClientError({}, "Operation"),
    ConnectTimeoutError(endpoint_url=_URL),
    ReadTimeoutError(endpoint_url=_URL),
    EndpointConnectionError(endpoint_url=_URL),
    NoCredentialsError(),
)
