"""The operations on functions themselves: create, read, update, delete, concurrency, invoke."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import ServiceError
from ..service import Environment, Handler, RequestContext
from . import configuration, names, packages, roles, tags
from .downloads import Downloads
from .fleet import Fleet
from .invoker import Invoker
from .names import LATEST
from .paging import page
from .store import Function, FunctionStore, describe, updated

MAX_SYNC_PAYLOAD = 6_291_456
MAX_ASYNC_PAYLOAD = 1_048_576
_DEFAULT_ARCHITECTURES = ("x86_64",)


class FunctionApi:
    def __init__(
        self,
        environment: Environment,
        functions: FunctionStore,
        fleet: Fleet,
        invoker: Invoker,
        downloads: Downloads,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._functions = functions
        self._fleet = fleet
        self._invoker = invoker
        self._downloads = downloads
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
            "Invoke": self.invoke,
        }

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        key = names.parse(request["FunctionName"], context).key
        given = configuration.of_new_function(request)
        if self._functions.find(key) is not None:
            raise ServiceError("ResourceConflictException", f"Function already exist: {key.name}", 409)
        function = Function(
            key=key,
            arn=names.function_arn(key.name, context),
            configuration=given,
            package=packages.from_request(request["Code"], "CreateFunction", self._s3(context)),
            architectures=tuple(request.get("Architectures") or _DEFAULT_ARCHITECTURES),
            tags=tags.checked(request.get("Tags") or {}),
            settles_at=0,
        )
        self._check_role(given.role, context)
        function = replace(function, settles_at=self._settling_time())
        with self._functions.lock:
            self._functions.add(function)
            self._fleet.deploy(function)
        # Pending even where it settles at once: no caller may take a new function for a ready one.
        return describe(function, now=float("-inf"))

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        answer: dict[str, Any] = {
            "Configuration": describe(function, self._clock()),
            "Code": {"RepositoryType": "S3", "Location": self._downloads.url_of(function.package)},
        }
        if function.tags:
            answer["Tags"] = dict(function.tags)
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def get_configuration(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return describe(self._named(request, context), self._clock())

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        functions = self._functions.in_region(context.region)
        limit = min(request.get("MaxItems") or 50, 50)
        shown, marker = page(functions, lambda function: function.key.name, request.get("Marker"), limit)
        now = self._clock()
        answer: dict[str, Any] = {"Functions": [describe(function, now) for function in shown]}
        return answer | ({"NextMarker": marker} if marker else {})

    def update_code(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        configuration.refuse_unsupported(request)
        package = packages.from_request(request, "UpdateFunctionCode", self._s3(context))
        changes: dict[str, Any] = {"package": package}
        if request.get("Architectures"):
            changes["architectures"] = tuple(request["Architectures"])
        if request.get("DryRun"):
            self._check_updatable(function, request)
            return describe(replace(function, **changes), self._clock())
        return self._update(request, context, lambda current: changes)

    def update_configuration(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        configuration.changed(function.configuration, request)
        if request.get("Role"):
            self._check_role(request["Role"], context)
        return self._update(
            request, context, lambda current: {"configuration": configuration.changed(current.configuration, request)}
        )

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function = self._named(request, context)
        if names.parse(request["FunctionName"], context).qualifier or request.get("Qualifier"):
            message = f"{LATEST} version cannot be deleted without deleting the function."
            raise ServiceError("InvalidParameterValueException", message)
        with self._functions.lock:
            self._functions.remove(function.key)
        self._fleet.withdraw(function.key)
        return {"StatusCode": 204}

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
        function = self._named(request, context)
        kind = request.get("InvocationType") or "RequestResponse"
        payload = _payload(request, kind)
        arn = function.arn if _qualifier(request, context) is None else f"{function.arn}:{LATEST}"
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            self._invoker.invoke_later(function.key, arn, payload, _client_context(request))
            return {"StatusCode": 202, "Payload": b""}
        outcome = self._invoker.invoke(function.key, arn, payload, _client_context(request), context.request_id)
        answer = {"StatusCode": 200, "ExecutedVersion": LATEST, "Payload": outcome.result.payload}
        if not outcome.succeeded:
            answer["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            answer["LogResult"] = base64.b64encode(outcome.log_tail).decode()
        return answer

    def _update(
        self, request: dict[str, Any], context: RequestContext, changes: Callable[[Function], dict[str, Any]]
    ) -> dict[str, Any]:
        with self._functions.lock:
            current = self._named(request, context)
            self._check_updatable(current, request)
            function = updated(current, self._settling_time(), **changes(current))
            self._functions.put(function)
            self._fleet.deploy(function)
        return describe(function, now=float("-inf"))

    def _check_updatable(self, function: Function, request: dict[str, Any]) -> None:
        now = self._clock()
        if not function.settled(now):
            state = (
                "The function is currently in the following state: Pending"
                if function.is_new
                else f"An update is in progress for resource: {function.arn}"
            )
            message = f"The operation cannot be performed at this time. {state}"
            raise ServiceError("ResourceConflictException", message, 409)
        if request.get("RevisionId") and request["RevisionId"] != function.revision(now):
            message = (
                "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to "
                "retrieve the latest RevisionId for your resource."
            )
            raise ServiceError("PreconditionFailedException", message, 412)

    def _set_concurrency(self, request: dict[str, Any], context: RequestContext, reserved: int | None) -> None:
        with self._functions.lock:
            self._functions.put(replace(self._named(request, context), reserved_concurrency=reserved))

    def _named(self, request: dict[str, Any], context: RequestContext) -> Function:
        """The function a request names; only its latest version exists here."""
        name = names.parse(request["FunctionName"], context)
        qualifier = _qualifier(request, context)
        function = self._functions.find(name.key)
        if function is None or qualifier not in (None, LATEST):
            raise names.not_found(names.function_arn(name.key.name, context, qualifier))
        return function

    def _check_role(self, role: str, context: RequestContext) -> None:
        roles.check_assumable(role, context.account_id, self._environment.client("iam", context.region))

    def _s3(self, context: RequestContext) -> Callable[[], Any]:
        return lambda: self._environment.client("s3", context.region)

    def _settling_time(self) -> float:
        return self._clock() + self._environment.settings.function_pending_seconds


def _qualifier(request: Mapping[str, Any], context: RequestContext) -> str | None:
    return names.parse(request["FunctionName"], context).qualifier or request.get("Qualifier") or None


def _payload(request: Mapping[str, Any], kind: str) -> bytes:
    given = request.get("Payload") or b"{}"
    payload: bytes = given if isinstance(given, bytes) else given.read()
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
    given = request.get("ClientContext")
    return base64.b64decode(given).decode() if given else None
