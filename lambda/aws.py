"""What the function shares with AWS: settings from the environment, clients, the kinds of errors, and the time left."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    ParamValidationError,
)

from log import JsonLog

# boto3 writes a client's methods at run time, so there is no type to name.
Client = Any

_CONNECT_SECONDS = 2
# A call that hangs must cost one message its turn, not the function its timeout and the batch its other messages.
_READ_SECONDS = 4
_ATTEMPTS = 2
# The slowest call: every attempt runs into both timeouts, with one second between the attempts.
SLOWEST_CALL_SECONDS = (_CONNECT_SECONDS + _READ_SECONDS) * _ATTEMPTS + 1

# A call that starts work on AWS waits longer: if its response is lost, the work runs without a known name.
_LONG_READ_SECONDS = 20
# What stays free after such a call: to repeat it once, or to log why it failed.
_SPARE_SECONDS = 2
SHORTEST_LONG_CALL_SECONDS = _CONNECT_SECONDS + 1 + _SPARE_SECONDS

# The service allows weeks for a callback, far longer than a job takes.
_DEFAULT_DEADLINE_SECONDS = 16 * 60 * 60


@dataclass(frozen=True)
class FunctionSettings:
    """The queues, and how long a callback may wait for its job.

    Callbacks come from the first two. The work queues exist only for jobs that work in parts.
    """

    queue_url: str = ""
    dead_letter_queue_url: str = ""
    callback_deadline_seconds: int = _DEFAULT_DEADLINE_SECONDS
    work_queue_url: str = ""
    work_dead_letter_queue_url: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "FunctionSettings":
        """Read the settings when the function starts, so that a wrong value stops the function and not a callback.

        Raises:
            ValueError: a variable has a wrong value; the text names it.
        """
        name = "CALLBACK_DEADLINE_SECONDS"
        seconds = environment.get(name, "").strip() or str(_DEFAULT_DEADLINE_SECONDS)
        if not (seconds.isascii() and seconds.isdigit() and int(seconds) > 0):
            raise ValueError(
                f"the environment variable {name} must be a whole number of seconds above 0, not {seconds!r}"
            )
        names = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "WORK_QUEUE_URL", "WORK_DEAD_LETTER_QUEUE_URL")
        queue, dead_letters, work, dead_work = (environment.get(url, "") for url in names)
        return cls(queue, dead_letters, int(seconds), work, dead_work)

    def queue_url_of(self, queue_arn: str) -> str:
        """Returns the URL of one of our queues, which events name by ARN; empty for any other queue."""
        urls = (self.queue_url, self.dead_letter_queue_url, self.work_queue_url, self.work_dead_letter_queue_url)
        return next((url for url in urls if _is_same_queue(queue_arn, url)), "")

    def is_dead_letter_queue(self, queue_arn: str) -> bool:
        return _is_same_queue(queue_arn, self.dead_letter_queue_url)

    def is_work_dead_letter_queue(self, queue_arn: str) -> bool:
        return _is_same_queue(queue_arn, self.work_dead_letter_queue_url)


def _is_same_queue(queue_arn: str, queue_url: str) -> bool:
    name = queue_arn.rpartition(":")[2]
    return bool(name) and name == queue_url.rstrip("/").rpartition("/")[2]


class Clients:
    """boto3 clients, created once per execution environment for each service, region and read timeout.

    A call has `attempts`, and each waits `seconds` for its response.
    """

    def __init__(
        self,
        default_region: str = "",
        session: boto3.session.Session | None = None,
        attempts: int = _ATTEMPTS,
        seconds: int = _READ_SECONDS,
    ) -> None:
        self._default_region = default_region
        self._session = session
        self._attempts, self._seconds = attempts, seconds
        self._clients: dict[tuple[str, str, int], Client] = {}

    def __call__(self, service: str, region: str = "", read_seconds: int = 0) -> Client:
        """Returns a client; an empty region means the function's own.

        With `read_seconds`, there is one attempt, which waits that long for its response.
        """
        key = (service, region or self._default_region, read_seconds)
        if key not in self._clients:
            self._session = self._session or boto3.session.Session()
            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=read_seconds or self._seconds,
                retries={"mode": "standard", "total_max_attempts": 1 if read_seconds else self._attempts},
            )
            self._clients[key] = self._session.client(service, region_name=key[1] or None, config=config)
        return self._clients[key]

    def prepare(self, services: Iterable[str]) -> None:
        """Create these clients while Lambda starts the function, when it has the most CPU."""
        for service in services if self._default_region else ():
            try:
                self(service)
            except BotoCoreError:
                return  # The error occurs again, and is reported, when the client is needed.


def own_region() -> str:
    """Returns the region the function runs in. Lambda sets AWS_REGION, which boto3 itself does not read."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")


