"""Requests and responses as plain data, between the WSGI server and the protocols. Knows no AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from .errors import MalformedRequestError

Environ = dict[str, Any]

LARGEST_IN_MEMORY = 128 * 1024**2
"""Bytes of a body that is read as one piece; Lambda takes 70 MB. Only S3's objects may be larger."""


class Request:
    """One HTTP request. The body is read only when asked for, and stays readable for the next reader."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        # RAW_URI keeps the percent-encoding that PATH_INFO has lost: ARNs in paths carry %2F.
        raw_uri: str = environ.get("RAW_URI") or environ.get("PATH_INFO", "/")
        self.path, _, self.query_string = raw_uri.partition("?")
        self.query: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query_string, keep_blank_values=True):
            self.query.setdefault(name, []).append(value)

    def header(self, name: str, default: str = "") -> str:
        key = name.upper().replace("-", "_")
        value: str = self.environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", default)
        return value

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """How S3 reads the path; our clients never put the bucket into the host's name."""
        bucket, _, key = unquote(self.path.lstrip("/")).partition("/")
        return bucket, key

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names in lower case, with dashes."""
        return {
            key.removeprefix("HTTP_").lower().replace("_", "-"): value
            for key, value in self.environ.items()
            if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }

    @property
    def body(self) -> bytes:
        stream = self.environ.get("wsgi.input")
        if isinstance(stream, io.BytesIO):
            return stream.getvalue()
        content = b"" if stream is None else _read_whole(stream)
        self.replace_body(content)
        return content

    def replace_body(self, content: bytes) -> None:
        self.environ["wsgi.input"] = io.BytesIO(content)
        self.environ["CONTENT_LENGTH"] = str(len(content))
        # A body that came in chunks is whole now.
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)


def _read_whole(stream: Any) -> bytes:
    content = bytearray()
    while chunk := stream.read(min(1 << 20, LARGEST_IN_MEMORY + 1 - len(content))):
        content += chunk
        if len(content) > LARGEST_IN_MEMORY:
            raise MalformedRequestError(f"The body has more than {LARGEST_IN_MEMORY} bytes.", 413)
    return bytes(content)


@dataclass
class Response:
    """`body` may be an iterable of chunks: large objects are passed on as they come."""

    status: int = HTTPStatus.OK
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Iterable[bytes] = b""

    def header(self, name: str) -> str:
        lowered = name.lower()
        return next((value for key, value in self.headers if key.lower() == lowered), "")

    def content(self) -> bytes:
        """The whole body, read once and kept."""
        if not isinstance(self.body, bytes):
            chunks = self.body
            self.body = b"".join(chunks)
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return self.body

    def with_content(self, content: bytes) -> Response:
        kept = [(key, value) for key, value in self.headers if key.lower() != "content-length"]
        return Response(self.status, [*kept, ("Content-Length", str(len(content)))], content)

    @property
    def status_line(self) -> str:
        try:
            return f"{int(self.status)} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"


def json_response(content: Any, status: int = 200) -> Response:
    """A response with `content` as JSON."""
    body = json.dumps(content).encode()
    return Response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)
