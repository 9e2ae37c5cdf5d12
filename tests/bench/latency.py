"""Runs an emulator that delays every API call as a network would, and records each call.

    python -m tests.bench.latency [--milliseconds 50]

Prints its URL and ends with its standard input. `GET /_bench/calls` returns the calls since the last `DELETE` of the
same path, with the times of request and response. Calls between the emulator's own services are neither delayed nor
recorded; their user agent marks them. Calls of a running function are delayed, as on AWS.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from geopipe_emulator.clients import INTERNAL_MARK
from geopipe_emulator.gateway.call_log import is_mutating
from geopipe_emulator.http.request import Environ, Request
from geopipe_emulator.protocol.models import unshared_model
from geopipe_emulator.protocol.route import RestRouter
from geopipe_emulator.protocol.signature import read_scope

WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
CONTROL = "/_bench/calls"
_REST = ("s3", "lambda", "sagemaker-geospatial")


@dataclass(frozen=True)
class MeasuredCall:
    """One API call from outside: seconds on this process's monotonic clock."""

    request: Request
    began: float
    ended: float

    def described(self) -> dict[str, Any]:
        scope = read_scope(self.request)
        service = scope.service if scope else ""
        operation = operation_of(service, self.request)
        return {
            "service": service,
            "operation": operation,
            "mutating": is_mutating(service, operation),
            "began": self.began,
            "ended": self.ended,
        }


def operation_of(service: str, request: Request) -> str:
    """Returns the operation's name, from the request only."""
    if service in _REST:
        match = _router(service).match(request)
        return match.operation.name if match else f"{request.method} {request.path}"
    target = request.header("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    return parse_qs(request.body.decode("utf-8", "replace")).get("Action", ["?"])[0]


@functools.cache
def _router(service: str) -> RestRouter:
    return RestRouter(unshared_model(service))


class Distance:
    """WSGI middleware that delays and records calls; `wrap` returns the application with it."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._calls: list[MeasuredCall] = []
        self._lock = threading.Lock()

    def wrap(self, app: WsgiApp) -> WsgiApp:
        def far_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            request = Request(environ)
            if request.path == CONTROL:
                return self._control(request, start_response)
            if INTERNAL_MARK in request.header("User-Agent") or read_scope(request) is None:
                return app(environ, start_response)
            began = time.monotonic()
            self._sleep(self._seconds)
            try:
                return app(environ, start_response)
            finally:
                with self._lock:
                    self._calls.append(MeasuredCall(request, began, time.monotonic()))

        return far_app

    def _control(self, request: Request, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            calls = sorted(self._calls, key=lambda call: call.began)
            if request.method == "DELETE":
                self._calls.clear()
        # The names are found only now, so that it takes no time from the measurement.
        body = json.dumps([call.described() for call in calls] if request.method == "GET" else []).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def main() -> int:
    """Serve until standard input ends."""
    from geopipe_emulator.emulator import EmulatorServer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milliseconds", type=float, default=50, help="added to each call (default: 50)")
    distance = Distance(parser.parse_args().milliseconds / 1000)
    with EmulatorServer(middleware=[distance.wrap]) as server:
        server.gateway.warm_up()
        for service in _REST:
            _router(service)
        print(server.url, flush=True)
        while sys.stdin.buffer.read(4096):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
