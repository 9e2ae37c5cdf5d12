"""What one invocation works with: everything outside the code is handed in here, and only here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clients import SLOWEST_CALL_SECONDS, ClientOf
from logs import Log
from settings import Settings


class LambdaContext(Protocol):
    """The part of Lambda's context object that we use."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True)
class Invocation:
    """The collaborators of one invocation, and the time it has."""

    client: ClientOf
    settings: Settings
    log: Log
    request_id: str
    remaining: Callable[[], float]
    margin: float
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def begin(cls, context: LambdaContext, client: ClientOf, settings: Settings) -> "Invocation":
        def remaining() -> float:
            return context.get_remaining_time_in_millis() / 1000

        request_id = str(context.aws_request_id)
        return cls(client, settings, Log(request_id), request_id, remaining, margin_of(remaining()))

    def has_time(self) -> bool:
        """Whether even the slowest call begun now ends before Lambda ends the function."""
        return self.remaining() > self.margin


def margin_of(total: float) -> float:
    """The time to keep back; at most half, or a function with a short timeout would never do anything."""
    return min(SLOWEST_CALL_SECONDS, total / 2)
