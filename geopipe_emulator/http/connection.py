"""One client connection: HTTP/1.1 with keep-alive in front of a WSGI application.

We weighed cheroot and waitress. waitress collects a whole body before the application sees it and serves from a fixed
pool, which 20 s long polls would fill. cheroot's pool does not grow by itself either. Neither takes a listening socket
whose connections may wait while the application is still being imported, or hands out the socket, which the check of
the peer's user and the faults on purpose need. What is left for us is small, so it is our own.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

from ..messages import warn
from .body import ChunkedBody, SizedBody
from .errors import MalformedRequestError
from .head import Head, read_head
from .request import Environ, json_response

WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_WITHOUT_BODY = (204, 304)
_DRAIN_CHUNK = 1 << 20
_LINGER_SECONDS = 1.0
"""How long a client may continue to send a request that was refused before it reads the response."""
_LINGER_BYTES = 8 << 20


class Connection:
    """Serves the requests of one client, one after the other."""

    def __init__(
        self, client: socket.socket, peer: tuple[str, int], app: WsgiApp, log: Callable[[Head, int], None]
    ) -> None:
        self.socket = client
        self.is_idle = True
        self._peer = peer
        self._app = app
        self._log = log
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = client.makefile("rb")

    def serve(self) -> None:
        """Return when the client has sent its last request, or is gone."""
        try:
            with contextlib.suppress(OSError):  # a client may leave at any moment
                while self._serve_request():
                    pass
        finally:
            self._input.close()

    def close(self) -> None:
        """End the connection from another thread: a read that waits gets the end of the stream."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _serve_request(self) -> bool:
        """Whether another request may follow."""
        head = None
        self.is_idle = True
        try:
            head = read_head(self._input)
            self.is_idle = False
            if head is None:
                return False
            body = ChunkedBody(self._input) if head.is_chunked else SizedBody(self._input, head.content_length)
            if head.expects_continue:
                self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        except MalformedRequestError as error:
            self._refuse(head, error)
            return False
        return self._respond(head, body)

    def _respond(self, head: Head, body: Any) -> bool:
        writer = _ResponseWriter(self.socket, head, self._log)
        try:
            chunks = self._app(self._environ(head, body), writer.start)
            try:
                writer.write_all(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
            # What the application left unread must not be taken for the next request.
            while body.read(_DRAIN_CHUNK):
                pass
        except MalformedRequestError as error:
            if not writer.started:
                self._refuse(head, error)
            return False
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - one broken request must not end the server
            warn(f"a connection failed\n{traceback.format_exc().rstrip()}")
            if not writer.started:
                self._refuse(head, MalformedRequestError("The emulator failed; its standard error says why.", 500))
            return False
        return head.keeps_alive and not writer.closes

    def _environ(self, head: Head, body: Any) -> Environ:
        host, port = self.socket.getsockname()[:2]
        return head.environ() | {
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": self._peer[0],
            "REMOTE_PORT": self._peer[1],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "geopipe.socket": self.socket,
        }

    def _refuse(self, head: Head | None, error: MalformedRequestError) -> None:
        """Respond and close. The rest of the request is read for a moment, or the client would see a reset."""
        response = json_response({"message": error.message}, error.status)
        response.headers.append(("Connection", "close"))
        writer = _ResponseWriter(self.socket, head or Head("?", "?", "HTTP/1.1", ()), self._log)
        writer.start(response.status_line, response.headers)
        writer.write_all([response.content()])
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(_LINGER_SECONDS)
        for _ in range(_LINGER_BYTES // _DRAIN_CHUNK):
            if not self.socket.recv(_DRAIN_CHUNK):
                break


class _ResponseWriter:
    """Writes one response. The head and the first chunk go out in one packet."""

    def __init__(self, client: socket.socket, head: Head, log: Callable[[Head, int], None]) -> None:
        self._socket = client
        self._request = head
        self._log = log
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self.started = False

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status, self._headers = status, headers
        return self._write

    @property
    def closes(self) -> bool:
        """Whether the response announces the end of the connection."""
        return any(name.lower() == "connection" and value.lower() == "close" for name, value in self._headers)

    def write_all(self, chunks: Iterable[bytes]) -> None:
        code = int(self._status.split(" ", 1)[0])
        names = {name.lower() for name, _ in self._headers}
        is_silent = self._request.method == "HEAD" or code in _WITHOUT_BODY
        is_chunked = not is_silent and "content-length" not in names
        self._log(self._request, code)
        pending = self._head(is_chunked, names)
        if not is_silent:
            for chunk in chunks:
                if chunk:
                    self._write(pending + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk))
                    pending = b""
            if is_chunked:
                pending += b"0\r\n\r\n"
        if pending:
            self._write(pending)

    def _head(self, is_chunked: bool, names: set[str]) -> bytes:
        lines = [f"HTTP/1.1 {self._status}"]
        lines += [f"{name}: {value}" for name, value in self._headers]
        if "date" not in names:
            lines.append(f"Date: {formatdate(usegmt=True)}")
        if is_chunked:
            lines.append("Transfer-Encoding: chunked")
        if "connection" not in names and not self._request.keeps_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, content: bytes) -> None:
        self.started = True
        self._socket.sendall(content)
