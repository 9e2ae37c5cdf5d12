"""The HTTP server: what it takes for a request, what it refuses, and how much it takes."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.http.body import LARGEST_BODY, ChunkedBody, SizedBody, require_room
from geopipe_emulator.http.errors import ClientGone, MalformedRequestError
from geopipe_emulator.http.head import LARGEST_HEAD, read_head
from geopipe_emulator.http.request import LARGEST_IN_MEMORY, Request
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

FORM = "Content-Type: application/x-www-form-urlencoded"
SIGNED = "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/{}/aws4_request, Signature=0"
MANY_TRAILERS = b"0\r\n" + b"a: b\r\n" * 1000 + b"\r\n"


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id="200000000047"))


def exchange(endpoint: Emulator, request: bytes) -> bytes:
    """All that the server sends in response to exactly these bytes, until it closes the connection."""
    address = urlsplit(endpoint.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def resident_kilobytes() -> int:
    line = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert line is not None
    return int(line[1])


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GARBAGE", 400),
        ("GET /", 400),
        ("GET / HTTP/2", 400),
        ("GET no-path HTTP/1.1", 400),
        ("GET /a\x01b HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nNo colon", 400),
        ("GET / HTTP/1.1\r\nName : value", 400),
        ("GET / HTTP/1.1\r\nName: a\r\n continued", 400),
        ("GET / HTTP/1.1\r\nName: a\x00b", 400),
        ("POST / HTTP/1.1\r\nContent-Length: abc", 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1.5", 400),
        ("POST / HTTP/1.1\r\nContent-Length: ٣", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999999", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip", 501),
        ("POST / HTTP/1.1\r\nExpect: the-unexpected", 417),
        (f"GET /{'a' * LARGEST_HEAD} HTTP/1.1", 414),
        (f"GET / HTTP/1.1\r\nName: {'a' * LARGEST_HEAD}", 431),
        ("GET / HTTP/1.1\r\n" + "Name: a\r\n" * 10_000, 431),
    ],
)
def test_a_malformed_head_is_refused_and_the_connection_closed(endpoint: Emulator, head: str, status: int) -> None:
    response = exchange(endpoint, f"{head}\r\n\r\n".encode())
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in response
    assert b'{"message": "' in response


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"zz\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x5\r\nabcde\r\n0\r\n\r\n", 400),
        (b"\r\n", 400),
        (b"5\r\nabcdefgh\r\n0\r\n\r\n", 400),
        (b"ffffffffffffffff\r\nabc\r\n", 400),
        (b"ffffffffff\r\nabc\r\n", 413),
        (b"5" * 10_000, 400),
        (MANY_TRAILERS, 400),
    ],
)
@pytest.mark.parametrize(
    ("request_line", "headers"),
    [("PUT /bucket/key", SIGNED.format("s3")), ("POST /", f"{SIGNED.format('sqs')}\r\nX-Amz-Target: AmazonSQS.A")],
)
def test_a_malformed_chunk_is_refused(
    endpoint: Emulator, request_line: str, headers: str, chunks: bytes, status: int
) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = exchange(endpoint, head.encode() + chunks)
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in response


@pytest.mark.parametrize("chunks", [b"5\r\nabc", b"5\r\nabcde\r\n", b"ffffff\r\nabc\r\n", b"5", b"0\r\n", b""])
def test_a_client_that_leaves_inside_a_chunk_ends_its_request(endpoint: Emulator, chunks: bytes) -> None:
    """Reading further would find the end of the stream again and again."""
    before = resident_kilobytes()
    head = f"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\n{SIGNED.format('s3')}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(endpoint, head.encode() + chunks) == b""
    assert resident_kilobytes() - before < 100_000


def test_a_body_in_chunks_is_read_to_its_end_and_not_further() -> None:
    stream = io.BufferedReader(io.BytesIO(b"3;name=value\r\nabc\r\n2\nde\r\n0\r\nTrailer: x\r\n\r\nnext"))  # type: ignore[arg-type]
    assert ChunkedBody(stream).read() == b"abcde"
    assert stream.read() == b"next"


def test_a_sized_body_is_read_to_its_end_and_not_further() -> None:
    stream = io.BufferedReader(io.BytesIO(b"abcdenext"))  # type: ignore[arg-type]
    assert SizedBody(stream, 5).read() == b"abcde"
    assert stream.read() == b"next"


def test_half_a_sized_body_is_no_body() -> None:
    with pytest.raises(ClientGone):
        SizedBody(io.BufferedReader(io.BytesIO(b"abc")), 5).read()  # type: ignore[arg-type]


def test_the_head_keeps_what_wsgi_cannot_carry() -> None:
    head = read_head(
        io.BytesIO(b"put /a%2Fb//c?x=%20&y HTTP/1.1\r\nX-One: 1\r\nX-One: 2\r\nx-amz-meta-a_b: \xe9\r\n\r\n")
    )
    assert head is not None
    environ = head.environ()
    assert (environ["REQUEST_METHOD"], environ["RAW_URI"]) == ("PUT", "/a%2Fb//c?x=%20&y")
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/a/b//c", "x=%20&y")
    assert environ["HTTP_X_ONE"] == "1,2"
    assert ("x-amz-meta-a_b", "é") in environ["geopipe.headers"]
    assert not any("META" in name for name in environ)
    assert read_head(io.BytesIO(b"")) is None
    assert read_head(io.BytesIO(b"GET / HT")) is None


def test_bodies_are_bounded() -> None:
    require_room(LARGEST_IN_MEMORY // 2)
    with pytest.raises(MalformedRequestError) as caught:
        require_room(LARGEST_BODY + 1)
    assert caught.value.status == 413

    class EndlessStream(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            return len(buffer)

    with pytest.raises(MalformedRequestError, match="more than 134217728 bytes"):
        _ = Request({"REQUEST_METHOD": "POST", "wsgi.input": EndlessStream()}).body


def test_an_absolute_target_names_a_path(endpoint: Emulator) -> None:
    response = exchange(endpoint, b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 200 ")
    assert b"200000000047" in response


def test_metadata_with_underscores_and_dashes(endpoint: Emulator) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="metadata", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    metadata = {"with_underscore": "1", "with-dash": "2"}
    s3.put_object(Bucket="metadata", Key="k", Body=b"", Metadata=metadata)
    assert s3.head_object(Bucket="metadata", Key="k")["Metadata"] == metadata


@pytest.fixture
def verbose_server() -> Iterator[EmulatorServer]:
    with EmulatorServer(Settings(account_id="200000000048"), services=[], verbose=True) as server:
        yield server


def test_the_log_shows_no_secrets_and_no_control_characters(
    verbose_server: EmulatorServer, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator = Emulator(verbose_server, verbose_server.url)
    query = "X-Amz-Credential=AKIAVERYSECRET/20260101/us-west-2/s3/aws4_request&X-Amz-Signature=5ec12e7"
    request = f"GET /b/k\x9b31m?{query}&X-Amz-Security-Token=70ken&prefix=p HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    exchange(emulator, f"{request}Authorization: {SIGNED.format('s3')}Signature=0b5cu4e\r\n\r\n".encode("latin-1"))
    log = capfd.readouterr().err
    assert "GET /b/k\\x9b31m?" in log
    assert "prefix=p" in log
    for secret in ("AKIAVERYSECRET", "5ec12e7", "70ken", "0b5cu4e", "\x9b"):
        assert secret not in log
