"""The wire protocols against botocore's own serializers and parsers, for every operation of the models we own."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from geopipe_emulator.http.request import Request, Response
from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.protocol.models import service_model, unshared_model
from geopipe_emulator.protocol.parse import parse_json_request, parse_rest_request
from geopipe_emulator.protocol.route import RestRouter
from geopipe_emulator.protocol.validate import validate
from geopipe_emulator.protocol.wire import Protocol

OWNED = ("lambda", "sagemaker-geospatial", "sagemaker")
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ARN = "arn:aws:lambda:us-west-2:123456789012:function:a/b c"


def sample(shape: Shape, depth: int = 0) -> Any:
    """A value of the shape. Recursive shapes end with an empty structure."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False) or depth > 6:
                return {}
            members = list(shape.members.items())
            if getattr(shape, "is_tagged_union", False):
                members = members[:1]
            return {name: sample(member, depth + 1) for name, member in members}
        case "list":
            return [sample(shape.member, depth + 1)]
        case "map":
            return {sample(shape.key): sample(shape.value, depth + 1)}
        case "blob":
            return b"\x00\xffbytes"
        case "timestamp":
            return MOMENT
        case "boolean":
            return True
        case "integer" | "long":
            return 7
        case "float" | "double":
            return 0.5
    return shape.enum[0] if shape.enum else ARN


def operations() -> list[Any]:
    parameters = []
    for name in OWNED:
        model = service_model(name)
        for operation in model.operation_names:
            if name == "sagemaker" and "Pipeline" not in operation and "Tags" not in operation:
                continue
            shapes = (model.operation_model(operation).input_shape, model.operation_model(operation).output_shape)
            if not any(_has_event_stream(shape) for shape in shapes):
                parameters.append(pytest.param(name, operation, id=f"{name}-{operation}"))
    return parameters


def _has_event_stream(shape: Shape | None) -> bool:
    members = shape.members.values() if shape is not None else ()
    return any(getattr(member, "is_eventstream", member.serialization.get("eventstream", False)) for member in members)


def to_request(serialized: dict[str, Any]) -> Request:
    """The request as the HTTP server would hand it on, from botocore's serialized form."""
    body = serialized["body"]
    body = body.encode() if isinstance(body, str) else body.read() if hasattr(body, "read") else body
    query = serialized["query_string"]
    query = query if isinstance(query, str) else urlencode(query, doseq=True)
    uri = serialized["url_path"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": serialized["method"],
        "RAW_URI": uri + (("&" if "?" in uri else "?") + query if query else ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in serialized["headers"].items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return Request(environ)


def parsed_by_botocore(operation: OperationModel, response: Response) -> dict[str, Any]:
    parser = create_parser(operation.service_model.metadata["protocol"])
    body: Any = response.content()
    if operation.has_streaming_output and response.status < 300:
        body = io.BytesIO(body)
    headers = HeadersDict(response.headers)
    parsed: dict[str, Any] = parser.parse(
        {"status_code": response.status, "headers": headers, "body": body, "context": {}}, operation.output_shape
    )
    return parsed


@pytest.mark.parametrize(("service", "name"), operations())
def test_requests_arrive_as_sent(service: str, name: str) -> None:
    operation = service_model(service).operation_model(name)
    parameters = sample(operation.input_shape) if operation.input_shape else {}
    protocol = service_model(service).metadata["protocol"]
    serialized = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, operation)
    request = to_request(serialized)
    match = Protocol(service).match(request)
    assert match is not None
    assert match.operation.name == name
    # The samples ignore lengths and patterns, so only types and places are looked at here.
    if protocol == "json":
        assert parse_json_request(operation, request) == parameters
    else:
        assert parse_rest_request(operation, request, match.labels) == parameters


@pytest.mark.parametrize(("service", "name"), operations())
def test_outputs_arrive_as_returned(service: str, name: str) -> None:
    operation = service_model(service).operation_model(name)
    output = sample(operation.output_shape) if operation.output_shape else {}
    response = Protocol(service).answer(operation, output)
    parsed = parsed_by_botocore(operation, response)
    parsed.pop("ResponseMetadata")
    for member, value in output.items():
        content = parsed[member]
        if hasattr(content, "read"):
            content = content.read()
        assert content == value, member


def request(method: str, uri: str, body: bytes = b"", **headers: str) -> Request:
    environ = {
        "REQUEST_METHOD": method,
        "RAW_URI": uri,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    return Request(environ | {f"HTTP_{name.upper()}": value for name, value in headers.items()})


def parse(service: str, sent: Request) -> dict[str, Any]:
    wire = Protocol(service)
    match = wire.match(sent)
    assert match is not None
    return wire.parse(match, sent)


def test_arn_in_a_path_is_one_label() -> None:
    arn = "arn:aws:sagemaker-geospatial:us-west-2:123456789012:vector-enrichment-job/abcdefghijkl"
    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    assert parse("sagemaker-geospatial", request("GET", f"/vector-enrichment-jobs/{encoded}")) == {"Arn": arn}


def test_unknown_paths_and_targets_match_nothing() -> None:
    assert Protocol("lambda").match(request("GET", "/2015-03-31/nothing")) is None
    assert Protocol("sagemaker").match(request("POST", "/", X_AMZ_TARGET="SageMaker.Nothing")) is None
    assert Protocol("sagemaker").match(request("POST", "/")) is None


def sagemaker_request(operation: str, body: bytes) -> Request:
    return request("POST", "/", body, X_AMZ_TARGET=f"SageMaker.{operation}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Could not parse"),
        (b"[]", "Start of structure"),
        (b'{"PipelineName": 5}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"PipelineName": "p", "Tags": {}}', "STRUCTURE_VALUE cannot be converted to List"),
        (b'{"PipelineName": "p", "ParallelismConfiguration": {"MaxParallelExecutionSteps": true}}', "BOOLEAN_VALUE"),
    ],
)
def test_wrong_types_are_serialization_errors(body: bytes, message: str) -> None:
    with pytest.raises(ServiceError, match=message) as caught:
        parse("sagemaker", sagemaker_request("CreatePipeline", body))
    assert caught.value.code == "SerializationException"


