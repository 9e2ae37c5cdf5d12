"""Operation and parameters of a request as it states them, read without the service's model."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from ..http.request import Request

FORM = "application/x-www-form-urlencoded"


def claimed_operation(request: Request) -> str:
    """The operation's name in JSON, query and RPC protocols; method and path in REST, where requests name none."""
    target = request.header("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    if request.path.startswith("/service/") and "/operation/" in request.path:
        return request.path.rpartition("/")[2]
    if "Action" in request.query:
        return request.query["Action"][0]
    if is_form(request):
        return parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
    return f"{request.method} {request.path}"


def claimed_parameters(request: Request) -> dict[str, Any]:
    """The parameters of the query and of a form or JSON body, by their names on the wire."""
    parameters: dict[str, Any] = {name: values[0] for name, values in request.query.items()}
    if is_form(request):
        return parameters | dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if not request.header("X-Amz-Target"):
        return parameters
    try:
        content = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return parameters
    return parameters | content if isinstance(content, dict) else parameters


def is_form(request: Request) -> bool:
    """Whether the body is a form, as in the query protocol."""
    return request.header("Content-Type").startswith(FORM)
