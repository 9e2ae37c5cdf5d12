"""Notification configurations of buckets: what AWS accepts, and which targets an event goes to. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ...protocol.errors import ServiceError

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# The element of a configuration, the element in it that has the ARN, and the service of that ARN.
_KINDS = {
    "TopicConfiguration": ("Topic", "sns"),
    "QueueConfiguration": ("Queue", "sqs"),
    "CloudFunctionConfiguration": ("CloudFunction", "lambda"),
}
# The events that happen here. Those of AWS that never would, such as the ones of lifecycle rules, are refused.
_EVENTS = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAcl": ("Put",),
}
_NEVER_HAPPENING = (
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectRestore:",
    "s3:Replication:",
    "s3:LifecycleTransition",
    "s3:LifecycleExpiration:",
    "s3:IntelligentTiering",
    "s3:ObjectAnnotation:",
)


@dataclass(frozen=True)
class Notification:
    """One configuration: which events of which keys go to which target. `kind` is its element's name."""

    id: str
    kind: str
    target_arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    rules: tuple[tuple[str, str], ...] = ()
    """The rules of the filter as they were given: names and values."""

    def covers(self, event: str, key: str) -> bool:
        """Return whether an event such as `ObjectCreated:Put` of this key goes to the target."""
        group = event.partition(":")[0]
        names = {f"s3:{event}", f"s3:{group}:*"}
        return not names.isdisjoint(self.events) and key.startswith(self.prefix) and key.endswith(self.suffix)


@dataclass(frozen=True)
class BucketNotifications:
    """All that a bucket's configuration says."""

    notifications: tuple[Notification, ...] = ()
    event_bridge: bool = False


def read_notifications(body: bytes) -> BucketNotifications:
    """Return the configuration in a request. Raises AWS's error for one that it would not take."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as problem:
        raise _malformed() from problem
    if _name(root) != "NotificationConfiguration":
        raise _malformed()
    notifications = tuple(_read(element) for element in root if _name(element) in _KINDS)
    for index, one in enumerate(notifications):
        for other in notifications[:index]:
            _refuse_overlap(one, other)
    ids = [notification.id for notification in notifications]
    if len(set(ids)) < len(ids):
        raise _invalid("Same ID used for multiple configurations. IDs must be unique")
    unknown = [_name(e) for e in root if _name(e) not in _KINDS and _name(e) != "EventBridgeConfiguration"]
    if unknown:
        raise _malformed()
    return BucketNotifications(notifications, any(_name(e) == "EventBridgeConfiguration" for e in root))


def write_notifications(configuration: BucketNotifications) -> str:
    """Return the configuration as GetBucketNotificationConfiguration shows it."""
    parts = [_write(notification) for notification in configuration.notifications]
    if configuration.event_bridge:
        parts.append("<EventBridgeConfiguration></EventBridgeConfiguration>")
    content = "".join(parts)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<NotificationConfiguration xmlns="{_NAMESPACE}">{content}'
        "</NotificationConfiguration>"
    )


def _read(element: ElementTree.Element) -> Notification:
    kind = _name(element)
    target, service = _KINDS[kind]
    arn = next((child.text or "" for child in element if _name(child) == target), "")
    if arn.count(":") < 5 or arn.split(":")[2] != service:
        raise _invalid("The ARN could not be parsed", target, arn)
    if arn.endswith(".fifo"):
        raise _invalid("FIFO queues and topics cannot get event notifications of a bucket", target, arn)
    events = tuple(child.text or "" for child in element if _name(child) == "Event")
    if not events:
        raise _malformed()
    for event in events:
        _check_event(event)
    rules = tuple(_read_rules(element))
    names = [name for name, _ in rules]
    if len(set(names)) < len(names):
        raise _invalid("Cannot specify more than one prefix or suffix rule in a filter.")
    values = dict(rules)
    identifier = next((child.text or "" for child in element if _name(child) == "Id"), "")
    return Notification(
        identifier or secrets.token_urlsafe(36),
        kind,
        arn,
        events,
        values.get("prefix", ""),
        values.get("suffix", ""),
        rules,
    )


def _read_rules(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for rule in element.iter():
        if _name(rule) == "FilterRule":
            values = {_name(child): child.text or "" for child in rule}
            name = values.get("Name", "").lower()
            if name not in ("prefix", "suffix"):
                raise _invalid("filter rule name must be either prefix or suffix")
            yield name, values.get("Value", "")


def _check_event(event: str) -> None:
    group, _, name = event.removeprefix("s3:").partition(":")
    if event.startswith("s3:") and name in (*_EVENTS.get(group, ()), "*") and group in _EVENTS:
        return
    if event.startswith(_NEVER_HAPPENING):
        message = f"The emulator never sends {event}: it answers PutBucketNotificationConfiguration of s3 without it."
        raise ServiceError("NotImplemented", message, 501)
    raise _invalid(f"The event '{event}' is not supported for notifications", "Event", event)


def _refuse_overlap(one: Notification, other: Notification) -> None:
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    if prefixes and suffixes and not _names(one).isdisjoint(_names(other)):
        raise _invalid(
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
            "overlapping for the same event type."
        )


def _names(notification: Notification) -> set[str]:
    """Return the events without wildcards."""
    names = set()
    for event in notification.events:
        group, _, name = event.removeprefix("s3:").partition(":")
        names |= {f"{group}:{each}" for each in (_EVENTS[group] if name == "*" else (name,))}
    return names


def _write(notification: Notification) -> str:
    target = _KINDS[notification.kind][0]
    inner = f"<Id>{escape(notification.id)}</Id><{target}>{escape(notification.target_arn)}</{target}>"
    inner += "".join(f"<Event>{escape(event)}</Event>" for event in notification.events)
    if notification.rules:
        rules = "".join(
            f"<FilterRule><Name>{name.capitalize()}</Name><Value>{escape(value)}</Value></FilterRule>"
            for name, value in notification.rules
        )
        inner += f"<Filter><S3Key>{rules}</S3Key></Filter>"
    return f"<{notification.kind}>{inner}</{notification.kind}>"


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _malformed() -> ServiceError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", message, 400)


def _invalid(message: str, name: str = "", value: str = "") -> ServiceError:
    details = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return ServiceError("InvalidArgument", message, 400, details)
