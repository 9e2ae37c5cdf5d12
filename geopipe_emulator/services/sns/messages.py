"""Messages of topics: what AWS accepts, and what a function or a queue gets. Pure.

The shapes are those of the SNS developer guide ("HTTP/HTTPS notification JSON format", which queues get, too) and of
the Lambda developer guide ("Invoking Lambda functions with Amazon SNS notifications").
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...events.pattern import ALL_OPERATORS, is_number, is_pattern, matches
from ...protocol.errors import ServiceError

_LARGEST = 262_144
_LONGEST_SUBJECT = 100
_ATTRIBUTE_NAME = re.compile(r"(?!(?i:aws|amazon)\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_OPERATORS = ALL_OPERATORS - {"wildcard"}
# Only AWS can sign a message with AWS's key.
_UNSIGNED = "bm90IHNpZ25lZCBieSB0aGUgZW11bGF0b3I="


@dataclass(frozen=True)
class TopicMessage:
    """One message. `attributes` are those of the request: DataType with StringValue, or BinaryValue in base64."""

    id: str
    topic_arn: str
    timestamp: str
    text: str
    subject: str
    attributes: Mapping[str, Mapping[str, str]]
    is_structured: bool = False
    """Whether the text is JSON with a text for each protocol."""

    def text_for(self, protocol: str) -> str:
        """Return the text that subscriptions of this protocol get."""
        if not self.is_structured:
            return self.text
        texts = json.loads(self.text)
        text = texts.get(protocol, texts["default"])
        return str(text)

    def described_attributes(self) -> dict[str, dict[str, str]]:
        """Return the attributes as they are part of a notification."""
        return {
            name: {"Type": value["DataType"], "Value": value.get("StringValue") or value.get("BinaryValue", "")}
            for name, value in self.attributes.items()
        }

    def sqs_attributes(self) -> dict[str, dict[str, Any]]:
        """Return the attributes as SendMessage takes them."""
        return {
            name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
            if "StringValue" in value
            else {"DataType": value["DataType"], "BinaryValue": base64.b64decode(value["BinaryValue"])}
            for name, value in self.attributes.items()
        }


def read_message(request: Mapping[str, Any], message_id: str, topic_arn: str, timestamp: str) -> TopicMessage:
    """Return the message of a Publish, or of one entry of a batch. Raises AWS's error for one that it refuses."""
    text, subject, structure = (str(request.get(name, "")) for name in ("Message", "Subject", "MessageStructure"))
    if not text:
        raise invalid("Empty message")
    if subject and (len(subject) > _LONGEST_SUBJECT or "\n" in subject):
        raise invalid("Subject")
    if structure not in ("", "json"):
        raise invalid("MessageStructure")
    if structure:
        _check_structure(text)
    attributes = {
        str(entry.get("Name")): entry.get("Value") or {} for entry in entries_of(request, "MessageAttributes", "entry")
    }
    for name, value in attributes.items():
        _check_attribute(name, value)
    size = len(text.encode()) + sum(len(name) + len(str(value)) for name, value in attributes.items())
    if size > _LARGEST:
        raise invalid("Message too long")
    return TopicMessage(message_id, topic_arn, timestamp, text, subject, attributes, bool(structure))


def notification(message: TopicMessage, protocol: str, subscription_arn: str) -> dict[str, Any]:
    """Return the envelope in which a queue gets a message."""
    region = message.topic_arn.split(":")[3]
    envelope: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic_arn,
        "Subject": message.subject,
        "Message": message.text_for(protocol),
        "Timestamp": message.timestamp,
        "SignatureVersion": "1",
        "Signature": _UNSIGNED,
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/SimpleNotificationService-emulator.pem",
        "UnsubscribeURL": f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
        "MessageAttributes": message.described_attributes(),
    }
    return {name: value for name, value in envelope.items() if value}


def lambda_event(message: TopicMessage, subscription_arn: str) -> dict[str, Any]:
    """Return the event that a function gets."""
    envelope = {"Subject": None, "MessageAttributes": {}, **notification(message, "lambda", subscription_arn)}
    # Lambda's event spells these two differently.
    envelope["SigningCertUrl"] = envelope.pop("SigningCertURL")
    envelope["UnsubscribeUrl"] = envelope.pop("UnsubscribeURL")
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": envelope,
    }
    return {"Records": [record]}


def check_filter_policy(text: str) -> None:
    """Raise AWS's error for a text that is no filter policy, or uses what SNS does not have."""
    try:
        policy = json.loads(text)
    except ValueError as problem:
        raise invalid("FilterPolicy: failed to parse JSON.") from problem
    if policy != {} and not (isinstance(policy, dict) and is_pattern(policy, _OPERATORS)):
        raise invalid("FilterPolicy: it is no pattern of lists of values and comparisons.")


def passes(message: TopicMessage, protocol: str, policy: str, scope: str) -> bool:
    """Return whether a message passes a subscription's filter policy: by its attributes, or by its body as JSON."""
    pattern = json.loads(policy) if policy else {}
    if not pattern:
        return True
    if scope != "MessageBody":
        return matches(pattern, {name: _filter_value(value) for name, value in message.attributes.items()})
    try:
        body = json.loads(message.text_for(protocol))
    except ValueError:
        return False
    return isinstance(body, dict) and matches(pattern, body)


def entries_of(request: Mapping[str, Any], name: str, key: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list or a map in a request's form."""
    node = request.get(name)
    entries = node.get(key) if isinstance(node, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def invalid(reason: str) -> ServiceError:
    """Return SNS's error for a parameter."""
    return ServiceError("InvalidParameter", f"Invalid parameter: {reason}", 400)


def _filter_value(attribute: Mapping[str, str]) -> Any:
    text = attribute.get("StringValue", "")
    if attribute["DataType"] not in ("Number", "String.Array"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if is_number(value) or isinstance(value, list) else text


def _check_structure(text: str) -> None:
    try:
        texts = json.loads(text)
    except ValueError as problem:
        raise invalid("Message Structure - JSON message body failed to parse") from problem
    if not isinstance(texts, dict) or "default" not in texts:
        raise invalid("Message Structure - No default entry in JSON message body")


def _check_attribute(name: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for part in value.values()):
        raise invalid(f"The message attribute {name!r} is not valid.")
    kind, text = value.get("DataType", ""), value.get("StringValue", value.get("BinaryValue", ""))
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise invalid(f"The message attribute name {name!r} is not valid.")
    if kind.partition(".")[0] not in ("String", "Number", "Binary"):
        raise ServiceError(
            "ParameterValueInvalid",
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String.",
        )
    if not text:
        raise ServiceError(
            "ParameterValueInvalid", f"The message attribute '{name}' must contain non-empty message attribute value."
        )
    if "BinaryValue" in value:
        try:
            base64.b64decode(text, validate=True)
        except ValueError as problem:
            raise invalid(f"The message attribute {name!r} is not base64.") from problem
    if kind.startswith("Number"):
        try:
            float(text)
        except ValueError as problem:
            message = f"Could not cast message attribute '{name}' value to number."
            raise ServiceError("ParameterValueInvalid", message) from problem
