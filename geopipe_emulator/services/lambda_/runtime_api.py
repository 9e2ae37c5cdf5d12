"""Lambda's Runtime API for one execution environment: the HTTP listener that gives AWS's runtime its invocations.

Each environment has its own listener, since the address of the API cannot contain a path. All decisions are made by a
`Runtime`.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

from ...http.peer import is_foreign

_ROOT = "/2018-06-01/runtime"
_RESULT_PATH = re.compile(rf"{_ROOT}/invocation/(?P<id>[^/]+)/(?P<kind>response|error)")
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


@dataclass(frozen=True)
class NextInvocation:
    payload: bytes
    headers: Mapping[str, str]


class Runtime(Protocol):
    """Makes the decisions. `accept_*` return whether the invocation still waited for a result."""

    def next_invocation(self) -> NextInvocation | None: ...

    def accept_response(self, request_id: str, payload: bytes) -> bool: ...

    def accept_error(self, request_id: str, payload: bytes, error_type: str) -> bool: ...

    def accept_init_error(self, payload: bytes, error_type: str) -> bool: ...


class RuntimeApi:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        host, port = self._listener.getsockname()[:2]
        self.address = f"{host}:{port}"
        self._accepting = threading.Thread(target=self._accept, name="runtime-api", daemon=True)

    def start(self) -> None:
        self._accepting.start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # A connection wakes accept() on every system.
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()[:2], timeout=1).close()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    connection, peer = self._listener.accept()
                except OSError:
                    return
                with self._lock:
                    if self._closed:
                        connection.close()
                        return
                    self._connections.add(connection)
                threading.Thread(
                    target=self._serve, args=(connection, peer), name="runtime-api-connection", daemon=True
                ).start()

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        # A process that is killed can leave its connection in the middle of a message.
        with contextlib.suppress(ConnectionError, TimeoutError):
            # Another user of the machine must not take invocations, or respond to them.
            if not is_foreign(connection):
                _Connection(connection, peer, self)  # type: ignore[arg-type]
        with self._lock:
            self._connections.discard(connection)
        connection.close()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet, immediately: otherwise a delayed acknowledgment can cost 40 ms an invocation.
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: RuntimeApi  # type: ignore[assignment]

    def do_GET(self) -> None:
        if self.path != f"{_ROOT}/invocation/next":
            self._reply(404, b"{}")
            return
        invocation = self.server.runtime.next_invocation()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(200, invocation.payload, invocation.headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        error_type = self.headers.get(_ERROR_TYPE) or ""
        if self.path == f"{_ROOT}/init/error":
            self._acknowledge(self.server.runtime.accept_init_error(body, error_type))
            return
        match = _RESULT_PATH.fullmatch(self.path)
        if match is None:
            self._reply(404, b"{}")
        elif match["kind"] == "response":
            self._acknowledge(self.server.runtime.accept_response(match["id"], body))
        else:
            self._acknowledge(self.server.runtime.accept_error(match["id"], body, error_type))

    def _acknowledge(self, accepted: bool) -> None:
        if accepted:
            self._reply(202, b'{"status":"OK"}')
        else:
            error = {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}
            self._reply(400, json.dumps(error).encode())

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: only the runtime calls this API."""
