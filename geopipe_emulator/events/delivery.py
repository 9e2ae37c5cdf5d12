"""One delivery with its retries, and the dead-letter queue where it ends.

A delivery is a record until it has ended, so a state folder has those that wait. After a kill, the next emulator tries
again what was not noted as delivered: as on AWS, an event arrives at least once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..messages import warn
from ..service import Environment
from ..state.records import RecordTable
from .agenda import Agenda
from .permissions import is_absent
from .targets import DeliveryDeniedError, Target, deliver

# Seconds before the first and the last retry; doubled each time. AWS does not document its own.
_RETRY_DELAYS = (1.0, 300.0)
# Parts of error codes that may go away: the function is being created, or something is throttled.
_PASSING = ("ResourceConflict", "Throttl", "TooManyRequests")


@dataclass(frozen=True)
class RetryLimits:
    """How often and how long a delivery is tried again. The defaults are those of EventBridge."""

    attempts: int = 185
    seconds: float = 86_400


@dataclass(frozen=True)
class DeadLetters:
    """The queue for an event that cannot be delivered."""

    queue_arn: str
    source: Mapping[str, str] = field(default_factory=dict)
    """Message attributes that say where the event comes from. With them, others say why it was not delivered."""
    role_arn: str = ""
    """The role that sends; without one, the queue's policy counts."""


@dataclass(frozen=True)
class FailedDelivery:
    code: str
    message: str
    attempts: int
    exhausted: str = ""
    """The limit of the retry policy that ended it; "" if no retry can help."""

    def attributes(self) -> dict[str, str]:
        """Returns the message attributes that EventBridge and its Scheduler add in a dead-letter queue."""
        attributes = {
            "ERROR_CODE": self.code,
            "ERROR_MESSAGE": self.message[:1024],
            "RETRY_ATTEMPTS": str(self.attempts - 1),
        }
        return attributes | ({"EXHAUSTED_RETRY_CONDITION": self.exhausted} if self.exhausted else {})


@dataclass(frozen=True)
class Delivery:
    """An event on its way to a target, with the attempts so far. `age` counts waits in AWS's seconds."""

    target: Target
    payload: str
    retries: RetryLimits = field(default_factory=RetryLimits)
    dead_letters: DeadLetters | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    age: float = 0.0

    def record(self) -> dict[str, Any]:
        """Returns all fields as plain values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Delivery:
        letters = record["dead_letters"]
        restored = {
            "target": Target(**record["target"]),
            "retries": RetryLimits(**record["retries"]),
            "dead_letters": DeadLetters(**letters) if letters else None,
        }
        return cls(**{**record, **restored})


class Dispatcher:
    """Carries deliveries out in the background. Waits between attempts follow the emulator's time scale.

    `waiting` has the deliveries that have not ended, by their ids.
    """

    def __init__(self, environment: Environment, agenda: Agenda, waiting: RecordTable[str, Delivery]) -> None:
        self._environment = environment
        self._agenda = agenda
        self._waiting = waiting
        self._left_behind = list(waiting)

    def send(self, delivery: Delivery) -> None:
        """Deliver soon. What fails for good is a line on standard error, and a message in the dead-letter queue."""
        self._waiting[delivery.id] = delivery
        self._agenda.add(partial(self._attempt, delivery.id))

    def resume(self) -> None:
        """Try the deliveries that an earlier process has left."""
        # Not those that this process has sent meanwhile: they are on the agenda.
        for delivery_id in self._left_behind:
            self._agenda.add(partial(self._attempt, delivery_id))
        self._left_behind.clear()

    def _attempt(self, delivery_id: str) -> float | None:
        """Try once. Return the real seconds before the next attempt, or None. A reset may have dropped it by now."""
        delivery = self._waiting.get(delivery_id)
        if delivery is None:
            return None
        seconds = None
        try:
            delivery = replace(delivery, attempts=delivery.attempts + 1)
            failure = self._failure(delivery)
            if failure is not None:
                seconds = self._retry_or_give_up(delivery, failure)
        finally:
            # What fails because of a bug of ours must not come back with each start.
            if seconds is None:
                self._waiting.pop(delivery_id, None)
        if seconds is None or delivery_id not in self._waiting:
            return None
        self._waiting[delivery_id] = replace(delivery, age=delivery.age + seconds)
        return seconds * self._environment.settings.time_scale

    def _retry_or_give_up(self, delivery: Delivery, failure: FailedDelivery) -> float | None:
        """Return AWS's seconds before the next attempt, or None after the last one."""
        first, last = _RETRY_DELAYS
        delay = min(first * 2.0 ** (delivery.attempts - 1), last)
        if failure.code.startswith("5") or any(part in failure.code for part in _PASSING):
            if delivery.attempts > delivery.retries.attempts:
                failure = replace(failure, exhausted="MaximumRetryAttempts")
            elif delivery.age + delay > delivery.retries.seconds:
                failure = replace(failure, exhausted="MaximumEventAgeInSeconds")
            else:
                return delay
        self._give_up(delivery, failure)
        return None

    def _failure(self, delivery: Delivery) -> FailedDelivery | None:
        try:
            deliver(self._environment, delivery.target, delivery.payload, delivery.id)
        except DeliveryDeniedError as denial:
            return FailedDelivery("NO_PERMISSIONS", str(denial), delivery.attempts)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 and status != 501:
                code = f"{status} {code}"
            elif is_absent(error):
                code = "NO_RESOURCE"
            elif "AccessDenied" in code:
                code = "NO_PERMISSIONS"
            return FailedDelivery(code, str(error), delivery.attempts)
        except BotoCoreError as error:
            return FailedDelivery("503 CONNECTION_FAILURE", str(error), delivery.attempts)
        return None

    def _give_up(self, delivery: Delivery, failure: FailedDelivery) -> None:
        target = delivery.target
        warn(f"an event for {target.arn} from {target.source_arn} was not delivered: {failure.message}")
        letters = delivery.dead_letters
        if letters is None:
            return
        described = {**letters.source, **failure.attributes()} if letters.source else {}
        attributes: dict[str, Any] = dict(target.attributes) | {
            name: {"DataType": "String", "StringValue": value} for name, value in described.items()
        }
        queue = Target(
            letters.queue_arn, target.principal, target.source_arn, role_arn=letters.role_arn, attributes=attributes
        )
        try:
            deliver(self._environment, queue, delivery.payload, delivery.id)
        except (DeliveryDeniedError, ClientError, BotoCoreError) as error:
            warn(f"the event was not sent to the dead-letter queue {letters.queue_arn} either: {error}")
