"""Accepts connections on loopback: one thread for each, and all of them closed when the server ends."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from ..messages import warn
from .connection import Connection, WsgiApp
from .head import Head

_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.1
_SECONDS_BETWEEN_WARNINGS = 10.0
_SHOWN_QUERY = frozenset({"list-type", "prefix", "delimiter", "uploads", "partNumber", "uploadId", "versionId"})
"""Query parameters that the log shows. A presigned URL has its signature, its key and its token in the others."""


class Listener:
    """Serves `app` on a socket that listens already. `is_allowed` says whether to serve a client at all."""

    def __init__(
        self,
        listening: socket.socket,
        app: WsgiApp,
        is_allowed: Callable[[socket.socket], bool],
        verbose: bool = False,
    ) -> None:
        self._listening = listening
        self._app = app
        self._is_allowed = is_allowed
        self._verbose = verbose
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._is_closing = False
        self._wake, self._woken = socket.socketpair()
        self._warned_at = -_SECONDS_BETWEEN_WARNINGS
        listening.setblocking(False)

    def serve_forever(self) -> None:
        """Accept connections until `close`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._is_closing:
                selector.select()
                self._accept()

    def close(self) -> None:
        """Stop accepting, and end the connections that clients keep open."""
        self._is_closing = True
        self._wake.send(b"\0")
        self._listening.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def _accept(self) -> None:
        try:
            client, peer = self._listening.accept()
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES and not self._is_closing:
                self._make_room(error)
            return
        client.setblocking(True)
        try:
            threading.Thread(target=self._serve, args=(client, peer), name="connection", daemon=True).start()
        except RuntimeError as error:  # no more threads
            client.close()
            self._make_room(error)

    def _serve(self, client: socket.socket, peer: tuple[str, int]) -> None:
        with client:
            try:
                is_allowed = self._is_allowed(client)
            except OSError as error:
                self._make_room(error)
                return
            if not is_allowed:
                _say_not_allowed(client)
                return
            connection = Connection(client, peer, self._app, self._log)
            with self._lock:
                self._connections.add(connection)
            try:
                if not self._is_closing:
                    connection.serve()
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _make_room(self, error: Exception) -> None:
        """Close connections that wait for a next request, and let the others finish."""
        with self._lock:
            idle = [connection for connection in self._connections if connection.is_idle]
        for connection in idle:
            connection.close()
        if time.monotonic() - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            self._warned_at = time.monotonic()
            warn(
                f"cannot accept connections ({error}). It closed {len(idle)} idle ones. "
                "Use fewer connections, or raise the limit of open files (ulimit -n)."
            )
        time.sleep(_PAUSE)

    def _log(self, head: Head, status: int) -> None:
        if self._verbose:
            moment = time.strftime("%Y-%m-%d %H:%M:%S")
            warn(f"{moment} {head.method} {_shown(head.target)} {status}")


def _shown(target: str) -> str:
    """The target without what gives access, and without characters that a terminal would act on."""
    path, mark, query = target.partition("?")
    names = [
        f"{name}={value}" if name in _SHOWN_QUERY and value else name if name in _SHOWN_QUERY else f"{name}=..."
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    text = path + mark + "&".join(names)
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _say_not_allowed(client: socket.socket) -> None:
    message = b'{"message": "This emulator serves only the user who started it."}'
    head = (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    )
    with contextlib.suppress(OSError):
        client.settimeout(1)
        client.sendall(head % len(message) + message)
        client.shutdown(socket.SHUT_WR)
        # Closing with unread bytes would reset the connection before the client has read the response.
        for _ in range(64):
            if not client.recv(65536):
                break
