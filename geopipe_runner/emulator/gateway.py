"""The one door: reads service and operation from a request and hands it to our service, or past the amendments to moto.

It is a plain WSGI application, so that latency, faults or anything else can be wrapped around it.
"""

from __future__ import annotations

import json
import sys
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .authorisation import Authoriser
from .calls import CallLedger
from .claims import claimed_operation, claimed_parameters, is_form
from .clients import INTERNAL_MARK
from .errors import ClientGone, ServiceError
from .fallback import Fallback, not_emulated
from .faults import FaultPlan
from .models import unshared_model
from .protocol import Protocol as WireProtocol
from .refusals import refuse
from .routing import RestRouter
from .service import FallThrough, NamesResources, RequestContext, Service
from .settings import FAULT_KINDS, Settings
from .signature import Scope, read_scope
from .web import Environ, Request, Response

StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

FALLS_THROUGH = frozenset({"sagemaker"})
"""Owned services whose other operations moto answers; the other owned ones say 501 for what they lack."""


@dataclass(frozen=True)
class Call:
    """One API call on its way to moto."""

    request: Request
    context: RequestContext
    service: str
    operation: str


Forward = Callable[[Call], Response]


class Amendment(Protocol):
    """Makes moto's answers for one service those of AWS: before, after or instead of forwarding the call."""

    @property
    def service(self) -> str: ...

    def handle(self, call: Call, forward: Forward) -> Response: ...

    def stop(self) -> None:
        """Let go of every request that waits; the server is about to end."""


@dataclass(frozen=True)
class _Owned:
    service: Service
    wire: WireProtocol


