"""What Lambda does with asynchronous invocations: how often it retries, and where it sends the records of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from . import names
from .aliases import AliasStore
from .names import LATEST, FunctionName
from .paging import page
from .qualified import QualifiedStore

# The services that can get a record, and the actions that the function's role needs for it.
_ACTIONS = {"sqs": "SendMessage", "sns": "Publish", "lambda": "InvokeFunction"}
_OUTCOMES = ("OnSuccess", "OnFailure")
_PAGE = 50


@dataclass(frozen=True)
class EventInvokeConfig:
    """`destinations` are ARNs by OnSuccess and OnFailure; `modified` is in seconds since 1970.

    `retries` and `max_age_seconds` are None where AWS's defaults hold.
    """

    function_arn: str
    modified: float
    retries: int | None = None
    max_age_seconds: int | None = None
    destinations: Mapping[str, str] | None = None

    def describe(self) -> dict[str, Any]:
        destinations = self.destinations or {}
        description: dict[str, Any] = {
            "FunctionArn": self.function_arn,
            "LastModified": self.modified,
            "DestinationConfig": {
                outcome: {"Destination": destinations[outcome]} if outcome in destinations else {}
                for outcome in _OUTCOMES
            },
        }
        if self.retries is not None:
            description["MaximumRetryAttempts"] = self.retries
        if self.max_age_seconds is not None:
            description["MaximumEventAgeInSeconds"] = self.max_age_seconds
        return description


class EventInvokeConfigApi:
    def __init__(
        self,
        environment: Environment,
        aliases: AliasStore,
        configs: QualifiedStore[EventInvokeConfig],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._environment = environment
        self._aliases = aliases
        self._configs = configs
        self._clock = clock

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "PutFunctionEventInvokeConfig": self.put,
            "UpdateFunctionEventInvokeConfig": self.update,
            "GetFunctionEventInvokeConfig": self.get,
            "ListFunctionEventInvokeConfigs": self.list_configs,
            "DeleteFunctionEventInvokeConfig": self.delete,
        }

    def put(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        bare = EventInvokeConfig(names.function_arn(name.key.name, context, name.qualifier or LATEST), self._clock())
        return self._change(name, bare, request)

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        return self._change(name, self._existing(name, context), request)

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._existing(self._existing_function(request, context), context).describe()

    def list_configs(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        configs = list(self._configs.of(self._existing_function(request, context).key).values())
        limit = min(request.get("MaxItems") or _PAGE, _PAGE)
        items, marker = page(configs, lambda config: config.function_arn, request.get("Marker"), limit)
        response: dict[str, Any] = {"FunctionEventInvokeConfigs": [config.describe() for config in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        self._existing(name, context)
        self._configs.remove(name)
        return {}

    def _change(self, name: FunctionName, config: EventInvokeConfig, request: Mapping[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {"modified": self._clock()}
        if "MaximumRetryAttempts" in request:
            changes["retries"] = request["MaximumRetryAttempts"]
        if "MaximumEventAgeInSeconds" in request:
            changes["max_age_seconds"] = request["MaximumEventAgeInSeconds"]
        if "DestinationConfig" in request:
            changes["destinations"] = self._destinations(name, request["DestinationConfig"])
        config = replace(config, **changes)
        self._configs.put(name, config)
        return config.describe()

    def _destinations(self, name: FunctionName, wanted: Mapping[str, Any]) -> dict[str, str]:
        arns = {outcome: (wanted.get(outcome) or {}).get("Destination") for outcome in _OUTCOMES}
        destinations = {outcome: arn for outcome, arn in arns.items() if arn}
        function = self._aliases.find(name)
        for arn in destinations.values():
            service = arn.split(":")[2] if arn.count(":") >= 5 else ""
            if service not in _ACTIONS:
                message = f"A destination of {service or arn!r} is not emulated; use a queue, a topic or a function."
                raise ServiceError("NotImplemented", message, 501)
            role = function.configuration.role if function else ""
            if self._environment.missing_permission(role, [(f"{service}:{_ACTIONS[service]}", arn)]):
                raise ServiceError(
                    "InvalidParameterValueException",
                    f"The function's execution role does not have permissions to call {_ACTIONS[service]} on {arn}",
                )
        return destinations

    def _existing(self, name: FunctionName, context: RequestContext) -> EventInvokeConfig:
        config = self._configs.get(name)
        if config is None:
            arn = names.function_arn(name.key.name, context, name.qualifier or LATEST)
            message = f"The function {arn} doesn't have an EventInvokeConfig"
            raise ServiceError("ResourceNotFoundException", message, 404)
        return config

    def _existing_function(self, request: Mapping[str, Any], context: RequestContext) -> FunctionName:
        name = names.requested(request, context)
        if self._aliases.find(name) is None:
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        return name
