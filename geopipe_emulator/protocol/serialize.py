"""Puts an operation's output, or its error, on the wire as a botocore model describes it."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape

from ..http.request import Response
from .errors import ServiceError

Headers = list[tuple[str, str]]
_CHUNK = 256 * 1024


def serialize_json(operation: OperationModel, output: Mapping[str, Any], content_type: str) -> Response:
    """The response in a JSON protocol, where everything is in the body."""
    shape = operation.output_shape
    body = _json_bytes({} if shape is None else _structure(shape, output))
    return Response(200, _headers(content_type, body), body)


def serialize_rest(operation: OperationModel, output: Mapping[str, Any]) -> Response:
    """The response in REST-JSON, where members are in the status, the headers, the payload or the body."""
    status = operation.http.get("responseCode", 200)
    shape = operation.output_shape
    if shape is None:
        return Response(status, _headers("application/json", b""), b"")
    _refuse_unknown(shape, output)
    extra: Headers = []
    in_body: dict[str, Any] = {}
    payload = shape.serialization.get("payload")
    for name, value in output.items():
        member = shape.members[name]
        location = member.serialization.get("location")
        if value is None or name == payload:
            continue
        if location == "statusCode":
            status = int(value)
        elif location == "header":
            extra.append((member.serialization.get("name", name), _header_text(member, value)))
        elif location == "headers":
            prefix = member.serialization.get("name", "")
            extra.extend((prefix + key, str(item)) for key, item in value.items())
        else:
            in_body[member.serialization.get("name", name)] = _json_value(member, value)
    if payload:
        return _payload_response(status, extra, shape.members[payload], output.get(payload))
    body = b"" if status == 204 else _json_bytes(in_body)
    return Response(status, _headers("application/json", body) + extra, body)


def serialize_error(operation: OperationModel | None, error: ServiceError, content_type: str) -> Response:
    """The response with an error. Its code is in the header and the body, since clients read either."""
    shape = _error_shape(operation, error.code)
    members = shape.members if shape is not None else {}
    message_key = next(
        (members[name].serialization.get("name", name) for name in ("Message", "message") if name in members), "message"
    )
    content: dict[str, Any] = {"__type": error.code, message_key: error.message}
    for name, value in error.details.items():
        if name in members:
            content[members[name].serialization.get("name", name)] = _json_value(members[name], value)
    if "Type" in members:
        content["Type"] = "User" if error.status < 500 else "Service"
    status = error.status
    if status == 400 and shape is not None:
        status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    body = _json_bytes(content)
    return Response(status, [*_headers(content_type, body), ("x-amzn-ErrorType", error.code)], body)


def serialize_xml_error(error: ServiceError) -> Response:
    """The response with an error for clients of query and REST-XML services, which cannot read JSON."""
    request_id = str(uuid.uuid4())
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><ErrorResponse><Error><Type>Sender</Type>{inner}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
    return Response(error.status, _headers("text/xml", body), body)


def serialize_s3_error(error: ServiceError, resource: str) -> Response:
    """The response with an error in S3's own XML."""
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    inner += "".join(f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items())
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}<Resource>{escape(resource)}</Resource>"
        f"<RequestId>{uuid.uuid4().hex[:16].upper()}</RequestId></Error>"
    ).encode()
    return Response(error.status, _headers("application/xml", body), body)


def _payload_response(status: int, extra: Headers, shape: Shape, value: Any) -> Response:
    if shape.type_name == "structure":
        body: bytes | Iterable[bytes] = _json_bytes(_structure(shape, value or {}))
        return Response(status, _headers("application/json", body) + extra, body)
    content_type = "" if any(name.lower() == "content-type" for name, _ in extra) else "application/octet-stream"
    body = b"" if value is None else value.encode() if isinstance(value, str) else _stream(value)
    return Response(status, _headers(content_type, body) + extra, body)


def _stream(value: Any) -> bytes | Iterable[bytes]:
    return _chunks(value) if hasattr(value, "read") else bytes(value) if isinstance(value, bytearray) else value


def _chunks(stream: Any) -> Iterator[bytes]:
    try:
        while chunk := stream.read(_CHUNK):
            yield chunk
    finally:
        stream.close()


def _headers(content_type: str, body: bytes | Iterable[bytes]) -> Headers:
    headers = [("x-amzn-RequestId", str(uuid.uuid4()))]
    if content_type:
        headers.insert(0, ("Content-Type", content_type))
    if isinstance(body, bytes):
        headers.append(("Content-Length", str(len(body))))
    return headers


def _structure(shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    if getattr(shape, "is_document_type", False):
        return dict(value)
    _refuse_unknown(shape, value)
    return {
        shape.members[name].serialization.get("name", name): _json_value(shape.members[name], item)
        for name, item in value.items()
        if item is not None
    }


def _refuse_unknown(shape: Shape, value: Mapping[str, Any]) -> None:
    """Raise TypeError: a client would ignore such a member, and the mistake in our handler with it."""
    unknown = [name for name in value if name not in shape.members]
    if unknown:
        raise TypeError(f"{shape.name} has no member {', '.join(unknown)}")


def _json_value(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list":
            return [_json_value(shape.member, item) for item in value]
        case "map":
            return {key: _json_value(shape.value, item) for key, item in value.items() if item is not None}
        case "blob":
            return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        case "timestamp":
            return _timestamp(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return bool(value)
    return str(value)


def _header_text(shape: Shape, value: Any) -> str:
    if shape.type_name == "timestamp":
        return str(_timestamp(value, shape.serialization.get("timestampFormat", "rfc822")))
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return str(value)


def _timestamp(value: Any, form: str) -> str | float:
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(float(value), UTC)
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if form == "iso8601":
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if form == "rfc822":
        return format_datetime(moment, usegmt=True)
    return round(moment.timestamp(), 3)


def _json_bytes(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _error_shape(operation: OperationModel | None, code: str) -> Shape | None:
    if operation is None:
        return None
    for shape in operation.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return shape
    return None
