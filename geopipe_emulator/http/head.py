"""The head of a request: its first line and its headers, as the variables of WSGI. Strict, and bounded in size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from .errors import MalformedRequestError

LARGEST_HEAD = 64 * 1024
"""Bytes of the first line and all headers. AWS takes 8 KB of headers in S3, and longer URLs than that nowhere."""
_METHOD = re.compile(r"[A-Za-z]{1,32}")
_VERSION = re.compile(r"HTTP/1\.[01]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_PREFIX = ("CONTENT_TYPE", "CONTENT_LENGTH")


@dataclass(frozen=True)
class Head:
    """What stands before the body."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """All values of one header, separated by commas; "" without it."""
        return ",".join(value for key, value in self.headers if key.lower() == name)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks. Raises MalformedRequestError for any other transfer encoding."""
        encoding = self.header("transfer-encoding").strip().lower()
        if not encoding:
            return False
        if encoding != "chunked":
            raise MalformedRequestError("The only transfer encoding that the emulator reads is chunked.", 501)
        if self.header("content-length"):
            raise MalformedRequestError("A request has either Content-Length or Transfer-Encoding, not both.")
        return True

    @property
    def content_length(self) -> int:
        """Bytes. Raises MalformedRequestError for what is not a length."""
        lengths = {length.strip() for length in self.header("content-length").split(",")}
        text = lengths.pop()
        if lengths or (text and not _LENGTH.fullmatch(text)):
            raise MalformedRequestError("Content-Length must be one whole number, 0 or more.")
        return int(text or 0)

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request on this connection."""
        connection = self.header("connection").lower()
        return "close" not in connection and (self.version == "HTTP/1.1" or "keep-alive" in connection)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        expectation = self.header("expect").strip().lower()
        if expectation not in ("", "100-continue"):
            raise MalformedRequestError("The only expectation that the emulator meets is 100-continue.", 417)
        return bool(expectation) and self.version == "HTTP/1.1"

    def environ(self) -> dict[str, Any]:
        """WSGI's variables, without those of the connection."""
        path, _, query = self.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            # Percent-encoding distinguishes "a/b" from "a%2Fb"; PATH_INFO, which WSGI wants decoded, has lost it.
            "RAW_URI": self.target,
            "REQUEST_URI": self.target,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": self.version,
            "geopipe.headers": self.headers,
        }
        for name, value in self.headers:
            # An underscore could stand in for a dash here, so such headers are left to who knows their meaning.
            if "_" in name:
                continue
            key = name.upper().replace("-", "_")
            key = key if key in _WITHOUT_PREFIX else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ


def read_head(stream: Any) -> Head | None:
    """The next request's head; None when the client has sent its last. Raises MalformedRequestError."""
    lines: list[str] = []
    size = 0
    while True:
        line: bytes = stream.readline(LARGEST_HEAD - size + 1)
        size += len(line)
        if size > LARGEST_HEAD:
            status = 431 if lines else 414
            raise MalformedRequestError(f"The first line and the headers have more than {LARGEST_HEAD} bytes.", status)
        if not line.endswith(b"\n"):
            return None  # The client is gone, and what it sent is incomplete.
        text = line.decode("latin-1").rstrip("\r\n")
        if text:
            lines.append(text)
        elif lines:
            return _parse(lines)
        # An empty line before a request is harmless; some clients send one after a body.


def _parse(lines: list[str]) -> Head:
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rpartition(" ")
    if not (_METHOD.fullmatch(method) and _VERSION.fullmatch(version)) or " " in target:
        raise MalformedRequestError("The first line is not a request of HTTP/1.1.")
    if target.startswith(("http://", "https://")):
        target = "/" + target.partition("://")[2].partition("/")[2]
    if not target.startswith("/") and target != "*":
        raise MalformedRequestError("The request's target is not a path.")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name) or _CONTROL.search(value):
            raise MalformedRequestError("A header is not a name, a colon and a value on one line.")
        headers.append((name, value.strip(" \t")))
    if _CONTROL.search(target):
        raise MalformedRequestError("The request's target contains control characters.")
    return Head(method.upper(), target, version, tuple(headers))
