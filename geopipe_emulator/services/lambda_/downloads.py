"""Serves packages over HTTP, for the Code.Location in GetFunction's response. It opens its port on first use."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ...http.listener import Listener
from ...http.request import Environ
from .packages import DeploymentPackage

# Returns a package by its digest, as long as a function has it.
Lookup = Callable[[str], DeploymentPackage | None]


class Downloads:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._port = 0
        self._paths: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    def url_of(self, package: DeploymentPackage) -> str:
        """Return an address that works while the service runs. It is as hard to guess as a presigned one."""
        with self._lock:
            if self._listener is None:
                self._listener = self._open()
            if package.sha256 not in self._paths:
                path = f"/{secrets.token_urlsafe(24)}.zip"
                self._paths[package.sha256] = path
                self._digests[path] = package.sha256
            return f"http://127.0.0.1:{self._port}{self._paths[package.sha256]}"

    def stop(self) -> None:
        with self._lock:
            if self._listener is not None:
                self._listener.close()

    def _open(self) -> Listener:
        listening = socket.create_server(("127.0.0.1", 0))
        self._port = listening.getsockname()[1]
        # AWS's own addresses work for everyone who knows them, too.
        listener = Listener(listening, self._respond, is_allowed=lambda client: True)
        threading.Thread(target=listener.serve_forever, name="downloads", daemon=True).start()
        return listener

    def _respond(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        digest = self._digests.get(environ["PATH_INFO"])
        package = self._lookup(digest) if digest and environ["REQUEST_METHOD"] in ("GET", "HEAD") else None
        if package is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        start_response("200 OK", [("Content-Type", "application/zip"), ("Content-Length", str(package.size))])
        return [package.zip_file] if environ["REQUEST_METHOD"] == "GET" else []
