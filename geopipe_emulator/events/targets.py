"""Delivers an event to a function, a queue, a topic, a log group or a SageMaker pipeline, once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..service import Environment
from .permissions import may_assume, may_deliver, queue_url

_SESSION = "events"


class DeliveryDeniedError(Exception):
    """The policy of the target, or of the role, does not let the service deliver."""


@dataclass(frozen=True)
class Target:
    """Where an event goes, and on whose behalf.

    `principal` is the service that delivers, `source_arn` the bucket, topic, rule or schedule that it delivers for.
    With a role, the role's policies count; without one, those of the target.
    """

    arn: str
    principal: str
    source_arn: str
    role_arn: str = ""
    message_group: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Message attributes for SQS, as SendMessage takes them."""
    parameters: Sequence[Mapping[str, str]] = ()
    """Parameters for a pipeline: Name and Value."""

    @property
    def service(self) -> str:
        return self.arn.split(":")[2]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


def deliver(environment: Environment, target: Target, payload: str, delivery_id: str) -> None:
    """Deliver `payload`, which is JSON for a function.

    The same `delivery_id` starts a pipeline only once.

    Raises:
        DeliveryDeniedError: A policy does not allow it.
        ClientError: The target does not exist, or refuses the event.
    """
    client = _client(environment, target)
    match target.service:
        case "lambda":
            client.invoke(FunctionName=target.arn, InvocationType="Event", Payload=payload.encode())
        case "sqs":
            options: dict[str, Any] = {}
            if target.message_group:
                options = {"MessageGroupId": target.message_group}
            if target.attributes:
                options["MessageAttributes"] = target.attributes
            client.send_message(QueueUrl=queue_url(environment, target.arn), MessageBody=payload, **options)
        case "sns":
            client.publish(TopicArn=target.arn, Message=payload)
        case "logs":
            group, stream = target.arn.split(":")[6], str(uuid.uuid4())
            client.create_log_stream(logGroupName=group, logStreamName=stream)
            entry = {"timestamp": int(time.time() * 1000), "message": payload}
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[entry])
            environment.save_log_events()
        case "sagemaker":
            client.start_pipeline_execution(
                PipelineName=target.arn,
                PipelineParameters=list(target.parameters),
                ClientRequestToken=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{delivery_id} {target.arn}")),
            )


def _client(environment: Environment, target: Target) -> Any:
    """The client that delivers. Raises DeliveryDeniedError unless the policies allow it."""
    if target.role_arn:
        if not may_assume(environment, target.principal, target.source_arn, target.role_arn):
            raise DeliveryDeniedError(f"{target.role_arn} does not exist, or does not trust {target.principal}")
        return environment.client_as(target.role_arn, _SESSION, target.service, target.region)
    if not may_deliver(environment, target.principal, target.source_arn, target.arn):
        raise DeliveryDeniedError(
            f"the policy of {target.arn} does not allow {target.principal} to deliver for {target.source_arn}"
        )
    return environment.client(target.service, target.region)
