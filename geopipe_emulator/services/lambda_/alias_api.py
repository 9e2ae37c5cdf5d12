"""The operations on aliases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from . import names
from .aliases import Alias, AliasStore, describe
from .names import LATEST, FunctionKey, FunctionName
from .paging import page
from .store import refuse_changed

_PAGE = 50


class AliasApi:
    def __init__(self, aliases: AliasStore, on_delete: Callable[[FunctionName], None]) -> None:
        self._aliases = aliases
        self._on_delete = on_delete

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateAlias": self.create,
            "GetAlias": self.get,
            "ListAliases": self.list,
            "UpdateAlias": self.update,
            "DeleteAlias": self.delete,
        }

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        key, name = self._function(request, context), request["Name"]
        alias = Alias(
            function_key=key,
            arn=names.function_arn(key.name, context, name),
            name=name,
            version=request["FunctionVersion"],
            description=request.get("Description") or "",
            weights=_weights(request),
        )
        with self._aliases.lock:
            self._check(alias, context)
            if self._aliases.get(key, name) is not None:
                raise ServiceError("ResourceConflictException", f"Alias already exists: {alias.arn}", 409)
            self._aliases.put(alias)
        return describe(alias)

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return describe(self._existing(request, context))

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        aliases = self._aliases.of(self._function(request, context))
        if request.get("FunctionVersion"):
            aliases = [alias for alias in aliases if request["FunctionVersion"] in alias.versions]
        limit = min(request.get("MaxItems") or _PAGE, _PAGE)
        items, marker = page(aliases, lambda alias: alias.name, request.get("Marker"), limit)
        response: dict[str, Any] = {"Aliases": [describe(alias) for alias in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        with self._aliases.lock:
            alias = self._existing(request, context)
            refuse_changed(request.get("RevisionId"), alias.revision_id)
            changes: dict[str, Any] = {"revision_id": str(uuid.uuid4())}
            if request.get("FunctionVersion"):
                changes["version"] = request["FunctionVersion"]
            if "Description" in request:
                changes["description"] = request["Description"]
            if "RoutingConfig" in request:
                changes["weights"] = _weights(request)
            alias = replace(alias, **changes)
            self._check(alias, context)
            self._aliases.put(alias)
        return describe(alias)

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        key, name = self._function(request, context), request["Name"]
        with self._aliases.lock:
            self._aliases.remove(key, name)
            self._on_delete(FunctionName(key, name))
        return {}

    def _check(self, alias: Alias, context: RequestContext) -> None:
        key = alias.function_key
        for version in sorted(alias.versions):
            if self._aliases.find(FunctionName(key, version)) is None:
                raise names.not_found(names.function_arn(key.name, context, version))
        if alias.weights and LATEST in alias.versions:
            raise _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if alias.version in alias.weights:
            raise _invalid(
                f"Invalid function version {alias.version}. Function version {alias.version} is already "
                "included in routing configuration."
            )
        if len(alias.weights) > 1 or not all(0 <= weight <= 1 for weight in alias.weights.values()):
            raise _invalid("RoutingConfig takes one more version, with a weight from 0 to 1")

    def _function(self, request: Mapping[str, Any], context: RequestContext) -> FunctionKey:
        key = names.parse(request["FunctionName"], context).key
        if self._aliases.find(FunctionName(key, None)) is None:
            raise names.not_found(names.function_arn(key.name, context))
        return key

    def _existing(self, request: Mapping[str, Any], context: RequestContext) -> Alias:
        key = self._function(request, context)
        alias = self._aliases.get(key, request["Name"])
        if alias is None:
            arn = names.function_arn(key.name, context, request["Name"])
            raise ServiceError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404)
        return alias


def _weights(request: Mapping[str, Any]) -> dict[str, float]:
    return dict((request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
