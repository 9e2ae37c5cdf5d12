"""Faults on purpose: a share of API calls is throttled, answered with 500 or 503, cut off, or kept waiting.

Which call meets which fault follows from the seed, the kind of call and how many of that kind came before, not from
the order in which threads arrive. What our own services ask of one another is spared: on AWS, too, that is not the
caller's network.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .claims import claimed_operation
from .clients import INTERNAL_MARK
from .errors import ServiceError
from .refusals import refuse
from .settings import FAULT_KINDS
from .signature import read_scope
from .web import Environ, Request

LONGEST_DELAY = 1.0
_THROTTLED = {
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "sqs": ("RequestThrottled", "Request throttled.", 403),
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "iam": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
    "sagemaker-geospatial": ("ThrottlingException", "Rate exceeded", 429),
}
_LINGER_NOT = struct.pack("ii", 1, 0)
"""With this a close sends a reset."""

WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Fault:
    kind: str
    done: bool = False
    """Whether the call is carried out before its answer is lost."""
    seconds: float = 0.0


class FaultPlan:
    """Decides; can be given another rate, seed or choice of kinds at any time."""

    def __init__(self, rate: float = 0.0, seed: int = 0, kinds: Sequence[str] = FAULT_KINDS) -> None:
        self._lock = threading.Lock()
        self.change(rate, seed, kinds)

    def change(self, rate: float, seed: int, kinds: Sequence[str]) -> None:
        """Begin anew. ValueError for what is no rate, seed or kind."""
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise ValueError(f"rate {rate!r}: must be a number between 0 and 1")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ValueError(f"seed {seed!r}: must be a whole number")
        if not isinstance(kinds, Sequence) or not kinds or not set(kinds) <= set(FAULT_KINDS):
            raise ValueError(f"kinds {kinds!r}: must be some of {', '.join(FAULT_KINDS)}")
        with self._lock:
            self._rate, self._seed, self._kinds = rate, seed, tuple(kinds)
            self._seen: Counter[str] = Counter()
            self._injected: Counter[str] = Counter()

    @property
    def active(self) -> bool:
        return self._rate > 0

    def next_for(self, call: str) -> Fault | None:
        """What happens to the next call of this kind."""
        with self._lock:
            if not self._rate:
                return None
            self._seen[call] += 1
            chance = random.Random(f"{self._seed}/{call}/{self._seen[call]}")
            if chance.random() >= self._rate:
                return None
            kind = chance.choice(self._kinds)
            self._injected[kind] += 1
            return Fault(kind, chance.random() < 0.5, chance.uniform(0.05, LONGEST_DELAY))

    def describe(self) -> dict[str, Any]:
        """What is set, and what has been done so far."""
        with self._lock:
            return {
                "rate": self._rate,
                "seed": self._seed,
                "kinds": list(self._kinds),
                "injected": dict(self._injected),
            }


class FaultInjector:
    """The WSGI middleware that carries the plan out."""

    def __init__(self, app: WsgiApp, plan: FaultPlan, sleep: Callable[[float], None] = time.sleep) -> None:
        self._app = app
        self._plan = plan
        self._sleep = sleep

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not self._plan.active:
            return self._app(environ, start_response)
        request = Request(environ)
        scope = read_scope(request)
        if scope is None or INTERNAL_MARK in request.header("User-Agent"):
            return self._app(environ, start_response)
        fault = self._plan.next_for(_kind_of(request, scope.service))
        if fault is None:
            return self._app(environ, start_response)
        if fault.kind == "slow":
            self._sleep(fault.seconds)
            return self._app(environ, start_response)
        if fault.done and fault.kind in ("500", "reset"):
            _discard(self._app(environ, _no_response))
        if fault.kind == "reset":
            _reset(environ)
        response = refuse(request, scope.service, _error(fault.kind, scope.service))
        start_response(response.status_line, response.headers)
        return [response.content()]


def _kind_of(request: Request, service: str) -> str:
    """As far as it shows without knowing the service's model; paths of REST calls carry names and ids."""
    operation = claimed_operation(request)
    if operation == f"{request.method} {request.path}":
        operation = f"{request.method} {request.path.count('/')}"
    return f"{service} {operation}"


def _error(kind: str, service: str) -> ServiceError:
    if kind == "throttle":
        return ServiceError(*_THROTTLED.get(service, ("ThrottlingException", "Rate exceeded", 400)))
    if kind == "503":
        return ServiceError("ServiceUnavailable", "The service is temporarily unable to handle the request.", 503)
    code = "InternalError" if service in ("s3", "sqs") else "InternalFailure"
    return ServiceError(code, "We encountered an internal error. Please try again.", 500)


def _discard(chunks: Iterable[bytes]) -> None:
    close = getattr(chunks, "close", None)
    try:
        for _ in chunks:
            pass
    finally:
        if close is not None:
            close()


def _no_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """The answer is lost."""
    return lambda _: None


def _reset(environ: Environ) -> None:
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    raise ConnectionResetError("a fault on purpose")
