"""SQS queues: the callback queue, the queue of parts where a job has one, and the dead-letter queues behind them.

Each "still running" costs one receive of the message. So the dead-letter queue is only for messages that the function
cannot handle at all, and it keeps them longer than the callback queue does.

SQS needs up to 60 s to delete a queue and may still return it until then. Cleanup does not wait for that, so a plan
right after it may show a queue, unless one of its two reads says that the queue does not exist. If the queue turns out
to be missing, `update` creates it; otherwise the next plan does. Creation waits until the name is free.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..aws.error_codes import ClientError, is_not_found
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.retry import DEAD_LETTER_QUEUE_NOT_YET_KNOWN, QUEUE_DELETED_RECENTLY
from ..config.model import Config
from ..deployment import Deployment
from .base import Artifacts, Attributes, Change, Kind, Observed, Resource, Section, our_tags, touches

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws


@dataclass(frozen=True)
class RedrivePolicy:
    dead_letter_arn: str
    max_receive_count: int

    def to_json(self) -> str:
        """Returns the text for SQS. SQS returns the count as a number or as text, so compare the parsed policy."""
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
    serves_executions = True
    paint = "queue"
    emulator_pages = "queues"
    permissions = (
        "sqs:CreateQueue",
        "sqs:GetQueueAttributes",
        "sqs:SetQueueAttributes",
        "sqs:ListQueueTags",
        "sqs:TagQueue",
        "sqs:DeleteQueue",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        for queue in deployment.queues:
            if queue.is_used:
                yield self._used(queue.key, queue.name, deployment.queue_url_of(queue))
                continue
            redrive = None
            if queue.dead_letter:
                dead_letter_arn = deployment.queue_arn_of(deployment.queue(queue.dead_letter))
                redrive = RedrivePolicy(dead_letter_arn, queue.max_receive_count)
            spec = QueueSpec(
                name=queue.name,
                url=deployment.queue_url_of(queue),
                visibility_timeout=queue.visibility_timeout,
                retention=queue.retention,
                redrive=redrive,
                tags=deployment.tags,
            )
            dependencies = (queue.dead_letter,) if queue.dead_letter else ()
            yield Resource(self, queue.key, queue.name, "queue", spec, dependencies)

        for named in artifacts.named:
            # What is in another account or region is not read.
            name = deployment.name_at(named.place) if named.step_type == "Callback" else None
            if name:
                url = deployment.account.queue_url(name)
                yield self._used(f"named_queue.{name}", name, url, named.named_by)

    def _used(self, key: str, name: str, url: str, named_by: str = "") -> Resource:
        spec = QueueSpec(name, url, 0, 0, None, {})
        return Resource(self, key, name, "queue", spec, is_used=True, named_by=named_by)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("sqs", "")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = QueueSpec(name, deployment.account.queue_url(name), 0, 0, None, deployment.tags)
        return Resource(self, f"left-behind-queue-{name}", name, "queue", spec)

    def sections(self, config: Config) -> Iterator[Section]:
        names = [queue.name for queue in config.every_queue.values()]
        if names:
            yield Section("queue", f"Setting up queue{'' if len(names) == 1 else 's'} {', '.join(names)}.", block=2)

    def describe_deletion(self, resource: Resource) -> str:
        return f"Delete queue {resource.spec.url}"

    def arn(self, account: Account, resource: Resource) -> str:
        return account.arn("sqs", resource.name)

    def console_page(self, account: Account, resource: Resource) -> str:
        url = quote(account.queue_url(resource.name), safe="")
        return f"sqs/v3/home?region={account.region}#/queues/{url}"

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
        response = none_if_not_found(lambda: sqs.get_queue_attributes(QueueUrl=spec.url, AttributeNames=["All"]))
        tagging = none_if_not_found(lambda: sqs.list_queue_tags(QueueUrl=spec.url)) if response else None
        if response is None or tagging is None:
            return None
        queue, tags = response["Attributes"], tagging.get("Tags", {})
        attributes = {
            "visibility_timeout": int(queue["VisibilityTimeout"]),
            "message_retention": int(queue["MessageRetentionPeriod"]),
            "delay": int(queue.get("DelaySeconds", 0)),
            "redrive_policy": _redrive_attributes(_parse_redrive(queue.get("RedrivePolicy"))),
            # Either kind of encryption at rest will do: a key of the user's own is no drift.
            "encrypted": queue.get("SqsManagedSseEnabled") == "true" or bool(queue.get("KmsMasterKeyId")),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(spec.url, attributes, tags, queue.get("QueueArn", ""))

    def create(self, aws: Aws, spec: QueueSpec) -> str:
        sqs = aws.client("sqs")

        def make() -> Any:
            return sqs.create_queue(QueueName=spec.name, Attributes=_sqs_attributes(spec), tags=dict(spec.tags))

        response = aws.retrier.call(
            QUEUE_DELETED_RECENTLY, lambda: aws.retrier.call(DEAD_LETTER_QUEUE_NOT_YET_KNOWN, make)
        )
        return str(response["QueueUrl"])

    def update(self, aws: Aws, spec: QueueSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        try:
            self._change(aws, spec, changes)
        except ClientError as error:
            if not is_not_found(error):
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
        ignore_not_found(lambda: aws.client("sqs").delete_queue(QueueUrl=spec.url))


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
