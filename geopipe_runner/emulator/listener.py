"""The threaded WSGI server: one thread per connection, and every connection closed when it ends."""

from __future__ import annotations

import contextlib
import socket
import socketserver
from typing import Any

from .connection import Connection


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves `app` on a socket that listens already."""

    daemon_threads = True
    # Joining connection threads would wait for clients that keep theirs open.
    block_on_close = False
    # What werkzeug's request handler asks of its server.
    multithread = True
    multiprocess = False
    ssl_context = None

    def __init__(self, listening: socket.socket, app: Any, verbose: bool = False) -> None:
        super().__init__(listening.getsockname(), Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()
        self.app = app
        self.verbose = verbose
        self._server_version = "geopipe-emulator"
        self._connections: set[socket.socket] = set()

    def opened(self, connection: socket.socket) -> None:
        self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        self._connections.discard(connection)

    def close(self) -> None:
        """Stop accepting, and end the connections that clients keep open."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
