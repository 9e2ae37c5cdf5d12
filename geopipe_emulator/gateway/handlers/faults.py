"""Faults on purpose: a share of API calls is throttled, gets a 500 or 503, is cut off, or waits.

Which call meets which fault depends on the seed, the operation and the number of calls of that operation before it. It
does not depend on the order in which threads arrive. Calls between our own services meet no faults: on AWS, too, they
do not cross the caller's network.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...http.errors import ClientGone
from ...http.request import Environ, Response
from ...protocol.errors import ServiceError
from ...settings import FAULT_KINDS
from ..call import Call, Forward

LONGEST_DELAY = 1.0
_THROTTLED = {
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "sqs": ("RequestThrottled", "Request throttled.", 403),
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "iam": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
    "geo-places": ("ThrottlingException", "Rate exceeded", 429),
    "sagemaker-geospatial": ("ThrottlingException", "Rate exceeded", 429),
}
# A linger time of zero makes a close send a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class InjectedFault:
    """What happens to one call."""

    kind: str
    is_carried_out: bool = False
    """Whether the call takes effect before its response is lost."""
    seconds: float = 0.0


class FaultPlan:
    """Decides which call meets which fault. `change` sets another rate, seed or choice of kinds at any time."""

    def __init__(self, rate: float = 0.0, seed: int = 0, kinds: Sequence[str] = FAULT_KINDS) -> None:
        self._lock = threading.Lock()
        self.change(rate, seed, kinds)

    def change(self, rate: float, seed: int, kinds: Sequence[str]) -> None:
        """Start again from the first call. Raises ValueError for what is no rate, seed or kind."""
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

    def next_for(self, call: str) -> InjectedFault | None:
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
            return InjectedFault(kind, chance.random() < 0.5, chance.uniform(0.05, LONGEST_DELAY))

    def describe(self) -> dict[str, Any]:
        """The settings, and the faults so far by kind."""
        with self._lock:
            return {
                "rate": self._rate,
                "seed": self._seed,
                "kinds": list(self._kinds),
                "injected": dict(self._injected),
            }


class FaultHandler:
    """Carries the plan out."""

    def __init__(self, plan: FaultPlan, sleep: Callable[[float], None] = time.sleep) -> None:
        self._plan = plan
        self._sleep = sleep

    def handle(self, call: Call, forward: Forward) -> Response:
        """Pass the call on, late or in vain, or respond with the fault. Raises ClientGone for a connection cut off."""
        fault = None
        if self._plan.active and call.context.access_key_id and not call.is_internal:
            fault = self._plan.next_for(f"{call.service} {call.operation}")
        if fault is None:
            return forward(call)
        if fault.kind == "slow":
            self._sleep(fault.seconds)
            return forward(call)
        if fault.is_carried_out and fault.kind in ("500", "reset"):
            with contextlib.suppress(ServiceError):
                forward(call).content()
        if fault.kind == "reset":
            _cut_off(call.request.environ)
        raise _error(fault.kind, call.service)


def _error(kind: str, service: str) -> ServiceError:
    if kind == "throttle":
        return ServiceError(*_THROTTLED.get(service, ("ThrottlingException", "Rate exceeded", 400)))
    if kind == "503":
        return ServiceError("ServiceUnavailable", "The service is temporarily unable to handle the request.", 503)
    code = "InternalError" if service in ("s3", "sqs") else "InternalFailure"
    return ServiceError(code, "We encountered an internal error. Please try again.", 500)


def _cut_off(environ: Environ) -> None:
    connection = environ.get("geopipe.socket")
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    raise ClientGone("a fault on purpose")
