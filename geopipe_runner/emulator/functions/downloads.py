"""Hands out packages over HTTP, for the Code.Location that GetFunction answers. Opens its port on first use."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .packages import Package


class Downloads:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._stopped = False

    def url_of(self, package: Package) -> str:
        """An address that works while the service runs; guessing it is as hard as guessing a presigned one."""
        with self._lock:
            if self._server is None:
                self._server = _Server()
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

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Download)
        self._paths: dict[str, str] = {}
        self.packages: dict[str, Package] = {}

    def offer(self, package: Package) -> str:
        if package.sha256 not in self._paths:
            path = f"/{secrets.token_urlsafe(24)}.zip"
            self._paths[package.sha256] = path
            self.packages[path] = package
        return f"http://127.0.0.1:{self.server_port}{self._paths[package.sha256]}"


class _Download(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        package = self.server.packages.get(self.path)
        if package is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(package.size))
        self.end_headers()
        self.wfile.write(package.zip_file)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet, like the rest of the endpoint."""