class Gateway:
    """Routes calls; keeps the ledger. `settings` says whose account this is."""

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        fallback: Fallback,
        authoriser: Authoriser,
        amendments: Sequence[Amendment] = (),
    ) -> None:
        self.ledger = CallLedger()
        self.faults = FaultPlan(settings.faults, settings.fault_seed, settings.fault_kinds.split(","))
        self._authoriser = authoriser
        self._settings = settings
        self._services = {service.name: service for service in services}
        self._owned: dict[str, _Owned] = {}
        self._fallback = fallback
        self._amendments: Mapping[str, Amendment] = {amendment.service: amendment for amendment in amendments}
        self._s3_router: RestRouter | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self.respond(Request(environ))
        start_response(response.status_line, response.headers)
        return [response.body] if isinstance(response.body, bytes) else response.body

    def respond(self, request: Request) -> Response:
        if _is_from_a_browser(request):
            return _json_response({"message": "The emulator answers no web pages."}, 403)
        scope = read_scope(request)
        if scope is None:
            own = self._control(request)
            if own is not None:
                return own
            # An unsigned request can only be anonymous access to an object, or one of STS's unsigned calls.
            scope = Scope("", self._settings.region, "sts" if is_form(request) else "s3")
        context = self._context(scope)
        if scope.service in self._services:
            return self._answer_owned(request, scope.service, context)
        return self._answer_by_moto(Call(request, context, scope.service, self._operation(scope.service, request)))

    def _context(self, scope: Scope) -> RequestContext:
        return RequestContext(
            account_id=self._settings.account_id,
            region=scope.region,
            partition=partition_of(scope.region),
            request_id=str(uuid.uuid4()),
            access_key_id=scope.access_key_id,
        )

    def _answer_owned(self, request: Request, name: str, context: RequestContext) -> Response:
        owned = self._own(name)
        match = owned.wire.match(request)
        operation = match.operation.name if match else claimed_operation(request)
        handler = owned.service.operations.get(operation) if match else None
        if match is None or handler is None:
            if name in FALLS_THROUGH:
                return self._answer_by_moto(Call(request, context, name, operation))
            self._record(name, operation, request)
            return owned.wire.error(match.operation if match else None, not_emulated(name, operation))
        try:
            parameters = owned.wire.parse(match, request)
            self._authorise(request, context, owned.service, operation, parameters)
            output = handler(parameters, context)
            response = owned.wire.answer(match.operation, output)
        except FallThrough:
            return self._answer_by_moto(Call(request, context, name, operation))
        except ServiceError as error:
            response = owned.wire.error(match.operation, error)
        except ClientGone:
            raise
        except Exception as failure:  # noqa: BLE001 - our bug must reach the client as AWS's own would
            traceback.print_exc(file=sys.stderr)
            ours = ServiceError("InternalFailure", f"{name} {operation}: {failure!r}", 500)
            response = owned.wire.error(match.operation, ours)
        self._record(name, operation, request)
        return response

    def _answer_by_moto(self, call: Call) -> Response:
        self._record(call.service, call.operation, call.request)
        amendment = self._amendments.get(call.service)
        try:
            if self._authoriser.enforces:
                # Not S3's: what its calls are about is in the path, and their bodies are large.
                parameters = {} if call.service == "s3" else claimed_parameters(call.request)
                self._authoriser.check(call.request, call.context, call.service, call.operation, parameters)
            response = amendment.handle(call, self._forward) if amendment else self._forward(call)
            self._authoriser.check_absence(call.request, call.context, call.service, response)
            return response
        except ServiceError as error:
            return refuse(call.request, call.service, error)
        except ClientGone:
            raise
        except Exception as failure:  # noqa: BLE001 - see above
            traceback.print_exc(file=sys.stderr)
            return refuse(
                call.request, call.service, ServiceError("InternalFailure", f"{call.operation}: {failure!r}", 500)
            )

    def _authorise(
        self, request: Request, context: RequestContext, service: Service, operation: str, parameters: dict[str, Any]
    ) -> None:
        resource = None
        if self._authoriser.enforces and isinstance(service, NamesResources):
            resource = service.resource_of(operation, parameters, context)
        if resource is None:
            self._authoriser.check(request, context, service.name, operation, parameters)
        elif resource:
            self._authoriser.check_resource(request, context, service.name, operation, resource)

    def _forward(self, call: Call) -> Response:
        return self._fallback.answer(call.request, call.service, call.operation)

    def _own(self, name: str) -> _Owned:
        """Made on first use: the models are large and not every run needs each."""
        if name not in self._owned:
            service = self._services[name]
            self._owned[name] = _Owned(service, WireProtocol(service.model_name))
        return self._owned[name]

    def _operation(self, service: str, request: Request) -> str:
        if service == "s3":
            match = self._name_s3_operations().match(request)
            return match.operation.name if match else f"{request.method} {request.path}"
        return claimed_operation(request)

    def _name_s3_operations(self) -> RestRouter:
        if self._s3_router is None:
            self._s3_router = RestRouter(unshared_model("s3"))
        return self._s3_router

    def _record(self, service: str, operation: str, request: Request) -> None:
        self.ledger.record(service, operation, INTERNAL_MARK in request.header("User-Agent"))

    def warm_up(self) -> None:
        self._fallback.warm_up()
        self._name_s3_operations()
        for name in self._services:
            self._own(name)

    def stop(self) -> None:
        for amendment in self._amendments.values():
            amendment.stop()

    def _control(self, request: Request) -> Response | None:
        """What the emulator says about itself; such paths are no bucket names."""
        if request.path == "/" and request.method in ("GET", "HEAD") and not request.query:
            return _json_response(
                {"status": "ready", "account_id": self._settings.account_id, "region": self._settings.region}
            )
        if request.path == "/_geopipe/calls":
            if request.method == "DELETE":
                self.ledger.clear()
            return _json_response(self.ledger.report())
        if request.path == "/_geopipe/faults":
            return self._control_faults(request)
        return None

    def _control_faults(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                given = json.loads(request.body)
                self.faults.change(given["rate"], given.get("seed", 0), given.get("kinds", FAULT_KINDS))
            except (ValueError, TypeError, KeyError, AttributeError) as problem:
                return _json_response({"message": f"{type(problem).__name__}: {problem}"}, 400)
        return _json_response(self.faults.describe())


_OWN_HOSTS = ("127.0.0.1", "localhost")


def partition_of(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _is_from_a_browser(request: Request) -> bool:
    """A page the user has open may reach loopback, and functions run code: no Origin, no foreign Host."""
    host = request.header("Host", "127.0.0.1").rpartition("@")[2].partition(":")[0]
    return bool(request.header("Origin")) or not (host in _OWN_HOSTS or host.endswith(".localhost"))


def _json_response(content: Any, status: int = 200) -> Response:
    body = json.dumps(content).encode()
    return Response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
