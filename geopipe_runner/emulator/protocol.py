"""One service's wire protocol, made from its botocore model: which operation, which parameters, which answer.

It holds no logic of any service: whatever is strict here is what the model states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel

from .errors import ServiceError
from .models import service_model
from .parsing import Parameters, parse_json_request, parse_rest_request
from .routing import Match, router_for
from .serialising import serialise_error, serialise_json, serialise_rest
from .validation import validate
from .web import Request, Response


class Protocol:
    """awsJson1.x and restJson1, the protocols of the services this emulator owns."""

    def __init__(self, model_name: str) -> None:
        self._model = service_model(model_name)
        self._router = router_for(self._model)
        self._is_json = self._model.metadata["protocol"] == "json"
        version = self._model.metadata.get("jsonVersion", "1.1")
        self._content_type = f"application/x-amz-json-{version}" if self._is_json else "application/json"

    def match(self, request: Request) -> Match | None:
        return self._router.match(request)

    def parse(self, match: Match, request: Request) -> Parameters:
        """The parameters, complete and within the model's constraints; a ServiceError otherwise."""
        if self._is_json:
            parameters = parse_json_request(match.operation, request)
        else:
            parameters = parse_rest_request(match.operation, request, match.labels)
        validate(match.operation, parameters)
        return parameters

    def answer(self, operation: OperationModel, output: Mapping[str, Any]) -> Response:
        if self._is_json:
            return serialise_json(operation, output, self._content_type)
        return serialise_rest(operation, output)

    def error(self, operation: OperationModel | None, error: ServiceError) -> Response:
        return serialise_error(operation, error, self._content_type)
