"""Serves packages over HTTP, for the Code.Location in GetFunction's response. It opens its port on first use."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .packages import DeploymentPackage

# Returns a package by its digest, as long as a function has it.
Lookup = Callable[[str], DeploymentPackage | None]


class Downloads:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._stopped = False

    def url_of(self, package: DeploymentPackage) -> str:
        """Return an address that works while the service runs. It is as hard to guess as a presigned one."""
        with self._lock:
            if self._server is None:
                self._server = _Server(self._lookup)
                threading.Thread(target=self._server.serve_forever, name="downloads", daemon=True).start()
            return self._server.offer(package)

    def stop(self) -> None:
        with self._lock:
            if self._server is not None and not self._stopped:
                self._server.shutdown()
                self._server.server_close()
            self._stopped = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, lookup: Lookup) -> None:
        super().__init__(("127.0.0.1", 0), _Download)
        self._lookup = lookup
        self._paths: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    def offer(self, package: DeploymentPackage) -> str:
        if package.sha256 not in self._paths:
            path = f"/{secrets.token_urlsafe(24)}.zip"
            self._paths[package.sha256] = path
            self._digests[path] = package.sha256
        return f"http://127.0.0.1:{self.server_port}{self._paths[package.sha256]}"

    def at(self, path: str) -> DeploymentPackage | None:
        digest = self._digests.get(path)
        return self._lookup(digest) if digest else None


class _Download(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        package = self.server.at(self.path)
        if package is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(package.size))
        self.end_headers()
        self.wfile.write(package.zip_file)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, as the rest of the endpoint."""
