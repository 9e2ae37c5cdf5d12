"""What a local endpoint that is none is said to be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from geopipe_runner.aws.endpoint import foreign, is_emulator, silent


@contextmanager
def server_with(page: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("page", "is_ours"),
    [
        (json.dumps({"status": "ready", "services": []}).encode(), True),
        (json.dumps({"status": "running"}).encode(), False),
        (b"[]", False),
        (b"<html>hello</html>", False),
        (b"", False),
    ],
)
def test_an_emulator_says_that_it_is_ready(page: bytes, is_ours: bool) -> None:
    with server_with(page) as url:
        assert is_emulator(url) is is_ours
        assert ("is not a geopipe emulator" in foreign(url, "no Account in it").message) is not is_ours


def test_nothing_is_no_emulator() -> None:
    assert not is_emulator("http://127.0.0.1:9")


def test_the_messages_say_how_to_start_the_emulator() -> None:
    nothing, hangs = silent("http://127.0.0.1:4566", accepts=False), silent("http://127.0.0.1:4566", accepts=True)
    assert nothing.message == "Nothing listens at http://127.0.0.1:4566."
    assert hangs.message == "http://127.0.0.1:4566 takes connections but does not respond."
    for error in (nothing, hangs):
        assert error.hint.endswith("python -m geopipe_emulator --port 4566")
