"""The operations on functions themselves: create, read, update, delete, concurrency, invoke."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...messages import note
from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from . import configuration, names, packages, roles, tags
from .aliases import AliasStore
from .downloads import Downloads
from .event_invoker import EventInvoker
from .invoker import Invoker
from .layer_api import LayerApi, check_size
from .names import LATEST, FunctionName
from .paging import page
from .runtimes import runtime_for
from .store import (
    Configuration,
    FunctionRecord,
    FunctionStore,
    describe,
    listed,
    refuse_changed,
    refuse_in_transition,
    updated,
)
from .version_api import VersionApi
from .versions import Versions

MAX_SYNC_PAYLOAD = 6_291_456
MAX_ASYNC_PAYLOAD = 1_048_576
_DEFAULT_ARCHITECTURES = ("x86_64",)


class FunctionApi:
    def __init__(
        self,
        environment: Environment,
        functions: FunctionStore,
        aliases: AliasStore,
        layers: LayerApi,
        published: VersionApi,
        versions: Versions,
        invoker: Invoker,
        event_invoker: EventInvoker,
        downloads: Downloads,
        on_delete: Callable[[FunctionName], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._functions = functions
        self._aliases = aliases
        self._layers = layers
        self._published = published
        self._versions = versions
        self._invoker = invoker
        self._event_invoker = event_invoker
        self._downloads = downloads
        self._on_delete = on_delete
        self._clock = clock

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateFunction": self.create,
            "GetFunction": self.get,
            "GetFunctionConfiguration": self.get_configuration,
            "ListFunctions": self.list,
            "UpdateFunctionCode": self.update_code,
            "UpdateFunctionConfiguration": self.update_configuration,
            "DeleteFunction": self.delete,
            "GetFunctionConcurrency": self.get_concurrency,
            "PutFunctionConcurrency": self.put_concurrency,
            "DeleteFunctionConcurrency": self.delete_concurrency,
            "GetFunctionCodeSigningConfig": self.get_code_signing,
            "GetRuntimeManagementConfig": self.get_runtime_management,
            "Invoke": self.invoke,
        }

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        key = names.parse(request["FunctionName"], context).key
        settings = configuration.of_new_function(request)
        if self._functions.find(key) is not None:
            raise ServiceError("ResourceConflictException", f"Function already exist: {key.name}", 409)
        function = FunctionRecord(
            key=key,
            arn=names.function_arn(key.name, context),
            configuration=settings,
            package=packages.from_request(request["Code"], "CreateFunction", self._s3(context)),
            architectures=tuple(request.get("Architectures") or _DEFAULT_ARCHITECTURES),
            tags=tags.checked(request.get("Tags") or {}),
            settles_at=0,
            layers=self._layers.named(request.get("Layers") or (), context),
        )
        check_size(function.package, function.layers)
        self._check_role(settings.role, context)
        self._check_dead_letter_target(settings)
        difference = runtime_for(settings.runtime).difference(settings.runtime)
        if difference:
            note(f"the function {key.name} asks for {settings.runtime} and runs on this machine's {difference}")
        function = replace(function, settles_at=self._settling_time())
        with self._functions.lock:
            self._functions.add(function)
            self._versions.deploy(function)
            if request.get("Publish"):
                function = self._published.publish(function)
        # Pending even if it is ready immediately, as on AWS.
        return describe(function, now=float("-inf"))

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._version(request, context)
        response: dict[str, Any] = {
            "Configuration": self._describe(function, request, context),
            "Code": {"RepositoryType": "S3", "Location": self._downloads.url_of(function.package)},
        }
        if function.tags:
            response["Tags"] = dict(function.tags)
        if function.reserved_concurrency is not None:
            response["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return response

    def get_configuration(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._describe(self._version(request, context), request, context)

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        functions = self._functions.in_region(context.region)
        lists_all = request.get("FunctionVersion") == "ALL"
        if lists_all:
            functions = [version for function in functions for version in self._functions.versions(function.key)]
        limit = min(request.get("MaxItems") or 50, 50)
        items, marker = page(functions, lambda function: function.key.rank, request.get("Marker"), limit)
        now = self._clock()
        response: dict[str, Any] = {
            "Functions": [listed(function, now, function.version if lists_all else None) for function in items]
        }
        return response | ({"NextMarker": marker} if marker else {})

    def update_code(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        configuration.refuse_unsupported(request)
        package = packages.from_request(request, "UpdateFunctionCode", self._s3(context))
        check_size(package, function.layers)
        changes: dict[str, Any] = {"package": package}
        if request.get("Architectures"):
            changes["architectures"] = tuple(request["Architectures"])
        if request.get("DryRun"):
            self._check_updatable(function, request)
            return describe(replace(function, **changes), self._clock())
        return self._update(request, context, lambda current: changes)

    def update_configuration(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        settings = configuration.changed(function.configuration, request)
        self._check_dead_letter_target(settings)
        if request.get("Role"):
            self._check_role(request["Role"], context)
        changes: dict[str, Any] = {}
        if "Layers" in request:
            changes["layers"] = self._layers.named(request["Layers"], context)
            check_size(function.package, changes["layers"])
        return self._update(
            request,
            context,
            lambda current: {"configuration": configuration.changed(current.configuration, request), **changes},
        )

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = names.requested(request, context)
        with self._functions.lock:
            removed = [self._deletable(name)] if name.qualifier else self._functions.versions(name.key)
            if not removed:
                raise names.not_found(names.function_arn(name.key.name, context))
            for version in removed:
                self._functions.remove(version.key)
            if not name.qualifier:
                for alias in self._aliases.of(name.key):
                    self._aliases.remove(name.key, alias.name)
            self._on_delete(name)
        for version in removed:
            self._versions.withdraw(version.key)
        return {"StatusCode": 204}

    def _deletable(self, name: FunctionName) -> FunctionRecord:
        """Return the published version that a name stands for, unless an alias needs it."""
        if name.qualifier == LATEST:
            raise _invalid(f"{LATEST} version cannot be deleted without deleting the function.")
        aliases = self._aliases.of(name.key)
        if name.qualifier in [alias.name for alias in aliases]:
            raise _invalid("Deletion of aliases is not currently supported.")
        version = self._aliases.find(name)
        if version is None:
            raise names.not_found(f"{name.key.name}:{name.qualifier}")
        users = sorted(alias.name for alias in aliases if version.version in alias.versions)
        if users:
            message = f"Version was not deleted because the following aliases reference this version: {users}"
            raise ServiceError("ResourceConflictException", message, 409)
        return version

    def get_code_signing(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """No function has a code signing configuration: setting one is refused."""
        return {"FunctionName": self._named(request, context).key.name}

    def get_runtime_management(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Every runtime is updated by itself, which is AWS's default; setting another mode is refused."""
        function = self._version(request, context)
        arn = f"{function.arn}:{names.requested(request, context).qualifier or LATEST}"
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": arn}

    def get_concurrency(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        reserved = self._named(request, context).reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def put_concurrency(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        reserved = request["ReservedConcurrentExecutions"]
        self._set_concurrency(request, context, reserved)
        return {"ReservedConcurrentExecutions": reserved}

    def delete_concurrency(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._set_concurrency(request, context, None)
        return {}

    def invoke(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._version(request, context)
        name = names.requested(request, context)
        arn = names.function_arn(name.key.name, context, name.qualifier)
        kind = request.get("InvocationType") or "RequestResponse"
        payload = _payload(request, kind)
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            self._event_invoker.invoke_later(name, arn, payload, _client_context(request), context.request_id)
            return {"StatusCode": 202, "Payload": b""}
        result = self._invoker.invoke(name, arn, payload, _client_context(request), context.request_id)
        response = {"StatusCode": 200, "ExecutedVersion": result.executed_version, "Payload": result.result.payload}
        if not result.succeeded:
            response["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            response["LogResult"] = base64.b64encode(result.log_tail).decode()
        return response

    def _update(
        self, request: dict[str, Any], context: RequestContext, changes: Callable[[FunctionRecord], dict[str, Any]]
    ) -> dict[str, Any]:
        with self._functions.lock:
            current = self._named(request, context)
            self._check_updatable(current, request)
            function = updated(current, self._settling_time(), **changes(current))
            self._functions.put(function)
            self._versions.deploy(function)
            published = self._published.publish(function) if request.get("Publish") else None
        if published is not None:
            return describe(published, now=float("-inf"), qualifier=published.version)
        return describe(function, now=float("-inf"))

    def _check_updatable(self, function: FunctionRecord, request: dict[str, Any]) -> None:
        now = self._clock()
        refuse_in_transition(function, now)
        refuse_changed(request.get("RevisionId"), function.revision(now))

    def _set_concurrency(self, request: dict[str, Any], context: RequestContext, reserved: int | None) -> None:
        with self._functions.lock:
            self._functions.put(replace(self._named(request, context), reserved_concurrency=reserved))

    def _named(self, request: dict[str, Any], context: RequestContext) -> FunctionRecord:
        """Return the function that a request names. A published version cannot change."""
        name = names.requested(request, context)
        function = self._functions.find(name.key)
        if function is None or name.qualifier not in (None, LATEST):
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        return function

    def _version(self, request: dict[str, Any], context: RequestContext) -> FunctionRecord:
        """Return the version that a request names by its number, through an alias, or not at all."""
        name = names.requested(request, context)
        function = self._aliases.find(name)
        if function is None:
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        return function

    def _describe(self, function: FunctionRecord, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return describe(function, self._clock(), names.requested(request, context).qualifier)

    def _check_role(self, role: str, context: RequestContext) -> None:
        roles.check_assumable(role, context.account_id, self._environment.client("iam", context.region))

    def _check_dead_letter_target(self, settings: Configuration) -> None:
        arn = settings.dead_letter_arn
        if not arn:
            return
        action = "sns:Publish" if ":sns:" in arn else "sqs:SendMessage"
        if self._environment.missing_permission(settings.role, [(action, arn)]):
            service, _, name = action.partition(":")
            raise _invalid(f"The provided execution role does not have permissions to call {name} on {service.upper()}")

    def _s3(self, context: RequestContext) -> Callable[[], Any]:
        return lambda: self._environment.client("s3", context.region)

    def _settling_time(self) -> float:
        return self._clock() + self._environment.settings.function_pending_seconds


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)


def _payload(request: Mapping[str, Any], kind: str) -> bytes:
    body = request.get("Payload") or b"{}"
    payload: bytes = body if isinstance(body, bytes) else body.read()
    limit = MAX_ASYNC_PAYLOAD if kind == "Event" else MAX_SYNC_PAYLOAD
    if len(payload) > limit:
        message = f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        raise ServiceError("RequestTooLargeException", message, 413)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", message) from error
    return payload


def _client_context(request: Mapping[str, Any]) -> str | None:
    encoded = request.get("ClientContext")
    return base64.b64decode(encoded).decode() if encoded else None
