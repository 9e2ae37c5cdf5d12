"""One API call on its way through the gateway, and what handles it there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..clients import INTERNAL_MARK
from ..http.request import Request, Response
from ..protocol.request_metadata import claimed_parameters
from ..protocol.route import Match
from ..protocol.wire import Protocol as WireProtocol
from ..service import Handler, RequestContext, Service


@dataclass(frozen=True)
class OwnTarget:
    """Where a call to a service of ours goes. Without an operation that we have, `handler` is None."""

    service: Service
    wire: WireProtocol
    match: Match | None
    handler: Handler | None


def is_internal(request: Request) -> bool:
    """Whether one of our own services makes the request."""
    return INTERNAL_MARK in request.header("User-Agent")


@dataclass
class Call:
    """One API call: which operation of which service, and on whose behalf."""

    request: Request
    context: RequestContext
    service: str
    operation: str
    target: OwnTarget | None = None

    @functools.cached_property
    def parameters(self) -> dict[str, Any]:
        """The call's parameters, read when they are first needed. Raises ServiceError for those that break the model.

        For S3 there are none: what its calls are about is in the path, and their bodies are large.
        """
        target = self.target
        if target is not None and target.match is not None and target.handler is not None:
            return target.wire.parse(target.match, self.request)
        return {} if self.service == "s3" else claimed_parameters(self.request)

    @property
    def is_internal(self) -> bool:
        """Whether one of our own services makes the call."""
        return is_internal(self.request)


Forward = Callable[[Call], Response]
"""What comes after a handler in the chain."""


class CallHandler(Protocol):
    """One link of the chain: responds itself, or passes the call on and may change the response."""

    def handle(self, call: Call, forward: Forward) -> Response:
        """Return the response. Raises ServiceError, which the gateway puts on the wire."""


class MotoPatch(Protocol):
    """Makes moto's responses for one service those of AWS: before, after or instead of forwarding the call."""

    @property
    def service(self) -> str: ...

    def handle(self, call: Call, forward: Forward) -> Response: ...

    def stop(self) -> None:
        """Let every request that waits return; the server is about to end."""
