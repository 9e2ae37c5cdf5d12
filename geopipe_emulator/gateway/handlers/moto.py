"""Everything that no service of ours has goes to moto. Only this module and the patches know that moto exists.

moto is imported on first use: it is most of the server's start.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from botocore.model import OperationNotFoundError

from ...deferred_imports import deferred_imports
from ...http.request import Environ, Response
from ...messages import warn
from ...protocol.errors import ServiceError, not_emulated
from ...protocol.models import has_operation
from ...protocol.parse import parse_json_object
from ...protocol.request_metadata import is_form
from ...protocol.signature import redact
from ..call import Call, MotoPatch

if TYPE_CHECKING:
    from ...state.moto import MotoState

_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/x-amz-json-1.1"
# What every run calls, in the order in which it does.
_WARM_UP_CALLS = (
    ("sts", "GetCallerIdentity", _FORM),
    ("iam", "ListRoles", _FORM),
    ("sqs", "ListQueues", _JSON),
    ("s3", "ListBuckets", ""),
    ("logs", "DescribeLogGroups", _JSON),
)
# moto mocks calls of its own process, and reads certificates. Its import is a quarter shorter without what that needs.
_RARELY_NEEDED = ("unittest.mock", "cryptography.x509", "cryptography.hazmat.backends")
# moto would accept these, and then deliver to its own Lambda and its own queues, past ours, or to the internet.
_NOT_DELIVERED = {
    ("logs", "PutSubscriptionFilter"): "log events",
    ("logs", "PutDestination"): "log events",
    ("pipes", "CreatePipe"): "events",
    ("secretsmanager", "RotateSecret"): "secrets to a rotation function",
    ("firehose", "CreateDeliveryStream"): "records",
    ("dynamodb", "EnableKinesisStreamingDestination"): "records",
}

# What moto's own code raises over a request that AWS would carry out or refuse.
_MISREAD = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)


class MotoHandler:
    """moto as one WSGI application, in one account, with the corrections in `patches` by service."""

    def __init__(self, account_id: str) -> None:
        with deferred_imports(*_RARELY_NEEDED):
            import moto.iam.models  # noqa: F401 - the first call is STS's, which needs IAM
            from moto.server import DomainDispatcherApplication, create_backend_app

        from ..moto_models import use_short_models

        use_short_models()
        _release_what_is_deleted()
        self.patches: Mapping[str, MotoPatch] = {}
        self.state: MotoState | None = None
        """Saves what calls change, where there is a state folder."""
        self._account_id = account_id
        self._app = DomainDispatcherApplication(create_backend_app)
        # moto lists its folder for each request.
        self._app.get_backend_for_host = functools.lru_cache(256)(self._app.get_backend_for_host)
        self._known: dict[str, bool] = {}
        """Whether moto has a backend, by the host that stands for the service."""
        self._backends: dict[str, str] = {}
        """Moto's names of the services that were called."""

    def handle(self, call: Call) -> Response:
        """Moto's response, corrected. Raises ServiceError 501 for what moto lacks or cannot carry out here."""
        if call.request.header("X-Amz-Target"):
            # moto takes what is no JSON for a request without parameters.
            parse_json_object(call.request.body)
        undelivered = _NOT_DELIVERED.get((call.service, call.operation))
        if undelivered:
            message = f"{not_emulated(call.service, call.operation).message} It does not deliver {undelivered}."
            raise ServiceError("NotImplemented", message, 501)
        patch = self.patches.get(call.service)
        response = patch.handle(call, self.forward) if patch else self.forward(call)
        if self.state is not None:
            self.state.note(call)
        return response

    def forward(self, call: Call) -> Response:
        """Moto's own response. Raises ServiceError where moto has none that a client could read."""
        environ = call.request.environ
        environ[_ACCOUNT_HEADER] = self._account_id
        _keep_underscores(environ)
        if not self._knows(call, environ):
            raise not_emulated(call.service, call.operation)
        try:
            with self.state.guard(call) if self.state is not None else nullcontext():
                response = _run(self._app, environ)
        except (NotImplementedError, OperationNotFoundError, ImportError) as missing:
            # An ImportError: moto has the service, but needs a package for it that the emulator does not install.
            raise _unknown_or_missing(call) from missing
        except _MISREAD as failure:
            # moto states no limits of its own: it fails over parameters that it leaves out or gets wrong.
            warn(f"moto failed in {call.service} {call.operation}: {redact(repr(failure), call.request)}")
            raise _failed(call, type(failure).__name__) from failure
        except (ExpatError, ParseError) as problem:
            message = "The XML you provided was not well-formed or did not validate against our published schema"
            raise ServiceError("MalformedXML", message, 400) from problem
        if _is_web_page(response):
            if response.status == 500:
                raise _failed(call, "a web page")
            if call.service != "s3":
                raise _unknown_or_missing(call)
        return response

    def _knows(self, call: Call, environ: Environ) -> bool:
        try:
            host = self._app.infer_service_region_host(environ, call.request.path)
        except (KeyError, IndexError, ValueError) as failure:
            # moto reads the operation's header to distinguish the versions of such a service.
            message = f"The request does not name an operation of {call.service}."
            raise ServiceError("UnknownOperationException", message, 400) from failure
        except ImportError as missing:
            raise not_emulated(call.service, call.operation) from missing
        if host is None:
            return True
        if host not in self._known:
            backend = self._backend_of_host(host)
            self._known[host] = bool(backend)
            self._backends[call.service] = backend
        return self._known[host]

    def _backend_of_host(self, host: str) -> str:
        """What moto's `get_backend_for_host` returns, without its message: standard output has only the URL."""
        from moto.backends import list_of_moto_modules

        if host == "moto_api" or host in list_of_moto_modules():
            return host
        patterns = self._app.backend_url_patterns
        return next((backend for backend, pattern in patterns if pattern.match(f"http://{host}")), "")

    def backends_of(self, service: str) -> tuple[str, Mapping[str, Any]]:
        """Moto's name of a service, and its backends in this account by region; "" and none where moto has none."""
        from moto.backends import get_backend

        name = self._backends.get(service, service)
        try:
            return name, get_backend(name)[self._account_id]
        except (KeyError, ImportError):
            return "", {}

    def warm_up(self) -> None:
        """Ask each usual service one harmless question, so that the first client does not wait for imports."""
        for service, operation, content_type in _WARM_UP_CALLS:
            _run(self._app, _warm_up_environ(service, operation, content_type) | {_ACCOUNT_HEADER: self._account_id})

    def forget(self) -> None:
        """Empty this account. moto's state belongs to the process, so a server that ends takes its own along."""
        from moto.core.base_backend import BackendDict

        # All that moto has made: a service that was never called may have what another one has created in it.
        for backends in list(BackendDict._instances):
            if self._account_id in backends:
                backends[self._account_id].reset()


