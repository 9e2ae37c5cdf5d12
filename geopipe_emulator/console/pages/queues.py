"""Queues: what waits, what is in flight, and what has ended in a dead-letter queue."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...services.sqs.peek import QueuedMessage, QueueView, read_queue, read_queues, take_message
from ..api import AccountApi
from ..masking import MASK, is_secret, show
from ..page import ActionError, ConsolePage, NoPageError

_MOST_MESSAGES = 100
_SHOWN_ATTRIBUTES = (
    "VisibilityTimeout",
    "DelaySeconds",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "FifoQueue",
)


def dead_letters(api: AccountApi) -> list[QueueView]:
    """Return the dead-letter queues that have messages."""
    return [queue for queue in _queues(api) if queue.sources and queue.length]


def queues(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    listed = _queues(api)
    consumers = _consumers(api)
    values = {"queues": [(queue, consumers.get(queue.arn, [])) for queue in listed]}
    return ConsolePage("queues.html.j2", "queues", "Queues", values)


def queue(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    view = _queue(api, names[0])
    values = {
        "queue": view,
        "consumers": _consumers(api).get(view.arn, []),
        "messages": [_fields(message) for message in view.messages],
        "hidden": view.length - len(view.messages),
        "attributes": [(name, str(view.attributes[name])) for name in _SHOWN_ATTRIBUTES if view.attributes.get(name)],
    }
    return ConsolePage("queue.html.j2", "queues", view.name, values)


def _queues(api: AccountApi) -> list[QueueView]:
    return read_queues(api.account_id, api.region)


def _queue(api: AccountApi, name: str, most: int = _MOST_MESSAGES) -> QueueView:
    found = read_queue(api.account_id, api.region, name, most)
    if found is None:
        raise NoPageError(f"There is no queue {name} in {api.region}.")
    return found


def _consumers(api: AccountApi) -> dict[str, list[dict[str, Any]]]:
    """Return the event source mappings by the ARN of their queue."""
    consumers: dict[str, list[dict[str, Any]]] = {}
    for mapping in api.read_all("lambda", "ListEventSourceMappings", "EventSourceMappings"):
        function = mapping["FunctionArn"].split(":function:", 1)[1]
        entry = {"function": function.split(":")[0], "qualified": function, "state": mapping["State"]}
        consumers.setdefault(mapping["EventSourceArn"], []).append(entry)
    return consumers


def _fields(message: QueuedMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "state": message.state,
        "sent": message.sent,
        # Whole seconds, so that an open page changes once a second.
        "seconds": max(int(message.shown_at - time.time()) + 1, 0) if message.shown_at else 0,
        "receive_count": message.receive_count,
        "group": message.group,
        "body": show(message.body),
        "summary": " ".join(show(message.body).split())[:120],
        "attributes": [(name, MASK if is_secret(name) else show(value)) for name, value in message.attributes.items()],
    }


def redrive(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> None:
    """Send a message of a dead-letter queue, or all that wait there, to the queue from which they came."""
    view = _queue(api, names[0], most=sys.maxsize)
    target = form.get("target", "")
    if target not in view.sources:
        raise ActionError(f"{view.name} is not the dead-letter queue of a queue {target}.")
    chosen = form.get("message", "")
    waiting = [message.id for message in view.messages if message.state == "waiting"]
    moved = 0
    for message_id in [chosen] if chosen else waiting:
        moved += _move(api, view.name, target, message_id)
    if not moved:
        raise ActionError("Nothing was sent back: the message is gone, or a consumer works on it.")


def _move(api: AccountApi, name: str, target: str, message_id: str) -> bool:
    """Return whether the message was there. It is back in the dead-letter queue if it cannot be sent."""
    parameters = take_message(api.account_id, api.region, name, message_id)
    if parameters is None:
        return False
    sqs = api.client("sqs")
    try:
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=target)["QueueUrl"], **parameters)
    except (ClientError, BotoCoreError):
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], **parameters)
        raise
    return True
