"""Why a call may be tried again, by name, and for how long.

A cause is matched by error code, and by message only where AWS uses one code for several things. Each wait is
announced once per cause; the original error comes out when the time is up. Throttling, 5xx and time-outs are
botocore's own business (standard mode, set in `clients`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import tenacity
from botocore.exceptions import ClientError

from . import polling

T = TypeVar("T")

AnswerError = ClientError
"""What a call raises when AWS answers with an error; other rooms know it by this name."""


THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
"""Codes by which AWS asks to be called less often. botocore tries these again by itself."""

_SLICE = 0.1
"""Seconds after which a waiting thread looks whether it should go on."""


@dataclass(frozen=True)
class Cause:
    """A passing state of AWS. `codes` and, where given, `message` tell it; waits grow from `first` to `longest` s."""

    name: str
    explanation: str
    codes: frozenset[str]
    message: re.Pattern[str] | None = None
    first: float = 1.0
    longest: float = 10.0
    within: float = 120.0

    def matches(self, error: BaseException) -> bool:
        """Whether `error` is this cause."""
        if error_code(error) not in self.codes:
            return False
        return self.message is None or self.message.search(str(error)) is not None


# AWS_IAM is eventually consistent without a "ready" signal: usually seconds, minutes have been reported. The texts
# are Lambda's and SageMaker's; their bare codes also stand for real mistakes.
ROLE_NOT_READY = Cause(
    name="role not ready",
    explanation="IAM has not yet made the role known everywhere",
    codes=frozenset({"InvalidParameterValueException", "ValidationException", "InvalidParameterValue"}),
    message=re.compile(
        r"role.*cannot be assumed|could not assume role|role.*does not have permissions|ensure the role can perform",
        re.IGNORECASE | re.DOTALL,
    ),
    within=300.0,
)
UPDATE_IN_PROGRESS = Cause(
    name="update in progress",
    explanation="an earlier change of the function is still being made",
    codes=frozenset({"ResourceConflictException"}),
    message=re.compile(r"update is in progress|currently in the following state", re.IGNORECASE),
)
MAPPING_IN_USE = Cause(
    name="mapping in use",
    explanation="an earlier change of the event source mapping is still being made",
    codes=frozenset({"ResourceInUseException"}),
)
QUEUE_DELETED_RECENTLY = Cause(
    name="queue deleted recently",
    explanation="AWS keeps the name of a deleted queue for 60 seconds",
    codes=frozenset({"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"}),
    first=5.0,
    within=90.0,
)
CONCURRENT_CHANGE = Cause(
    name="concurrent change",
    explanation="IAM or S3 is busy with another change of the same thing",
    codes=frozenset({"ConcurrentModification", "ConcurrentModificationException", "OperationAborted"}),
)
NOT_YET_KNOWN = Cause(
    name="not yet known",
    explanation="AWS has not yet made known everywhere what was made a moment ago",
    codes=frozenset({"NoSuchBucket", "NoSuchEntity"}),
    within=60.0,
)
DEAD_LETTER_QUEUE_NOT_YET_KNOWN = Cause(
    name="dead-letter queue not yet known",
    explanation="SQS has not yet made the new dead-letter queue known everywhere",
    codes=frozenset({"InvalidParameterValue", "InvalidParameterValueException"}),
    message=re.compile(r"dead letter target does not exist", re.IGNORECASE),
    within=60.0,
)
STILL_ATTACHED = Cause(
    name="still attached",
    explanation="IAM has not yet made known everywhere what was detached a moment ago",
    codes=frozenset({"DeleteConflict", "DeleteConflictException"}),
    within=60.0,
)
EXECUTION_STILL_ENDING = Cause(
    name="execution still ending",
    explanation="SageMaker still takes an execution of the pipeline for a running one",
    codes=frozenset({"ConflictException"}),
    within=60.0,
)
PIPELINE_STILL_GOING = Cause(
    name="pipeline still going",
    explanation="an earlier pipeline of that name is still being deleted",
    codes=frozenset({"ValidationException"}),
    message=re.compile(r"pipeline names must be unique", re.IGNORECASE),
    within=60.0,
)


def error_code(error: BaseException) -> str:
    """AWS's code, as in `NoSuchEntity`; "" for what AWS did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


class Interrupted(Exception):  # noqa: N818 - the name of an event
    """Someone broke off while we were waiting."""


class Patience:
    """Time that can be broken off: once `interrupt` is called, every wait on any thread ends with Interrupted.

    It is called from signal handlers, which may come while this very thread is inside `sleep`: no lock may be taken
    in either, which rules out threading's events.
    """

    def __init__(self) -> None:
        self._over = False

    def clock(self) -> float:
        """Seconds; only differences mean anything."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted when broken off meanwhile, within a tenth of a second."""
        deadline = time.monotonic() + seconds
        while not self._over and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
        if self._over:
            raise Interrupted

    def interrupt(self) -> None:
        """End all waiting, now and later."""
        self._over = True

    def renew(self) -> None:
        """Waiting is possible again (cleaning up after an interruption)."""
        self._over = False


class Time(Protocol):
    """Clock and sleep, as an argument everywhere."""

    def clock(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Retrier:
    """Calls something again while a named cause holds. `role_not_ready_within` comes from the configuration."""

    announce: Callable[[str], None]
    role_not_ready_within: float = ROLE_NOT_READY.within
    time: Time = field(default_factory=Patience)

    def call(self, cause: Cause, action: Callable[[], T]) -> T:
        """The result of `action`, tried again while it fails for `cause`; then its own error."""
        within = self.role_not_ready_within if cause is ROLE_NOT_READY else cause.within
        deadline = self.time.clock() + within
        announced: list[str] = []

        def before_sleep(_state: tenacity.RetryCallState) -> None:
            if not announced:
                announced.append(cause.name)
                self.announce(f"Waiting up to {within:.0f} s: {cause.explanation}.")

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(cause.matches),
            stop=lambda _state: self.time.clock() >= deadline,
            wait=tenacity.wait_exponential(multiplier=cause.first, max=cause.longest),
            before_sleep=before_sleep,
            sleep=self.time.sleep,
            reraise=True,
        )
        return retrying(action)

    def poll(self, read: Callable[[], T], terminal: Callable[[T], bool], *, every: float, within: float) -> T:
        """What `read` gives once it is `terminal`. Raises polling.TimedOut after `within` s."""
        return polling.poll(read, terminal, every=every, within=within, clock=self.time.clock, sleep=self.time.sleep)
