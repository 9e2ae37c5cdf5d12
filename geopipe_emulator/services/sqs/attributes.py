"""The attributes of queues: their names and ranges, and how two values compare. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

RANGES = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86400),
    "MaximumMessageSize": (1024, 1048576),
    "MessageRetentionPeriod": (60, 1209600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43200),
}
_FLAGS = {"FifoQueue", "ContentBasedDeduplication", "SqsManagedSseEnabled"}
_DOCUMENTS = {"Policy", "RedrivePolicy", "RedriveAllowPolicy"}
_WORDS = {"KmsMasterKeyId", "DeduplicationScope", "FifoThroughputLimit"}
SETTABLE = {*RANGES, *_FLAGS, *_DOCUMENTS, *_WORDS}


class InvalidAttributeError(Exception):
    """An attribute that AWS refuses. `shape` is the error in the service's model."""

    def __init__(self, shape: str, message: str) -> None:
        super().__init__(message)
        self.shape = shape
        self.message = message


def check_attributes(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name not in SETTABLE:
            raise InvalidAttributeError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if not _is_valid(name, str(value)):
            raise InvalidAttributeError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def dead_letter_target(attributes: Mapping[str, Any]) -> str:
    """Return the ARN in a valid RedrivePolicy; "" without one."""
    policy = attributes.get("RedrivePolicy")
    return json.loads(policy)["deadLetterTargetArn"] if policy else ""


def differing(new: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    """Return the first attribute of `new` that differs from `present`; "" if none does."""
    return next((name for name, value in new.items() if _normal(value) != _normal(present.get(name, ""))), "")


def _is_valid(name: str, value: str) -> bool:
    if name in RANGES:
        least, most = RANGES[name]
        return value.strip().isascii() and value.strip().isdigit() and least <= int(value) <= most
    if name in _FLAGS:
        return value.lower() in ("true", "false")
    if name in _DOCUMENTS and value:
        return _is_valid_document(name, value)
    return True


def _is_valid_document(name: str, value: str) -> bool:
    try:
        document = json.loads(value)
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    return name != "RedrivePolicy" or not document or _is_valid_redrive(document)


def _is_valid_redrive(document: Mapping[str, Any]) -> bool:
    count = str(document.get("maxReceiveCount", ""))
    return "deadLetterTargetArn" in document and count.isdigit() and 1 <= int(count) <= 1000


def _normal(value: Any) -> Any:
    """Documents compare as JSON, numbers and flags as text."""
    text = str(value)
    if text.startswith("{"):
        return {key: str(item) for key, item in json.loads(text).items()}
    return text.lower() if text.lower() in ("true", "false") else text
