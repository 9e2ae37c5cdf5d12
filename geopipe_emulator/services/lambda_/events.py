"""Makes Lambda's event from messages of ReceiveMessage. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any


def sqs_event(messages: Iterable[Mapping[str, Any]], queue_arn: str) -> bytes:
    return json.dumps({"Records": [sqs_record(message, queue_arn) for message in messages]}).encode()


def sqs_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(source) for name, source in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(source: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": source["DataType"]}
    if "StringValue" in source:
        attribute["stringValue"] = source["StringValue"]
    if "BinaryValue" in source:
        attribute["binaryValue"] = base64.b64encode(source["BinaryValue"]).decode()
    return attribute
