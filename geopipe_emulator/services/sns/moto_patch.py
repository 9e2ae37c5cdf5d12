"""Publishes to functions and queues. moto keeps topics and subscriptions; it never delivers.

Only what can be delivered is accepted: subscriptions of functions and queues, to topics that are not FIFO.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ...events.delivery import DeadLetters, Delivery, Dispatcher, RetryLimits
from ...events.targets import Target
from ...http.request import Response
from ...protocol.errors import ServiceError, not_emulated
from ...protocol.request_metadata import claimed_parameters
from .messages import (
    TopicMessage,
    check_filter_policy,
    entries_of,
    invalid,
    lambda_event,
    notification,
    passes,
    read_message,
)

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward

PRINCIPAL = "sns.amazonaws.com"
# As AWS retries functions and queues, when they are not available.
_RETRIES = RetryLimits(100_015, 23 * 86_400)
_PROTOCOLS = {"sqs": "sqs", "lambda": "lambda"}
_ATTRIBUTES = ("RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy")
_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
# Text messages and push notifications go nowhere from here.
_NOT_EMULATED = ("CreatePlatformApplication", "CreatePlatformEndpoint", "CreateSMSSandboxPhoneNumber")


class SnsPatch:
    """The moto patch of SNS."""

    service = "sns"

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def handle(self, call: Call, forward: Forward) -> Response:
        """Check what sets up a delivery, publish, and forward the rest."""
        request = _unflattened(claimed_parameters(call.request))
        _refuse_structures(request)
        match call.operation:
            case "CreateTopic":
                if _entries(request).get("FifoTopic", "false").lower() == "true":
                    raise _not_emulated(call, "with FifoTopic")
            case "Subscribe":
                _check_subscription(call, request)
            case "SetSubscriptionAttributes":
                _check_attribute(call, request.get("AttributeName", ""), request.get("AttributeValue", ""))
                self._check_raw_delivery(call, request)
            case "Publish":
                return self._publish(call, request)
            case "PublishBatch":
                return self._publish_batch(call, request)
            case operation if operation in _NOT_EMULATED:
                raise not_emulated("sns", operation)
        return forward(call)

    def stop(self) -> None:
        """Nothing waits here."""

    def _check_raw_delivery(self, call: Call, request: Mapping[str, Any]) -> None:
        subscription = _backend(call).subscriptions.get(request.get("SubscriptionArn", ""))
        if subscription is not None and request.get("AttributeName") == "RawMessageDelivery":
            _refuse_raw_delivery(subscription.protocol, request.get("AttributeValue", ""))

    def _publish(self, call: Call, request: Mapping[str, Any]) -> Response:
        arn = request.get("TopicArn") or request.get("TargetArn") or ""
        if not arn and request.get("PhoneNumber"):
            raise _not_emulated(call, "to a phone number")
        if arn.count(":") > 5:
            raise _not_emulated(call, "to an endpoint of a mobile device")
        _require_topic(call, arn)
        message = self._read(request, arn)
        self._send(call, message)
        return _response(call, f"<MessageId>{message.id}</MessageId>")

    def _publish_batch(self, call: Call, request: Mapping[str, Any]) -> Response:
        arn = request.get("TopicArn", "")
        _require_topic(call, arn)
        entries = entries_of(request, "PublishBatchRequestEntries", "member")
        ids = [str(entry.get("Id", "")) for entry in entries]
        if not 1 <= len(entries) <= 10:
            code = "TooManyEntriesInBatchRequest" if entries else "EmptyBatchRequest"
            raise ServiceError(code, "A batch request has between 1 and 10 entries.")
        if len(set(ids)) < len(ids):
            raise ServiceError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
        successful = failed = ""
        for entry in entries:
            name = f"<Id>{escape(str(entry.get('Id', '')))}</Id>"
            try:
                message = self._read(entry, arn)
            except ServiceError as error:
                details = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
                failed += f"<member>{name}{details}<SenderFault>true</SenderFault></member>"
                continue
            self._send(call, message)
            successful += f"<member>{name}<MessageId>{message.id}</MessageId></member>"
        return _response(call, f"<Successful>{successful}</Successful><Failed>{failed}</Failed>")

    def _read(self, request: Mapping[str, Any], topic_arn: str) -> TopicMessage:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return read_message(request, str(uuid.uuid4()), topic_arn, timestamp)

    def _send(self, call: Call, message: TopicMessage) -> None:
        for subscription in list(_backend(call).subscriptions.values()):
            if subscription.topic.arn == message.topic_arn:
                delivery = _delivery(subscription, message)
                if delivery is not None:
                    self._dispatcher.send(delivery)


def _delivery(subscription: Any, message: TopicMessage) -> Delivery | None:
    """Return what a subscription gets; None if its filter policy keeps the message from it."""
    protocol, attributes = subscription.protocol, subscription.attributes
    policy, scope = attributes.get("FilterPolicy") or "", attributes.get("FilterPolicyScope") or ""
    if not passes(message, protocol, policy, scope):
        return None
    target = Target(subscription.endpoint, PRINCIPAL, message.topic_arn)
    if protocol == "lambda":
        payload = json.dumps(lambda_event(message, subscription.arn))
    elif str(attributes.get("RawMessageDelivery")).lower() == "true":
        payload = message.text_for(protocol)
        target = Target(subscription.endpoint, PRINCIPAL, message.topic_arn, attributes=message.sqs_attributes())
    else:
        payload = json.dumps(notification(message, protocol, subscription.arn), indent=2)
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    dead_letters = DeadLetters(redrive["deadLetterTargetArn"]) if redrive else None
    return Delivery(target, payload, _RETRIES, dead_letters)


def _check_subscription(call: Call, request: Mapping[str, Any]) -> None:
    protocol, endpoint = request.get("Protocol", ""), request.get("Endpoint", "")
    if protocol not in _PROTOCOLS:
        raise _not_emulated(call, f"with protocol {protocol}; topics deliver to sqs and lambda")
    parts = endpoint.split(":")
    noun = "Lambda" if protocol == "lambda" else "SQS"
    if len(parts) < 6 or parts[2] != _PROTOCOLS[protocol]:
        raise invalid(f"{noun} endpoint ARN")
    if parts[4] != call.context.account_id:
        raise _not_emulated(call, f"for account {parts[4]}; the emulated account is {call.context.account_id}")
    attributes = _entries(request)
    for name, value in attributes.items():
        _check_attribute(call, name, value)
    _refuse_raw_delivery(protocol, attributes.get("RawMessageDelivery", ""))


def _check_attribute(call: Call, name: str, value: str) -> None:
    if name not in _ATTRIBUTES:
        raise _not_emulated(call, f"with the attribute {name}")
    if name == "FilterPolicy" and value:
        check_filter_policy(value)
    if name == "FilterPolicyScope" and value not in ("MessageAttributes", "MessageBody"):
        raise invalid("FilterPolicyScope: Invalid value. Please use either MessageBody or MessageAttributes")
    if name == "RedrivePolicy" and value:
        try:
            target = json.loads(value)["deadLetterTargetArn"]
        except (ValueError, TypeError, KeyError) as problem:
            raise invalid("RedrivePolicy: failed to parse JSON.") from problem
        if str(target).split(":")[2:3] != ["sqs"]:
            raise invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")


def _refuse_raw_delivery(protocol: str, value: str) -> None:
    if protocol == "lambda" and value.lower() == "true":
        raise invalid("Attributes Reason: Delivery protocol [lambda] does not support raw message delivery.")


def _require_topic(call: Call, arn: str) -> None:
    if arn not in _backend(call).topics:
        raise ServiceError("NotFound", "Topic does not exist", 404)


def _not_emulated(call: Call, what: str) -> ServiceError:
    message = f"{not_emulated(call.service, call.operation).message.rstrip('.')} {what}."
    return ServiceError("NotImplemented", message, 501)


def _refuse_structures(request: Mapping[str, Any]) -> None:
    """Raise AWS's error for a text that came as a structure."""
    for name in ("TopicArn", "TargetArn", "Protocol", "Endpoint", "AttributeName", "AttributeValue", "SubscriptionArn"):
        if not isinstance(request.get(name, ""), str):
            raise invalid(name)


def _unflattened(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a form with the structure that is in their names, such as `Tags.member.1.Key`."""
    root: dict[str, Any] = {}
    for name, value in parameters.items():
        *path, last = name.split(".")
        node = root
        for part in path:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                break
            node = child
        else:
            node[last] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdecimal() for name in node):
        return [_listed(node[name]) for name in sorted(node, key=int)]
    return {name: _listed(value) for name, value in node.items()}


def _entries(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the map in a request's Attributes."""
    entries = entries_of(request, "Attributes", "entry")
    return {str(entry.get("key", "")): str(entry.get("value", "")) for entry in entries}


def _response(call: Call, result: str) -> Response:
    name = call.operation
    body = (
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result>{result}</{name}Result><ResponseMetadata>'
        f"<RequestId>{call.context.request_id}</RequestId></ResponseMetadata></{name}Response>"
    ).encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    return Response(200, [*headers, ("x-amzn-RequestId", call.context.request_id)], body)


def _backend(call: Call) -> Any:
    from moto.sns.models import sns_backends

    return sns_backends[call.context.account_id][call.context.region]
