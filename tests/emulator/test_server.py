"""The emulator as a process, its end, and its connections."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator_endpoint import Emulator, StartEmulator
from geopipe_runner.emulator.server import EmulatorServer
from geopipe_runner.emulator.service import Environment
from geopipe_runner.emulator.settings import Settings

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "MOTO_ACCOUNT_ID": "999999999999",
}
"""A user's surroundings that must not matter."""


def launch(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "geopipe_runner.emulator", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | HOSTILE,
    )


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def get(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    content: bytes = opener.open(url, timeout=10).read()
    return content


def end_of(process: subprocess.Popen[str]) -> tuple[int, float]:
    began = time.monotonic()
    return process.wait(timeout=10), time.monotonic() - began


def test_a_process_serves_and_ends_with_its_parents_pipe(processes: list[subprocess.Popen[str]]) -> None:
    process = launch("--exit-with-stdin", "--account-id", "200000000041")
    processes.append(process)
    assert process.stdout is not None
    assert process.stdin is not None
    url = process.stdout.readline().strip()
    assert b"200000000041" in get(url)
    process.stdin.close()
    code, seconds = end_of(process)
    assert code == 0
    assert seconds < 1
    assert process.stdout.read() == ""
    assert process.stderr is not None
    assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(processes: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    process = launch()
    processes.append(process)
    assert process.stdout is not None
    get(process.stdout.readline().strip())
    process.send_signal(number)
    code, seconds = end_of(process)
    assert code == 0
    assert seconds < 1


def test_a_port_in_use_is_one_clear_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = launch("--port", str(port))
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert output == ""
    assert errors == f"geopipe emulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--colour", "blue"], "unrecognized arguments"),
        (["--host", "0.0.0.0"], "unrecognized arguments"),
        (["--port", "70000"], "70000 is no port"),
        (["--account-id", "12"], "must be 12 digits"),
        (["--time-scale", "-1"], "must be a finite number, 0 or more"),
    ],
)
def test_wrong_flags_exit_2(arguments: list[str], message: str) -> None:
    process = launch(*arguments)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert message in errors
    assert "Traceback" not in errors


def test_every_setting_has_a_flag() -> None:
    process = launch("--help")
    output, _ = process.communicate(timeout=10)
    for name in Settings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in output


def test_one_server_after_another_starts_empty() -> None:
    for _ in range(2):
        server = EmulatorServer(Settings(account_id="200000000042"), services=[])
        with server:
            client = server.environment.client("s3")
            assert client.list_buckets()["Buckets"] == []
            client.create_bucket(Bucket="left-behind", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=1)


class Recorder:
    """A service that writes down its life."""

    name = model_name = "sagemaker-geospatial"
    operations: dict[str, Any] = {}  # noqa: RUF012 - the protocol asks for a mapping, this one stays empty

    def __init__(self, environment: Environment, life: list[str]) -> None:
        self._environment = environment
        self._life = life

    def start(self) -> None:
        self._life.append(self._environment.client("sts").get_caller_identity()["Account"])

    def stop(self) -> None:
        self._life.append(self._environment.client("sts").get_caller_identity()["Account"])


def test_a_service_that_cannot_start_leaves_no_server() -> None:
    class Broken(Recorder):
        def start(self) -> None:
            raise RuntimeError("cannot start")

    life: list[str] = []
    server = EmulatorServer(Settings(account_id="200000000046"), services=[lambda e: Broken(e, life)])
    with pytest.raises(RuntimeError, match="cannot start"):
        server.start()
    assert life == ["200000000046"], "it was stopped"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=1)


def test_services_reach_the_endpoint_while_they_start_and_stop() -> None:
    life: list[str] = []
    with EmulatorServer(Settings(account_id="200000000043"), services=[lambda e: Recorder(e, life)]):
        assert life == ["200000000043"]
    assert life == ["200000000043"] * 2


def test_middleware_wraps_the_gateway() -> None:
    seen: list[str] = []

    def watch(app: Any) -> Any:
        def watched(environ: dict[str, Any], start_response: Any) -> Any:
            seen.append(environ["REQUEST_METHOD"])
            return app(environ, start_response)

        return watched

    with EmulatorServer(Settings(account_id="200000000044"), services=[], middleware=[watch]) as server:
        get(server.url)
    assert seen == ["GET"]


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id="200000000045"))


def test_a_connection_serves_many_requests(endpoint: Emulator) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=10)
    connection.request("GET", "/")
    connection.getresponse().read()
    kept = connection.sock
    # A body that nobody reads must not be taken for the next request.
    connection.request("POST", "/_geopipe/calls", body=b"GET / HTTP/1.1\r\n\r\n" * 100)
    connection.getresponse().read()
    connection.request("HEAD", "/")
    assert connection.getresponse().read() == b""
    connection.request("GET", "/")
    assert b"ready" in connection.getresponse().read()
    assert connection.sock is kept
    connection.close()


def test_chunked_bodies_and_expectations(endpoint: Emulator) -> None:
    host = urlsplit(endpoint.url).netloc
    scope = "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/sts/aws4_request, Signature=0"
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\n{scope}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection(host.split(":"), timeout=10) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n")
        body = b"Action=GetCallerIdentity&Version=2011-06-15"
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        answer = connection.recv(100_000)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"200000000045" in answer


def test_requests_run_side_by_side(endpoint: Emulator) -> None:
    """A long poll holds nobody up."""
    sqs = endpoint.client("sqs")
    url = sqs.create_queue(QueueName="side-by-side")["QueueUrl"]
    answers: list[Any] = []
    poll = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))
    poll.start()
    for _ in range(5):
        assert endpoint.client("sts").get_caller_identity()["Account"] == "200000000045"
    assert answers == []
    sqs.send_message(QueueUrl=url, MessageBody="done")
    poll.join(timeout=5)
    assert answers[0]["Messages"][0]["Body"] == "done"


def test_half_a_body_is_no_body(emulator: Emulator, capfd: pytest.CaptureFixture[str]) -> None:
    """A client that was killed while it sent: nothing is stored, and nobody is there to be told."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="half-bodies", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    address = urlsplit(emulator.url)
    scope = "AWS4-HMAC-SHA256 Credential=AKIATEST/20261122/us-west-2/s3/aws4_request, SignedHeaders=host, Signature=0"
    head = f"PUT /half-bodies/key HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {scope}\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(head.encode() + b"a,b\n1,2\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    assert "Contents" not in s3.list_objects_v2(Bucket="half-bodies")
    assert capfd.readouterr().err == ""