def test_all_problems_are_reported_together_in_the_words_of_aws() -> None:
    body = json.dumps({"PipelineName": "-bad-", "ClientRequestToken": "short", "Unknown": 1, "RoleArn": None})
    with pytest.raises(ServiceError) as caught:
        parse("sagemaker", sagemaker_request("CreatePipeline", body.encode()))
    message = caught.value.message
    assert caught.value.code == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert "Value '-bad-' at 'pipelineName' failed to satisfy constraint: Member must satisfy regular" in message
    assert (
        "Value 'short' at 'clientRequestToken' failed to satisfy constraint: Member must have length greater" in message
    )
    assert "Value null at 'roleArn' failed to satisfy constraint: Member must not be null" in message


def problems(service: str, operation: str, parameters: dict[str, Any]) -> str:
    try:
        validate(service_model(service).operation_model(operation), parameters)
    except ServiceError as error:
        return error.message
    return ""


def test_constraints_inside_lists_and_maps() -> None:
    start = {"PipelineName": "p", "ClientRequestToken": "t" * 32}
    long = {"PipelineParameters": [{"Name": "a", "Value": "x"}, {"Name": "b", "Value": "x" * 1025}]}
    assert "at 'pipelineParameters.2.member.value'" in problems("sagemaker", "StartPipelineExecution", start | long)
    assert problems("sagemaker", "StartPipelineExecution", start) == ""
    tags = {"Resource": "arn:aws:lambda:us-west-2:123456789012:function:f", "Tags": {"k": "v"}}
    assert problems("lambda", "TagResource", tags) == ""
    job = {"Arn": "nonsense"}
    assert "regular expression" in problems("sagemaker-geospatial", "GetVectorEnrichmentJob", job)


def test_enums_and_ranges() -> None:
    message = problems("lambda", "ListFunctions", {"MaxItems": 0, "FunctionVersion": "SOME"})
    assert "Member must have value greater than or equal to 1" in message
    assert "Member must satisfy enum value set: [ALL]" in message


def test_secret_values_are_not_repeated() -> None:
    environment = {"FunctionName": "f", "Environment": {"Variables": {"not a name!": "x"}}}
    assert "not a name!" not in problems("lambda", "UpdateFunctionConfiguration", environment).partition(" at ")[0]


def test_errors_carry_code_message_and_the_models_status() -> None:
    operation = service_model("lambda").operation_model("GetFunction")
    error = ServiceError("ResourceNotFoundException", "Function not found: f")
    response = Protocol("lambda").error(operation, error)
    parsed = parsed_by_botocore(operation, response)
    assert response.status == 404
    assert parsed["Error"] == {"Code": "ResourceNotFoundException", "Message": "Function not found: f"}
    assert json.loads(response.content())["Type"] == "User"


def test_sagemaker_errors_have_no_status_in_the_model() -> None:
    operation = service_model("sagemaker").operation_model("DescribePipeline")
    response = Protocol("sagemaker").error(operation, ServiceError("ResourceNotFound", "gone"))
    assert response.status == 400
    assert parsed_by_botocore(operation, response)["Error"] == {"Code": "ResourceNotFound", "Message": "gone"}


def test_an_unknown_member_of_an_output_is_an_error() -> None:
    operation = service_model("sagemaker").operation_model("DescribePipeline")
    with pytest.raises(TypeError, match="Piplines"):
        Protocol("sagemaker").answer(operation, {"Piplines": []})


def test_streams_are_passed_on_in_chunks() -> None:
    operation = service_model("lambda").operation_model("Invoke")
    stream = io.BytesIO(b"x" * 600_000)
    response = Protocol("lambda").answer(operation, {"StatusCode": 202, "Payload": stream})
    assert not isinstance(response.body, bytes)
    assert response.status == 202
    assert response.content() == b"x" * 600_000
    assert stream.closed


S3_CASES = [
    ("GET", "/", {}, "ListBuckets"),
    ("PUT", "/b", {}, "CreateBucket"),
    ("PUT", "/b?policy", {}, "PutBucketPolicy"),
    ("GET", "/b", {}, "ListObjects"),
    ("GET", "/b?list-type=2&prefix=x%2F", {}, "ListObjectsV2"),
    ("GET", "/b?versions", {}, "ListObjectVersions"),
    ("POST", "/b?delete", {}, "DeleteObjects"),
    ("PUT", "/b/a/b%20c", {}, "PutObject"),
    ("PUT", "/b/k", {"X_AMZ_COPY_SOURCE": "b/j"}, "CopyObject"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", {"X_AMZ_COPY_SOURCE": "b/j"}, "UploadPartCopy"),
    ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
    ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
    ("HEAD", "/b/k", {}, "HeadObject"),
    ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
]


@pytest.fixture(scope="module")
def s3_router() -> RestRouter:
    return RestRouter(unshared_model("s3"))


@pytest.mark.parametrize(("method", "uri", "headers", "operation"), S3_CASES)
def test_s3_requests_are_named(
    s3_router: RestRouter, method: str, uri: str, headers: dict[str, str], operation: str
) -> None:
    match = s3_router.match(request(method, uri, **headers))
    assert match is not None
    assert match.operation.name == operation
    path = urlsplit(uri).path
    assert match.labels.get("Key", "") == path.removeprefix("/b").removeprefix("/").replace("%20", " ")
