"""What a call has changed in a bucket, as S3 reports it: to targets of notifications, and to EventBridge.

The shapes are those of the S3 user guide: "Event message structure" and "EventBridge event message structure".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus
from xml.etree import ElementTree

from ...http.request import Response
from ...service import RequestContext

if TYPE_CHECKING:
    from ...gateway.call import Call

# The event of each operation that changes one object. A deletion depends on whether the bucket has versions.
_EVENTS = {
    "PutObject": "ObjectCreated:Put",
    "PostObject": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "PutObjectTagging": "ObjectTagging:Put",
    "DeleteObjectTagging": "ObjectTagging:Delete",
    "PutObjectAcl": "ObjectAcl:Put",
}
_DELETED, _MARKED = "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"
_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectTagging:Delete": "Object Tags Deleted",
    "ObjectAcl": "Object ACL Updated",
}
_FORM_KEY = re.compile(rb'name="?key"?\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n', re.DOTALL)


@dataclass(frozen=True)
class ObjectChange:
    """One event of one object. `reason` is the operation that caused it; a deleted object has no size."""

    event: str
    key: str
    reason: str
    sequencer: str
    size: int | None = None
    etag: str = ""
    version_id: str = ""

    @property
    def detail_type(self) -> str:
        """Return the type of the event in EventBridge."""
        return _DETAIL_TYPES.get(self.event) or _DETAIL_TYPES[self.event.partition(":")[0]]


class Sequencer:
    """Makes texts whose order is that of the events, in hexadecimal."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:018X}"


def operation_of(call: Call) -> str:
    """Return the operation; PostObject, the upload of a form, is missing in the model of S3."""
    is_form = call.request.header("Content-Type").startswith("multipart/form-data")
    return "PostObject" if call.request.method == "POST" and is_form else call.operation


def key_of(call: Call, key: str) -> str:
    """Return the key that a call is about, which a form has in its body. This must be read before the call."""
    if operation_of(call) != "PostObject":
        return key
    match = _FORM_KEY.search(call.request.body)
    return match[1].decode("utf-8", "replace") if match else ""


def keys_to_delete(call: Call, bucket: Any, key: str) -> dict[str, str]:
    """Return the version ids of the keys that a call is about to delete, by key; "" without one.

    A key that does not exist is no event, so this must be read before the call.
    """
    if call.operation == "DeleteObject":
        wanted = {key: call.request.query.get("versionId", [""])[0]}
    elif call.operation == "DeleteObjects":
        try:
            objects = [e for e in ElementTree.fromstring(call.request.body).iter() if _name(e) == "Object"]
        except ElementTree.ParseError:
            return {}
        wanted = {_text(item, "Key"): _text(item, "VersionId") for item in objects}
    else:
        return {}
    return {name: version for name, version in wanted.items() if name in bucket.keys}


def changes_of(
    call: Call, response: Response, bucket: Any, key: str, deleted: dict[str, str], sequencer: Sequencer
) -> Iterable[ObjectChange]:
    """Yield what a call that succeeded has changed in moto's `bucket`."""
    operation = operation_of(call)
    if operation in ("DeleteObject", "DeleteObjects"):
        failed = _failed_keys(response) if operation == "DeleteObjects" else set()
        for name, version in deleted.items():
            if name not in failed:
                event = _MARKED if bucket.is_versioned and not version else _DELETED
                marker = response.header("x-amz-version-id") if operation == "DeleteObject" else version
                yield ObjectChange(event, name, operation, sequencer.next(), version_id=marker)
    elif operation in _EVENTS:
        entry = bucket.keys.get(key)
        if entry is not None:
            version = entry.version_id if bucket.is_versioned else ""
            etag = (entry.etag or "").strip('"')
            yield ObjectChange(_EVENTS[operation], key, operation, sequencer.next(), entry.size, etag, version or "")


def notification_message(
    change: ObjectChange, bucket: str, configuration_id: str, context: RequestContext, address: str
) -> dict[str, Any]:
    """Return the message for a function, a queue or a topic."""
    entry: dict[str, Any] = {"key": quote_plus(change.key, safe="/")}
    if change.size is not None:
        entry |= {"size": change.size, "eTag": change.etag}
    if change.version_id:
        entry["versionId"] = change.version_id
    is_newer = change.event.startswith(("ObjectTagging", "ObjectAcl"))
    record = {
        "eventVersion": "2.3" if is_newer else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": context.region,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": change.event,
        "userIdentity": {"principalId": f"AWS:{context.account_id}"},
        "requestParameters": {"sourceIPAddress": address},
        "responseElements": {"x-amz-request-id": context.request_id, "x-amz-id-2": context.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": context.account_id},
                "arn": f"arn:{context.partition}:s3:::{bucket}",
            },
            "object": {**entry, "sequencer": change.sequencer},
        },
    }
    return {"Records": [record]}


def event_bridge_detail(change: ObjectChange, bucket: str, context: RequestContext, address: str) -> dict[str, Any]:
    """Return the detail of the event for EventBridge, where the key is not encoded."""
    entry: dict[str, Any] = {"key": change.key}
    if change.size is not None:
        entry |= {"size": change.size, "etag": change.etag}
    if change.version_id:
        entry["version-id"] = change.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {**entry, "sequencer": change.sequencer},
        "request-id": context.request_id,
        "requester": context.account_id,
        "source-ip-address": address,
        "reason": "DeleteObject" if change.detail_type == "Object Deleted" else change.reason,
    }
    if change.detail_type == "Object Deleted":
        detail["deletion-type"] = "Delete Marker Created" if change.event == _MARKED else "Permanently Deleted"
    return detail


def _failed_keys(response: Response) -> set[str]:
    try:
        root = ElementTree.fromstring(response.content())
    except ElementTree.ParseError:
        return set()
    return {_text(element, "Key") for element in root if _name(element) == "Error"}


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(parent: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in parent if _name(child) == name), "")
