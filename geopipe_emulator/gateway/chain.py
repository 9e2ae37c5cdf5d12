"""The gateway: reads service and operation from a request and sends the call through a chain of handlers.

Times of arrival, faults on purpose, the call log, authorization, then our service or moto. Each handler is one file
with one entry point, `handle`. What a handler raises becomes a response here, and only here.

The gateway is a plain WSGI application, so that latency or a recorder can be wrapped around it.
"""

from __future__ import annotations

import errno
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..authorization.authorizer import Authorizer
from ..console import PATH as CONSOLE_PATH
from ..console import Console
from ..http.errors import ClientGone, MalformedRequestError
from ..http.request import Environ, Request, Response, json_response
from ..messages import warn
from ..protocol.error_response import render_error
from ..protocol.errors import ServiceError
from ..protocol.models import rest_model
from ..protocol.request_metadata import claimed_operation, is_form
from ..protocol.route import RestRouter
from ..protocol.signature import CredentialScope, read_scope, redact
from ..protocol.wire import Protocol as WireProtocol
from ..service import RequestContext, ServesPath, Service
from ..settings import Settings
from .access import AccessKeyCheck, has_own_host, is_from_a_browser
from .admission import Admission
from .arrivals import Arrivals
from .call import Call, CallHandler, Forward, MotoPatch, OwnTarget, is_internal
from .call_log import CallLog
from .control import Control
from .handlers.authorization import AuthorizationHandler
from .handlers.faults import FaultHandler, FaultPlan
from .handlers.moto import MotoHandler
from .handlers.service import ServiceHandler

StartResponse = Callable[..., Any]


