"""An emulator on which every API call takes as long as a network away, and which keeps note of each.

    python tests/bench/latency.py [--milliseconds 50]

Prints its URL and ends with its standard input. `GET /_bench/calls` answers the calls since the last `DELETE` of it,
with the moments at which they came in and were answered. Calls of the emulator's own services among themselves are
neither delayed nor counted; they are known by their user agent. Those of a function that runs are, as on AWS.
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
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from geopipe_runner.emulator.calls import is_mutating  # noqa: E402
from geopipe_runner.emulator.clients import INTERNAL_MARK  # noqa: E402
from geopipe_runner.emulator.models import unshared_model  # noqa: E402
from geopipe_runner.emulator.routing import RestRouter  # noqa: E402
from geopipe_runner.emulator.signature import read_scope  # noqa: E402
from geopipe_runner.emulator.web import Environ, Request  # noqa: E402

WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
CONTROL = "/_bench/calls"
_REST = ("s3", "lambda", "sagemaker-geospatial")


@dataclass(frozen=True)
class Call:
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
    """The operation's name, from the request alone."""
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
    """The WSGI middleware: `wrap` goes around the application, `calls` says what came by."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._calls: list[Call] = []
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
                    self._calls.append(Call(request, began, time.monotonic()))

        return far_app

    def _control(self, request: Request, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            calls = sorted(self._calls, key=lambda call: call.began)
            if request.method == "DELETE":
                self._calls.clear()
        # Names are worked out only now, so that finding them takes no time from what is measured.
        body = json.dumps([call.described() for call in calls] if request.method == "GET" else []).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def main() -> int:
    """Serve until standard input ends."""
    from geopipe_runner.emulator.server import EmulatorServer

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
