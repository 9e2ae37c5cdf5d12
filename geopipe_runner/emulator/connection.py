"""One client connection: HTTP/1.1 with keep-alive in front of a WSGI application.

werkzeug's own handler closes every connection, which costs a client a new one per call; this one drains what a
request left unread and goes on. Nothing is buffered on the way out: a "100 Continue" that waits costs S3 a second.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterable
from typing import Any

from moto.server import MotoRequestHandler

from .errors import ClientGone
from .web import Environ

_BODYLESS = (204, 304)
_DRAIN_CHUNK = 1 << 20


class RequestBody(io.RawIOBase):
    """Exactly the bytes of one request's body, and no byte of the next request."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        try:
            count: int = self._stream.readinto(memoryview(buffer)[:wanted])
        except ConnectionError as error:
            raise ClientGone from error
        if not count:  # half a body must not be taken for a whole one
            raise ClientGone
        self._left -= count
        return count


class Connection(MotoRequestHandler):  # type: ignore[misc]
    """Keeps moto's way of reading headers (S3 metadata with underscores) and replaces how requests are run."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.closed(self.connection)

    def make_environ(self) -> Environ:
        environ: Environ = super().make_environ()
        if not environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = RequestBody(self.rfile, int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input_terminated"] = True
        return environ

    def run_wsgi(self) -> None:
        sent = _Answer(self)
        try:
            environ = self.make_environ()
            body = environ["wsgi.input"]
            chunks = self.server.app(environ, sent.start)
            try:
                sent.write_all(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
            while body.read(_DRAIN_CHUNK):
                pass
        except ConnectionError:
            self.close_connection = True
        except Exception:  # noqa: BLE001 - one broken request must not end the server
            traceback.print_exc(file=sys.stderr)
            self.close_connection = True
            if not sent.started:
                self.send_error(500)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.server.verbose:
            self.log_message("%s %s", self.requestline, code)

    def log_message(self, format: str, *args: Any) -> None:
        print(f"{self.log_date_time_string()} {format % args}", file=sys.stderr)


class _Answer:
    """Writes one response: head and first chunk in one packet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self.started = False

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status, self._headers = status, headers
        return self._connection.wfile.write

    def write_all(self, chunks: Iterable[bytes]) -> None:
        code = int(self._status.split(" ", 1)[0])
        known = {name.lower() for name, _ in self._headers}
        silent = self._connection.command == "HEAD" or code in _BODYLESS
        chunked = not silent and "content-length" not in known
        pending = self._head(code, chunked, known)
        if not silent:
            for chunk in chunks:
                if chunk:
                    self._write(pending + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk))
                    pending = b""
            if chunked:
                pending += b"0\r\n\r\n"
        if pending:
            self._write(pending)

    def _head(self, code: int, chunked: bool, known: set[str]) -> bytes:
        connection = self._connection
        connection.log_request(code)
        lines = [f"HTTP/1.1 {self._status}"]
        lines += [f"{name}: {value}" for name, value in self._headers]
        if "date" not in known:
            lines.append(f"Date: {connection.date_time_string()}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        if connection.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, content: bytes) -> None:
        self.started = True
        self._connection.wfile.write(content)
