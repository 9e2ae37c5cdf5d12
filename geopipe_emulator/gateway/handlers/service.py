"""Calls to a service of ours: runs the operations that we have, and passes on or refuses the others."""

from __future__ import annotations

from ...http.request import Response
from ...protocol.errors import ServiceError, not_emulated
from ...service import FallThrough
from ..call import Call, Forward

SHARED_WITH_MOTO = frozenset({"sagemaker"})
"""Services of ours whose other operations moto has. The other ones respond with 501 to what they lack."""


_ID = "x-amzn-RequestId"


class ServiceHandler:
    """Calls the operation of our service, and passes on what is not ours."""

    def handle(self, call: Call, forward: Forward) -> Response:
        """Return the operation's output on the wire. Raises ServiceError 501 for an operation that we lack."""
        target = call.target
        if target is None:
            return forward(call)
        if target.match is None and call.request.header("X-Amz-Target"):
            message = f"{call.service} has no operation {call.request.header('X-Amz-Target')}."
            raise ServiceError("UnknownOperationException", message, 400)
        if target.match is None or target.handler is None:
            if call.service in SHARED_WITH_MOTO:
                return forward(call)
            raise not_emulated(call.service, call.operation)
        try:
            output = target.handler(call.parameters, call.context)
        except FallThrough:
            return forward(call)
        response = target.wire.answer(target.match.operation, output)
        # The id by which a service names the request elsewhere: in the log of a function, for instance.
        response.headers = [
            (name, call.context.request_id if name == _ID else value) for name, value in response.headers
        ]
        return response
