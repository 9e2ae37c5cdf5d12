"""One delivery with its retries, and the dead-letter queue where it ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..messages import warn
from ..service import Environment
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
    describe: Callable[[FailedDelivery], Mapping[str, str]] = lambda failure: {}
    """Returns the message attributes that the service adds."""
    role_arn: str = ""
    """The role that sends; without one, the queue's policy counts."""


@dataclass(frozen=True)
class FailedDelivery:
    code: str
    message: str
    attempts: int
    exhausted: str = ""
    """The limit of the retry policy that ended it; "" if no retry can help."""


@dataclass
class _Progress:
    attempts: int = 0
    age: float = 0.0


@dataclass(frozen=True)
class Delivery:
    target: Target
    payload: str
    retries: RetryLimits = field(default_factory=RetryLimits)
    dead_letters: DeadLetters | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Dispatcher:
    """Carries deliveries out in the background. Waits between attempts follow the emulator's time scale."""

    def __init__(self, environment: Environment, agenda: Agenda) -> None:
        self._environment = environment
        self._agenda = agenda

    def send(self, delivery: Delivery) -> None:
        """Deliver soon. What fails for good is a line on standard error, and a message in the dead-letter queue."""
        self._agenda.add(partial(self._attempt, delivery, _Progress()))

    def _attempt(self, delivery: Delivery, progress: _Progress) -> float | None:
        """Try once. Return the real seconds before the next attempt, or None."""
        failure = self._failure(delivery, progress)
        if failure is None:
            return None
        first, last = _RETRY_DELAYS
        delay = min(first * 2.0 ** (progress.attempts - 1), last)
        if failure.code.startswith("5") or any(part in failure.code for part in _PASSING):
            if progress.attempts > delivery.retries.attempts:
                failure = replace(failure, exhausted="MaximumRetryAttempts")
            elif progress.age + delay > delivery.retries.seconds:
                failure = replace(failure, exhausted="MaximumEventAgeInSeconds")
            else:
                progress.age += delay
                return delay * self._environment.settings.time_scale
        self._give_up(delivery, failure)
        return None

    def _failure(self, delivery: Delivery, progress: _Progress) -> FailedDelivery | None:
        progress.attempts += 1
        try:
            deliver(self._environment, delivery.target, delivery.payload, delivery.id)
        except DeliveryDeniedError as denial:
            return FailedDelivery("NO_PERMISSIONS", str(denial), progress.attempts)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 and status != 501:
                code = f"{status} {code}"
            elif is_absent(error):
                code = "NO_RESOURCE"
            elif "AccessDenied" in code:
                code = "NO_PERMISSIONS"
            return FailedDelivery(code, str(error), progress.attempts)
        except BotoCoreError as error:
            return FailedDelivery("503 CONNECTION_FAILURE", str(error), progress.attempts)
        return None

    def _give_up(self, delivery: Delivery, failure: FailedDelivery) -> None:
        target = delivery.target
        warn(f"an event for {target.arn} from {target.source_arn} was not delivered: {failure.message}")
        letters = delivery.dead_letters
        if letters is None:
            return
        attributes: dict[str, Any] = dict(target.attributes) | {
            name: {"DataType": "String", "StringValue": value} for name, value in letters.describe(failure).items()
        }
        queue = Target(
            letters.queue_arn, target.principal, target.source_arn, role_arn=letters.role_arn, attributes=attributes
        )
        try:
            deliver(self._environment, queue, delivery.payload, delivery.id)
        except (DeliveryDeniedError, ClientError, BotoCoreError) as error:
            warn(f"the event was not sent to the dead-letter queue {letters.queue_arn} either: {error}")
