"""From the wire to parameters, as a botocore model describes them. `validate` checks the model's constraints."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.model import OperationModel, Shape, StructureShape

from ..http.request import Request
from .errors import ServiceError

Parameters = dict[str, Any]

# Levels of JSON: no AWS request comes near, and the parsers of Python and moto end at 1,000.
_DEEPEST = 200
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


def parse_json_request(operation: OperationModel, request: Request) -> Parameters:
    """The parameters in a JSON protocol, where all are in the body."""
    shape = operation.input_shape
    return {} if shape is None else _structure(shape, parse_json_object(request.body))


def parse_rest_request(operation: OperationModel, request: Request, labels: Mapping[str, str]) -> Parameters:
    """The parameters in REST-JSON, where they are in the path, the query, the headers and the body."""
    shape = operation.input_shape
    if shape is None:
        return {}
    parameters: Parameters = {}
    in_body: dict[str, Shape] = {}
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if name == payload:
            value = _payload(member, request)
        elif location is None:
            in_body[name] = member
            continue
        else:
            value = _located(location, name, member, request, labels)
        if value is not None:
            parameters[name] = value
    if in_body and payload is None:
        parameters |= _members(in_body, parse_json_object(request.body))
    return parameters


def _payload(shape: Shape, request: Request) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, parse_json_object(request.body)) if request.body else None
    if shape.type_name == "string":
        return request.body.decode() if request.body else None
    return request.body or None


def _located(location: str, name: str, shape: Shape, request: Request, labels: Mapping[str, str]) -> Any:
    key = shape.serialization.get("name", name)
    if location == "uri":
        return _text_value(shape, labels[key], "iso8601") if key in labels else None
    if location == "querystring":
        return _query_value(shape, key, request)
    if location == "headers":
        prefix = key.lower()
        values = {name[len(key) :]: text for name, text in request.headers.items() if name.startswith(prefix)}
        return values or None
    text = request.header(key)
    return _text_value(shape, text, "rfc822") if text else None


def _query_value(shape: Shape, key: str, request: Request) -> Any:
    if shape.type_name == "map":
        names = [name for name in request.query if name not in ("X-Amz-Signature", "X-Amz-Credential")]
        if shape.value.type_name == "list":
            return {name: request.query[name] for name in names} or None
        return {name: request.query[name][0] for name in names} or None
    values = request.query.get(key)
    if values is None:
        return None
    if shape.type_name == "list":
        return [_text_value(shape.member, value, "iso8601") for value in values]
    return _text_value(shape, values[0], "iso8601")


def _text_value(shape: Shape, text: str, timestamp_format: str) -> Any:
    """The value of a text in a path, a query or a header."""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "blob":
                return base64.b64decode(text, validate=True)
            case "timestamp":
                return _timestamp(text, shape.serialization.get("timestampFormat", timestamp_format))
            case "list":
                return [_text_value(shape.member, item.strip(), timestamp_format) for item in text.split(",")]
    except (ValueError, KeyError, binascii.Error) as problem:
        raise _cannot_convert(text, shape) from problem
    return text


def parse_json_object(body: bytes) -> Parameters:
    """The body as a JSON object. Raises AWS's SerializationException for anything else, and for deep nesting."""
    if not body:
        return {}
    try:
        # Only many brackets can nest deeply, so a large body without them costs nothing here.
        if body.count(b"[") + body.count(b"{") > _DEEPEST and _depth(body) > _DEEPEST:
            raise RecursionError
        content = json.loads(body)
    except RecursionError as problem:
        message = f"The request is nested too deeply: more than {_DEEPEST} levels."
        raise ServiceError("SerializationException", message) from problem
    except ValueError as problem:
        raise ServiceError("SerializationException", f"Could not parse request body into json: {problem}") from problem
    if not isinstance(content, dict):
        raise ServiceError("SerializationException", "Start of structure or map found where not expected.")
    return content


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for token in _BRACKETS.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _structure(shape: StructureShape, value: Any) -> Parameters:
    if not isinstance(value, dict):
        raise _cannot_convert(value, shape)
    if getattr(shape, "is_document_type", False):
        return value
    return _members(shape.members, value)


def _members(members: Mapping[str, Shape], value: Mapping[str, Any]) -> Parameters:
    """The known members. Unknown ones are ignored and nulls count as absent, as on AWS."""
    parameters: Parameters = {}
    for name, member in members.items():
        item = value.get(member.serialization.get("name", name))
        if item is not None:
            parameters[name] = _json_value(member, item)
    return parameters


def _json_value(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list" if isinstance(value, list):
            return [_json_value(shape.member, item) for item in value]
        case "map" if isinstance(value, dict):
            return {key: _json_value(shape.value, item) for key, item in value.items() if item is not None}
        case "string" if isinstance(value, str):
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" | "long" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "integer" | "long" if isinstance(value, float) and value.is_integer():
            return int(value)
        case "float" | "double" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        case "blob" if isinstance(value, str):
            return _blob(shape, value)
        case "timestamp" if not isinstance(value, bool):
            return _json_timestamp(shape, value)
    raise _cannot_convert(value, shape)


def _blob(shape: Shape, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise _cannot_convert("(blob)", shape) from problem


def _json_timestamp(shape: Shape, value: Any) -> datetime:
    try:
        if isinstance(value, str):
            return _timestamp(value, shape.serialization.get("timestampFormat", "iso8601"))
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, TypeError, OverflowError, OSError) as problem:
        raise _cannot_convert(value, shape) from problem


def _timestamp(text: str, form: str) -> datetime:
    if form == "unixTimestamp":
        return datetime.fromtimestamp(float(text), UTC)
    moment = parsedate_to_datetime(text) if form == "rfc822" else datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cannot_convert(value: Any, shape: Shape) -> ServiceError:
    names = {str: "STRING", bool: "BOOLEAN", int: "NUMBER", float: "NUMBER", list: "LIST", dict: "STRUCTURE"}
    return ServiceError(
        "SerializationException",
        f"{names.get(type(value), 'VALUE')}_VALUE cannot be converted to {shape.type_name.capitalize()}",
    )