class LambdaContext(Protocol):
    """The part of Lambda's context object that we use."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True)
class InvocationContext:
    """Everything that one invocation gets from outside. `total` and `remaining` are seconds."""

    clients: Callable[[str, str, int], Client]
    settings: FunctionSettings
    log: JsonLog
    request_id: str
    total: float
    remaining: Callable[[], float]
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def begin(cls, context: LambdaContext, clients: Clients, settings: FunctionSettings) -> "InvocationContext":
        def remaining() -> float:
            return context.get_remaining_time_in_millis() / 1000

        request_id = str(context.aws_request_id)
        return cls(clients, settings, JsonLog(request_id), request_id, remaining(), remaining)

    def has_time(self, seconds: float = SLOWEST_CALL_SECONDS) -> bool:
        """Returns whether a call that takes this long ends before Lambda ends the function.

        Counts at most half of the function's timeout; otherwise a short timeout would allow no call at all.
        """
        return self.remaining() > min(seconds, self.total / 2)

    def client(self, service: str, region: str = "") -> Client:
        """Returns a client whose calls end early; an empty region means the function's own."""
        return self.clients(service, region, 0)

    def long_client(self, service: str, region: str = "") -> Client:
        """Returns a client that waits 20 s for a response, or as long as this invocation's time allows."""
        left = int(self.remaining() - _CONNECT_SECONDS - _SPARE_SECONDS)
        return self.clients(service, region, max(1, min(_LONG_READ_SECONDS, left)))


AwsError = (ClientError, BotoCoreError)


class ErrorKind(Enum):
    """What an AWS error means for the caller."""

    NOT_FOUND = "not found"
    CONFLICT = "conflict"  # it has been done already, or is being done
    INVALID = "invalid"  # repeating the request cannot help
    TRANSIENT = "transient"  # throttling, or a fault of the service or the network
    DENIED = "denied"  # also while a new role's rights are not yet known everywhere
    OTHER = "other"  # no credentials, an unknown code


_CODES = {
    ErrorKind.NOT_FOUND: ("ResourceNotFound", "ResourceNotFoundException", "404", "NotFound", "NoSuchKey"),
    ErrorKind.CONFLICT: ("ConflictException",),
    ErrorKind.INVALID: ("ValidationException", "ValidationError", "InvalidParameterValue"),
    # The response to a HEAD request has no body, so its code is the status.
    ErrorKind.DENIED: ("AccessDenied", "AccessDeniedException", "403"),
    ErrorKind.TRANSIENT: (
        *("ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestLimitExceeded"),
        *("TooManyRequestsException", "RequestTimeout", "RequestTimeoutException"),
    ),
}
_BROKEN_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError)
_KIND_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}


def error_code(error: ClientError | BotoCoreError) -> str:
    """Returns the code of an AWS error; empty for an error of the network or of botocore."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def error_kind(error: ClientError | BotoCoreError) -> ErrorKind:
    """Returns the kind of an AWS error: by its code, or by its HTTP status where the code is unknown."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        by_status = ErrorKind.TRANSIENT if status == 429 or status >= 500 else ErrorKind.OTHER
        return _KIND_BY_CODE.get(error_code(error), by_status)
    if isinstance(error, ParamValidationError | InvalidRegionError):
        return ErrorKind.INVALID
    return ErrorKind.TRANSIENT if isinstance(error, _BROKEN_CONNECTION) else ErrorKind.OTHER
