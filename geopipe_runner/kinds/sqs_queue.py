"""SQS queues: the callback queue, and the dead-letter queue behind it.

A "not finished yet" costs one receive of the message, so the dead-letter queue is for messages that the function
cannot handle at all; it keeps them longer than the callback queue does.

SQS takes up to 60 s to delete a queue and may answer for it until then. Nobody waits for that at a clean-up, and a
plan right after one may still show a queue (unless one of its two reads says that it is gone): then `update` makes it
anew where it turns out to be missing, and otherwise the next plan does. Making it waits until the name is free again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, is_gone, none_if_gone
from ..aws.retry import DEAD_LETTER_QUEUE_NOT_YET_KNOWN, QUEUE_DELETED_RECENTLY, AnswerError
from .base import Attributes, Change, Deployment, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.clients import Aws

_DAY = 24 * 3600
_DEFAULT_RETENTION = 4 * _DAY
_LONGEST_RETENTION = 14 * _DAY


@dataclass(frozen=True)
class RedrivePolicy:
    dead_letter_arn: str
    max_receive_count: int

    def to_json(self) -> str:
        """The text SQS takes; it answers the count as a number or a string, so compare parsed."""
        return json.dumps({"deadLetterTargetArn": self.dead_letter_arn, "maxReceiveCount": self.max_receive_count})


@dataclass(frozen=True)
class QueueSpec:
    name: str
    url: str
    visibility_timeout: int
    retention: int
    redrive: RedrivePolicy | None
    tags: Mapping[str, str]


class SqsQueue(Kind[QueueSpec]):
    """CreateQueue, SetQueueAttributes, TagQueue."""

    name = "sqs_queue"
    label = "queue"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        dead = QueueSpec(
            name=config.queue.dead_letter_name,
            url=deployment.dead_letter_url,
            visibility_timeout=config.queue.visibility_timeout,
            retention=_LONGEST_RETENTION,
            redrive=None,
            tags=deployment.tags,
        )
        yield Resource(self, "dead_letter_queue", dead.name, "queue", dead)
        queue = QueueSpec(
            name=config.queue.name,
            url=deployment.queue_url,
            visibility_timeout=config.queue.visibility_timeout,
            # A callback waits in the queue until its job is done: a day more than its deadline.
            retention=max(_DEFAULT_RETENTION, config.execution.callback_deadline + _DAY),
            redrive=RedrivePolicy(deployment.dead_letter_arn, config.queue.max_receive_count),
            tags=deployment.tags,
        )
        yield Resource(self, "queue", queue.name, "queue", queue, ("dead_letter_queue",))

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("sqs", "")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = QueueSpec(name, deployment.account.queue_url(name), 0, 0, None, deployment.tags)
        return Resource(self, f"left-behind-queue-{name}", name, "queue", spec)

    def desired(self, spec: QueueSpec) -> Attributes:
        return {
            "visibility_timeout": spec.visibility_timeout,
            "message_retention": spec.retention,
            "delay": 0,
            "redrive_policy": _redrive_attributes(spec.redrive),
            "encrypted": True,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: QueueSpec) -> Observed | None:
        sqs = aws.client("sqs")
        answer = none_if_gone(lambda: sqs.get_queue_attributes(QueueUrl=spec.url, AttributeNames=["All"]))
        tagging = none_if_gone(lambda: sqs.list_queue_tags(QueueUrl=spec.url)) if answer else None
        if answer is None or tagging is None:
            return None
        found, tags = answer["Attributes"], tagging.get("Tags", {})
        attributes = {
            "visibility_timeout": int(found["VisibilityTimeout"]),
            "message_retention": int(found["MessageRetentionPeriod"]),
            "delay": int(found.get("DelaySeconds", 0)),
            "redrive_policy": _redrive_attributes(_parse_redrive(found.get("RedrivePolicy"))),
            # Either kind of encryption at rest will do: a key of the user's own is no drift.
            "encrypted": found.get("SqsManagedSseEnabled") == "true" or bool(found.get("KmsMasterKeyId")),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(spec.url, attributes, tags, found.get("QueueArn", ""))

    def create(self, aws: Aws, spec: QueueSpec) -> str:
        sqs = aws.client("sqs")

        def make() -> Any:
            return sqs.create_queue(QueueName=spec.name, Attributes=_sqs_attributes(spec), tags=dict(spec.tags))

        answer = aws.retrier.call(
            QUEUE_DELETED_RECENTLY, lambda: aws.retrier.call(DEAD_LETTER_QUEUE_NOT_YET_KNOWN, make)
        )
        return str(answer["QueueUrl"])

    def update(self, aws: Aws, spec: QueueSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        try:
            self._change(aws, spec, changes)
        except AnswerError as error:
            if not is_gone(error):
                raise
            self.create(aws, spec)

    def _change(self, aws: Aws, spec: QueueSpec, changes: tuple[Change, ...]) -> None:
        sqs = aws.client("sqs")
        if touches(changes, "visibility_timeout", "message_retention", "delay", "redrive_policy", "encrypted"):
            attributes = _sqs_attributes(spec)
            if not touches(changes, "encrypted"):
                attributes.pop("SqsManagedSseEnabled")  # it would switch off a key of the user's own
            attributes.setdefault("RedrivePolicy", "")
            aws.retrier.call(
                DEAD_LETTER_QUEUE_NOT_YET_KNOWN,
                lambda: sqs.set_queue_attributes(QueueUrl=spec.url, Attributes=attributes),
            )
        if touches(changes, "tags"):
            sqs.tag_queue(QueueUrl=spec.url, Tags=dict(spec.tags))

    def delete(self, aws: Aws, spec: QueueSpec, observed: Observed) -> None:
        ignore_gone(lambda: aws.client("sqs").delete_queue(QueueUrl=spec.url))


def _sqs_attributes(spec: QueueSpec) -> dict[str, str]:
    attributes = {
        "VisibilityTimeout": str(spec.visibility_timeout),
        "MessageRetentionPeriod": str(spec.retention),
        "DelaySeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    if spec.redrive:
        attributes["RedrivePolicy"] = spec.redrive.to_json()
    return attributes


def _parse_redrive(text: str | None) -> RedrivePolicy | None:
    if not text:
        return None
    parsed = json.loads(text)
    return RedrivePolicy(str(parsed["deadLetterTargetArn"]), int(parsed["maxReceiveCount"]))


def _redrive_attributes(policy: RedrivePolicy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    return {"dead_letter_queue": policy.dead_letter_arn, "max_receive_count": policy.max_receive_count}