def _release_what_is_deleted() -> None:
    """Release deleted messages, replaced objects and the like.

    moto notes each instance of its models for a page that the emulator does not serve, and for the end of its mocks.
    """
    from moto.core.common_models import BaseModel

    def make(cls: type[Any], *_: Any, **__: Any) -> Any:
        return super(BaseModel, cls).__new__(cls)

    BaseModel.__new__ = make


def _unknown_or_missing(call: Call) -> ServiceError:
    """What AWS says to an operation that does not exist; 501 for one that only the emulator lacks."""
    if has_operation(call.service, call.operation) is not False:
        return not_emulated(call.service, call.operation)
    if not call.operation:
        return ServiceError("MissingAction", f"The request does not name an operation of {call.service}.", 400)
    code = "InvalidAction" if is_form(call.request) else "UnknownOperationException"
    return ServiceError(code, f"{call.service} has no operation {call.operation}.", 400)


def _failed(call: Call, reason: str) -> ServiceError:
    """501: AWS would carry the request out, or say what is wrong with it. A 500 would make clients try again."""
    message = (
        f"The emulator does not answer {call.operation} of {call.service} with these parameters: "
        f"moto, which it uses for {call.service}, failed with {reason}."
    )
    return ServiceError("NotImplemented", message, 501)


def _keep_underscores(environ: Environ) -> None:
    """Hand moto the names of S3's metadata that contain underscores, which WSGI cannot carry."""
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    names: dict[str, str] = environ.setdefault(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
    for name, value in environ.get("geopipe.headers", ()):
        key = environ_key_for_header(name)
        # A header with underscores never stands in for one with dashes.
        if should_preserve_original_header_name(name) and key not in environ:
            names[key] = name
            environ[key] = value


def _warm_up_environ(service: str, operation: str, content_type: str) -> Environ:
    body = b"{}" if content_type == _JSON else f"Action={operation}".encode() if content_type else b""
    return {
        "REQUEST_METHOD": "POST" if body else "GET",
        "PATH_INFO": "/",
        "RAW_URI": "/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=WARMUP/20000101/us-west-2/{service}/aws4_request",
        "HTTP_X_AMZ_TARGET": f"{service}.{operation}" if content_type == _JSON else "",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def _run(app: Any, environ: Environ) -> Response:
    response = Response()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        response.status = int(status.split(" ", 1)[0])
        response.headers = list(headers)

    chunks: Iterable[bytes] = app(environ, start_response)
    if isinstance(chunks, (list, tuple)):
        response.body = b"".join(chunks)
    else:
        response.body = chunks
        if int(response.header("Content-Length") or 1 << 20) < 1 << 20:
            response.content()
    return response


def _is_web_page(response: Response) -> bool:
    """Whether it is one of Flask's error pages, or moto's empty 404 for a request that it cannot name."""
    if response.status not in (404, 405, 500) or "html" not in response.header("Content-Type"):
        return False
    content = response.content().lstrip().lower()
    return not content or content.startswith((b"<!doctype html", b"<html"))
