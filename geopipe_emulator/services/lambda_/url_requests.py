"""Requests of function URLs as events, and what a function returns as a response: payload format 2.0. Pure.

The shapes are those of the Lambda developer guide, "Invoking Lambda function URLs".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...authorization.principals import find_role_session
from ...http.request import Request, Response
from ...service import RequestContext
from .invocation import InvocationResult

_TEXTUAL = re.compile(r"text/.*|application/(json|xml|javascript|.*\+json|.*\+xml)", re.IGNORECASE)
# The connection itself sets these.
_OF_CONNECTION = ("content-length", "transfer-encoding", "connection")
_OF_SIGNATURE = frozenset({"authorization", "x-amz-security-token"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def url_event(request: Request, context: RequestContext, url_id: str, path: str, *, is_signed: bool) -> bytes:
    """Return the event for a request, as JSON. `path` is the part of the path that follows the id."""
    hidden = {"cookie", "x-geopipe-key"} | (_OF_SIGNATURE if is_signed else frozenset())
    headers = {name: value for name, value in request.headers.items() if name not in hidden}
    cookies = [cookie.strip() for cookie in request.header("Cookie").split(";") if cookie.strip()]
    now = time.time()
    domain = request.header("Host", "127.0.0.1")
    request_context: dict[str, Any] = {
        "accountId": context.account_id if is_signed else "anonymous",
        "apiId": url_id,
        "domainName": domain,
        "domainPrefix": url_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": str(request.environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
            "sourceIp": str(request.environ.get("REMOTE_ADDR", "127.0.0.1")),
            "userAgent": request.header("User-Agent"),
        },
        "requestId": context.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }
    if is_signed:
        request_context["authorizer"] = {"iam": _identity(context)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": request_context,
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in request.query.items()}
    if request.body:
        event |= _body(request)
    return json.dumps(event).encode()


def url_response(result: InvocationResult, request_id: str) -> Response:
    """Return the HTTP response. A function that fails, or returns what is no response, is a 502."""
    if not result.succeeded:
        return _failure(request_id)
    try:
        returned = json.loads(result.result.payload)
    except ValueError:
        return _failure(request_id)
    if not (isinstance(returned, dict) and "statusCode" in returned):
        return _response(200, {}, [], result.result.payload, request_id)
    status, headers = returned["statusCode"], returned.get("headers") or {}
    cookies, text = returned.get("cookies") or [], returned.get("body")
    if not isinstance(headers, Mapping) or not isinstance(cookies, list):
        return _failure(request_id)
    body = text if isinstance(text, str) else "" if text is None else json.dumps(text)
    try:
        content = base64.b64decode(body, validate=True) if returned.get("isBase64Encoded") else body.encode()
        code = int(status)
    except (ValueError, TypeError, binascii.Error):
        return _failure(request_id)
    if not 100 <= code <= 599:
        return _failure(request_id)
    return _response(code, headers, cookies, content, request_id)


def _identity(context: RequestContext) -> dict[str, Any]:
    session = find_role_session(context)
    arn = session.arn if session else f"arn:{context.partition}:iam::{context.account_id}:root"
    return {
        "accessKey": context.access_key_id,
        "accountId": context.account_id,
        "callerId": context.access_key_id if session else context.account_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": arn,
        "userId": context.access_key_id if session else context.account_id,
    }


def _body(request: Request) -> dict[str, Any]:
    kind = request.header("Content-Type").partition(";")[0].strip()
    if _TEXTUAL.fullmatch(kind):
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _response(status: int, headers: Mapping[str, Any], cookies: list[Any], content: bytes, request_id: str) -> Response:
    written = [(str(name), _one_line(value)) for name, value in headers.items() if _HEADER.fullmatch(str(name))]
    written = [(name, value) for name, value in written if name.lower() not in _OF_CONNECTION]
    if "content-type" not in {name.lower() for name, _ in written}:
        written.append(("Content-Type", "application/json"))
    written += [("Set-Cookie", _one_line(cookie)) for cookie in cookies]
    written += [("Content-Length", str(len(content))), ("x-amzn-RequestId", request_id)]
    return Response(status, written, content)


def _one_line(value: Any) -> str:
    """A line break in a header would begin another header."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[\r\n\0]", " ", text)


def _failure(request_id: str) -> Response:
    body = b"Internal Server Error"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return Response(502, [*headers, ("x-amzn-RequestId", request_id)], body)
