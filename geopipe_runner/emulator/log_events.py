"""CloudWatch Logs' events in one order: AWS always interleaves the streams of a group, moto only when asked to.

Each worker of a function has a stream of its own, so without it the last lines are not those that came last.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .claims import claimed_parameters
from .web import Response

if TYPE_CHECKING:
    from .gateway import Call, Forward


class LogEvents:
    """The amendment of CloudWatch Logs."""

    service = "logs"

    def handle(self, call: Call, forward: Forward) -> Response:
        if call.operation == "FilterLogEvents":
            parameters = claimed_parameters(call.request) | {"interleaved": True}
            call.request.replace_body(json.dumps(parameters).encode())
        return forward(call)

    def stop(self) -> None:
        """Nobody waits here."""
