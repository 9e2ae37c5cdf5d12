"""Everything we do not own goes to moto. Only this module and the amendments know that moto exists.

moto is imported on first use: it is most of the server's start.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterable
from typing import Any

from .errors import ClientGone, ServiceError
from .web import Environ, Request, Response

_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
_WITHOUT_STATE = ("moto_api", "instance_metadata")
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/x-amz-json-1.1"
_WARMING = (
    ("sts", "GetCallerIdentity", _FORM),
    ("iam", "ListRoles", _FORM),
    ("sqs", "ListQueues", _JSON),
    ("s3", "ListBuckets", ""),
    ("logs", "DescribeLogGroups", _JSON),
)
"""What every run calls, in the order in which it does."""


class Fallback:
    """moto as one WSGI application, in one account."""

    def __init__(self, account_id: str) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app

        self._account_id = account_id
        self._app = DomainDispatcherApplication(create_backend_app)
        self._known: dict[str, bool] = {}

    def answer(self, request: Request, service: str, operation: str) -> Response:
        """moto's answer, or a ServiceError 501 or 500 where moto has none fit for a client."""
        environ = request.environ
        environ[_ACCOUNT_HEADER] = self._account_id
        if not self._knows(service, environ, request.path):
            raise not_emulated(service, operation)
        try:
            response = _call(self._app, environ)
        except NotImplementedError as missing:
            raise not_emulated(service, operation) from missing
        except ClientGone:
            raise
        except Exception as failure:
            traceback.print_exc(file=sys.stderr)
            raise ServiceError("InternalFailure", f"{service} {operation}: {failure!r}", 500) from failure
        if service != "s3" and _is_web_page(response):
            raise not_emulated(service, operation)
        return response

    def _knows(self, service: str, environ: Environ, path: str) -> bool:
        if service not in self._known:
            host = self._app.infer_service_region_host(environ, path)
            self._known[service] = host is None or self._app.get_backend_for_host(host) is not None
        return self._known[service]

    def warm_up(self) -> None:
        """Ask each usual service one harmless question, so that the first client does not wait for imports."""
        for service, operation, content_type in _WARMING:
            self.answer(_question(service, operation, content_type), service, operation)

    def forget(self) -> None:
        """Empty this account. moto's state belongs to the process, so a server that ends takes its own along."""
        from moto.backends import get_backend

        for service in list(self._app.app_instances):
            if service in _WITHOUT_STATE:
                continue
            backends = get_backend(service)
            if self._account_id in backends:
                backends[self._account_id].reset()


def not_emulated(service: str, operation: str) -> ServiceError:
    named = f"{operation} of {service}" if operation else service
    return ServiceError("NotImplemented", f"The emulator does not answer {named}.", 501)


def _question(service: str, operation: str, content_type: str) -> Request:
    body = b"{}" if content_type == _JSON else f"Action={operation}".encode() if content_type else b""
    return Request(
        {
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
    )


def _call(app: Any, environ: Environ) -> Response:
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
    """Flask's own error pages, and moto's empty 404 for a request that it cannot name."""
    if response.status not in (404, 405, 500) or "html" not in response.header("Content-Type"):
        return False
    content = response.content().lstrip().lower()
    return not content or content.startswith((b"<!doctype html", b"<html"))
