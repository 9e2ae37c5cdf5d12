"""SQS's JSON protocol, as far as the moto patch reads and writes it itself."""

from __future__ import annotations

import json
import uuid
from typing import Any

from ...http.request import Request, Response

Parameters = dict[str, Any]

_CONTENT_TYPE = "application/x-amz-json-1.0"
# Errors whose code in the older query protocol differs. SDKs show that code, and keep the other one as well.
_QUERY_CODES = {
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueNameExists": "QueueAlreadyExists",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
}


def read_parameters(request: Request) -> Parameters:
    return _object(request.body)


def read_content(response: Response) -> Parameters:
    return _object(response.content())


def _object(body: bytes) -> Parameters:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def attributes_of_aws(response: Response) -> Response:
    """Write the attributes of a queue as AWS does: timestamps in whole seconds, and the redrive policy without spaces.

    Terraform compares the policy as text.
    """
    content = read_content(response)
    attributes = content.get("Attributes", {})
    for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
        if name in attributes:
            attributes[name] = attributes[name].partition(".")[0]
    if "RedrivePolicy" in attributes:
        policy = json.loads(attributes["RedrivePolicy"])
        attributes["RedrivePolicy"] = json.dumps(policy, separators=(",", ":"))
    return response.with_content(json.dumps(content).encode()) if attributes else response


def answer(content: Parameters) -> Response:
    body = json.dumps(content).encode()
    return Response(200, [("Content-Type", _CONTENT_TYPE), ("Content-Length", str(len(body)))], body)


def answer_error(shape: str, message: str, status: int = 400) -> Response:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{shape}", "message": message}).encode()
    headers = [
        ("Content-Type", _CONTENT_TYPE),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("x-amzn-query-error", f"{_QUERY_CODES.get(shape, shape)};Sender"),
    ]
    return Response(status, headers, body)