class Gateway:
    """Routes calls. `settings` says whose account this is; `install` says who handles the calls."""

    def __init__(
        self,
        settings: Settings,
        moto: MotoHandler,
        access: AccessKeyCheck | None = None,
        reset: Callable[[], None] | None = None,
        describe_state: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self._admission = Admission()
        self.arrivals = Arrivals()
        self.call_log = CallLog()
        self.faults = FaultPlan(settings.faults, settings.fault_seed, settings.fault_kinds.split(","))
        self._settings = settings
        self._moto = moto
        self._access = access
        self._control = Control(settings, self.call_log, self.arrivals, self.faults, reset, describe_state)
        self._services: dict[str, Service] = {}
        self._path_owners: list[ServesPath] = []
        self._wires: dict[str, WireProtocol] = {}
        self._rest_routers: dict[str, RestRouter | None] = {}
        self._chain: Forward = moto.handle
        self.console: Console | None = None

    def install(self, services: Sequence[Service], authorizer: Authorizer, patches: Sequence[MotoPatch] = ()) -> None:
        """Put services, authorization and corrections of moto in place of those before."""
        self._services = {service.name: service for service in services}
        self._path_owners = [service for service in services if isinstance(service, ServesPath)]
        self._authorizer = authorizer
        self._moto.patches = {patch.service: patch for patch in patches}
        handlers: list[CallHandler] = [
            self.arrivals,
            FaultHandler(self.faults),
            self.call_log,
            AuthorizationHandler(authorizer),
            ServiceHandler(),
        ]
        chain: Forward = self._moto.handle
        for handler in reversed(handlers):
            chain = partial(handler.handle, forward=chain)
        self._chain = chain

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self.respond(Request(environ))
        start_response(response.status_line, response.headers)
        return [response.body] if isinstance(response.body, bytes) else response.body

    def respond(self, request: Request) -> Response:
        """The response to any request. Raises ClientGone when the client left in the middle of it."""
        if is_internal(request):
            return self._respond(request)
        if not self._admission.enter():
            return self._refuse(request)
        try:
            response = self._respond(request)
        finally:
            counts = self._admission.leave()
        return response if counts else self._refuse(request)

    def _refuse(self, request: Request) -> Response:
        """AWS's response, in the caller's protocol, with which clients try again later."""
        error = ServiceError("ServiceUnavailable", "The emulator is about to end. Try again when it runs again.", 503)
        if f"{request.path}/".startswith(f"{CONSOLE_PATH}/"):
            return json_response({"message": error.message}, error.status)
        scope = read_scope(request)
        service = scope.service if scope else "sts" if is_form(request) else "s3"
        try:
            call = self._read_call(request, service, self._context(scope))
        except (ServiceError, MalformedRequestError):
            call = None
        response = self._render(request, service, call, error)
        response.headers.append(("Connection", "close"))
        return response

    def _respond(self, request: Request) -> Response:
        # For browsers, with its own checks. No bucket has such a name.
        if self.console is not None and f"{request.path}/".startswith(f"{CONSOLE_PATH}/"):
            return self.console.respond(request)
        path_owner = next((each for each in self._path_owners if request.path.startswith(each.path)), None)
        if is_from_a_browser(request) and not (path_owner and has_own_host(request)):
            return json_response({"message": "The emulator does not serve web pages."}, 403)
        scope = read_scope(request)
        service = scope.service if scope else "s3"
        call = None
        try:
            if self._access is not None:
                self._access.check(request, self._context(scope))
            if path_owner is not None:
                return self._respond_for_path(request, path_owner, self._context(scope))
            own = self._control.respond(request, is_signed=scope is not None)
            if own is not None:
                return own
            if scope is None:
                # An unsigned request can only be anonymous access to an object, or one of STS's unsigned calls.
                service = "sts" if is_form(request) else "s3"
            call = self._read_call(request, service, self._context(scope))
            return self._chain(call)
        except ClientGone:
            raise
        except Exception as failure:  # noqa: BLE001 - our bug must reach the client as AWS's own would
            return self._render(request, service, call, failure)

    def _respond_for_path(self, request: Request, owner: ServesPath, context: RequestContext) -> Response:
        def authorize(operation: str, parameters: Mapping[str, Any], policy: Mapping[str, Any] | None) -> None:
            self._authorizer.check(request, context, owner.name, operation, parameters, policy)

        return owner.respond(request, context, authorize)

    def _context(self, scope: CredentialScope | None) -> RequestContext:
        region = scope.region if scope else self._settings.region
        return RequestContext(
            account_id=self._settings.account_id,
            region=region,
            partition=partition_of(region),
            request_id=str(uuid.uuid4()),
            access_key_id=scope.access_key_id if scope else "",
        )

    def _read_call(self, request: Request, service: str, context: RequestContext) -> Call:
        own = self._services.get(service)
        if own is not None:
            wire = self._wire(own)
            match = wire.match(request)
            operation = match.operation.name if match else claimed_operation(request)
            handler = own.operations.get(operation) if match else None
            return Call(request, context, service, operation, OwnTarget(own, wire, match, handler))
        operation = claimed_operation(request)
        if service == "s3" or operation == f"{request.method} {request.path}":
            router = self._rest_router(service)
            match = router.match(request) if router else None
            operation = match.operation.name if match else f"{request.method} {request.path}"
        return Call(request, context, service, operation)

    def _render(self, request: Request, service: str, call: Call | None, failure: Exception) -> Response:
        error = _as_service_error(request, call, failure)
        if call is not None and call.target is not None:
            match = call.target.match
            response = call.target.wire.error(match.operation if match else None, error)
        else:
            response = render_error(request, service, error)
        if isinstance(failure, MalformedRequestError):
            # It is not known where this request ends and the next one begins.
            response.headers.append(("Connection", "close"))
        return response

    def _wire(self, service: Service) -> WireProtocol:
        """The service's wire protocol, built on first use: the models are large, and not every run needs all."""
        if service.name not in self._wires:
            self._wires[service.name] = WireProtocol(service.model_name)
        return self._wires[service.name]

    def _rest_router(self, service: str) -> RestRouter | None:
        """What names the operations of a service of moto's by their paths; None for a service that has no such paths.

        It is built on first use.
        """
        if service not in self._rest_routers:
            model = rest_model(service)
            self._rest_routers[service] = RestRouter(model) if model else None
        return self._rest_routers[service]

    def warm_up(self) -> None:
        """Import and build what every run asks for first."""
        self._moto.warm_up()
        self._rest_router("s3")
        for service in list(self._services.values()):
            self._wire(service)

    def end(self, seconds: float) -> None:
        """Respond to new requests of clients with 503, and let those that run return.

        A request that takes longer than these seconds gets 503, too: what it changes is not saved any more.
        """
        self._admission.close()
        self.stop()
        self._admission.await_end(seconds)

    def stop(self) -> None:
        """Let every request that waits return."""
        for patch in self._moto.patches.values():
            patch.stop()


def partition_of(region: str) -> str:
    """The partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _as_service_error(request: Request, call: Call | None, failure: Exception) -> ServiceError:
    """The error for the client. A failure of ours goes to standard error too, without the caller's secrets."""
    if isinstance(failure, ServiceError):
        return failure
    if isinstance(failure, MalformedRequestError):
        code = "EntityTooLarge" if failure.status == 413 else "InvalidRequest"
        return ServiceError(code, failure.message, failure.status)
    if isinstance(failure, RecursionError):
        return ServiceError("SerializationException", "The request is nested too deeply.", 400)
    shortage = _shortage(failure)
    if shortage:
        warn(shortage)
        return ServiceError("ServiceUnavailable", f"The emulator {shortage}", 503)
    text = "".join(traceback.format_exception(failure))
    warn(f"a request failed\n{redact(text, request).rstrip()}")
    name = f"{call.service} {call.operation}: " if call else ""
    return ServiceError("InternalFailure", redact(f"{name}{failure!r}", request), 500)


def _shortage(failure: Exception) -> str:
    if isinstance(failure, MemoryError):
        return "is out of memory. Use smaller objects, or give it more memory."
    if isinstance(failure, OSError) and failure.errno in (errno.EMFILE, errno.ENFILE):
        return "is out of file descriptors. Raise the limit of open files (ulimit -n)."
    if isinstance(failure, OSError) and failure.errno == errno.ENOSPC:
        return f"cannot write {failure.filename or 'its temporary files'}: no space left on the device."
    return ""
