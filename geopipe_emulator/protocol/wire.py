"""One service's wire protocol, built from its botocore model: operation, parameters, output and errors.

It holds no logic of any service: it is as strict as the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel

from ..http.request import Request, Response
from .errors import ServiceError
from .models import service_model
from .parse import Parameters, parse_json_request, parse_rest_request
from .route import Match, router_for
from .serialize import serialize_error, serialize_json, serialize_rest
from .validate import validate


class Protocol:
    """awsJson1.x and restJson1, the protocols of the services this emulator owns."""

    def __init__(self, model_name: str) -> None:
        self._model = service_model(model_name)
        self._router = router_for(self._model)
        self._is_json = self._model.metadata["protocol"] == "json"
        version = self._model.metadata.get("jsonVersion", "1.1")
        self._content_type = f"application/x-amz-json-{version}" if self._is_json else "application/json"

    def match(self, request: Request) -> Match | None:
        """The operation that the request calls, or None."""
        return self._router.match(request)

    def parse(self, match: Match, request: Request) -> Parameters:
        """The parameters, complete and within the model's constraints. Raises ServiceError otherwise."""
        if self._is_json:
            parameters = parse_json_request(match.operation, request)
        else:
            parameters = parse_rest_request(match.operation, request, match.labels)
        validate(match.operation, parameters)
        return parameters

    def answer(self, operation: OperationModel, output: Mapping[str, Any]) -> Response:
        """The response with the operation's output."""
        if self._is_json:
            return serialize_json(operation, output, self._content_type)
        return serialize_rest(operation, output)

    def error(self, operation: OperationModel | None, error: ServiceError) -> Response:
        """The response with an error, with the status that the model states for it."""
        return serialize_error(operation, error, self._content_type)
