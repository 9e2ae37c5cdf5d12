"""Looks into queues without receiving, and moves a message from a dead-letter queue back.

AWS has no operation that reads a message without a trace. Each read here is a copy: receive counts and visibility stay.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class QueuedMessage:
    """One message. Moments are in seconds since the epoch; `shown_at` is when it becomes visible, 0 if it is."""

    id: str
    body: str
    state: str
    """waiting, in flight or delayed."""
    sent: float
    shown_at: float
    receive_count: int
    group: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class QueueView:
    """One queue: its attributes, how many messages are in each state, and the first of them with their content.

    `dead_letter_queue` and `sources` are the names of the queues at both ends of a redrive policy.
    """

    name: str
    arn: str
    counts: Mapping[str, int]
    messages: tuple[QueuedMessage, ...]
    attributes: Mapping[str, Any]
    dead_letter_queue: str
    sources: tuple[str, ...]

    @property
    def length(self) -> int:
        return sum(self.counts.values())


def read_queues(account_id: str, region: str) -> list[QueueView]:
    """Return all queues of a region, by name, without the content of their messages and without attributes."""
    queues = list(_queues(account_id, region).values())
    return sorted((_view(queue, queues, 0) for queue in queues), key=lambda view: view.name)


def read_queue(account_id: str, region: str, name: str, most: int) -> QueueView | None:
    """Return a queue with its first messages, at most `most`; None if there is no such queue."""
    queues = _queues(account_id, region)
    return _view(queues[name], list(queues.values()), most) if name in queues else None


def take_message(account_id: str, region: str, queue_name: str, message_id: str) -> dict[str, Any] | None:
    """Remove a waiting message from a queue; return what SendMessage needs to send it again.

    None if it is gone or a consumer has it.
    """
    queue = _queues(account_id, region).get(queue_name)
    message = next((m for m in list(queue._messages) if m.id == message_id), None) if queue is not None else None
    if queue is None or message is None or not message.visible or message.delayed:
        return None
    try:
        queue._messages.remove(message)
    except ValueError:  # received and deleted since
        return None
    parameters: dict[str, Any] = {"MessageBody": message.body}
    if message.message_attributes:
        parameters["MessageAttributes"] = {
            name: _attribute(value) for name, value in message.message_attributes.items()
        }
    if message.group_id:
        parameters["MessageGroupId"] = message.group_id
    if message.deduplication_id:
        # The id of the message, since AWS counts it as a new one: the old id would make it a duplicate.
        parameters["MessageDeduplicationId"] = message.id
    return parameters


def _queues(account_id: str, region: str) -> Any:
    from moto.sqs.models import sqs_backends

    return sqs_backends[account_id][region].queues


def _view(queue: Any, queues: list[Any], most: int) -> QueueView:
    target, now, messages = queue.dead_letter_queue, time.time(), list(queue._messages)
    return QueueView(
        queue.name,
        queue.queue_arn,
        Counter(_state(message, now) for message in messages),
        tuple(_message(message, now) for message in messages[:most]),
        # moto counts all messages for these.
        dict(queue.attributes) if most else {},
        target.name if target is not None else "",
        tuple(sorted(other.name for other in queues if other.dead_letter_queue is queue)),
    )


def _state(message: Any, now: float) -> str:
    if message.delayed_until / 1000 > now:
        return "delayed"
    return "in flight" if message.visible_at / 1000 > now else "waiting"


def _message(message: Any, now: float) -> QueuedMessage:
    shown_at = max(message.delayed_until, message.visible_at) / 1000
    return QueuedMessage(
        message.id,
        str(message.body),
        _state(message, now),
        (message.sent_timestamp or 0) / 1000,
        shown_at if shown_at > now else 0.0,
        message.approximate_receive_count,
        message.group_id or "",
        {name: _value(value) for name, value in message.message_attributes.items()},
    )


def _value(attribute: Mapping[str, Any]) -> str:
    return str(attribute.get("StringValue") or attribute.get("BinaryValue") or "")


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute as boto3 takes it, which wants bytes where moto keeps base64."""
    if "BinaryValue" in attribute and attribute["BinaryValue"] is not None:
        binary = attribute["BinaryValue"]
        content = base64.b64decode(binary) if isinstance(binary, str) else bytes(binary)
        return {"DataType": attribute["DataType"], "BinaryValue": content}
    return {"DataType": attribute["DataType"], "StringValue": attribute["StringValue"]}
