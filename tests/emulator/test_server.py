"""The emulator as a process, its end, and its connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.service import Environment
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.paths import ROOT
from tests.support.wait import eventually

# Variables of the user's environment that must not matter.
HOSTILE = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "MOTO_ACCOUNT_ID": "999999999999",
}
# Seconds: enough on a machine under load.
LONG = 120.0
KEY_VARIABLE = "GEOPIPE_EMULATOR_ACCESS_KEY_ID"


def launch(*arguments: str, open_files: int = 0, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "geopipe_emulator", *arguments]
    if open_files:
        command = ["sh", "-c", f'ulimit -n {open_files}; exec "$@"', "sh", *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != KEY_VARIABLE} | HOSTILE | environ,
    )


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


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
    content: bytes = opener.open(url, timeout=LONG).read()
    return content


def test_a_process_serves_and_ends_with_its_parents_pipe(processes: list[subprocess.Popen[str]]) -> None:
    process = launch("--exit-with-stdin", "--account-id", "200000000041")
    processes.append(process)
    assert process.stdout is not None
    assert process.stdin is not None
    assert b"200000000041" in get(url_of(process))
    process.stdin.close()
    assert process.wait(LONG) == 0
    assert process.stdout.read() == ""
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_standing_one_prints_the_address_of_its_console(processes: list[subprocess.Popen[str]]) -> None:
    process = launch()
    processes.append(process)
    url = url_of(process)
    assert process.stderr is not None
    address = process.stderr.readline().rpartition("console: ")[2].strip()
    assert address.startswith(f"{url}/_console/?token=")
    assert b"Executions" in get(address)
    # The page offers to print another one, which works as the first one did.
    request = urllib.request.Request(f"{url}/_console/print-address", b"", {"Origin": url}, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPErrorProcessor)

    def is_printed() -> bool:
        with contextlib.suppress(urllib.error.HTTPError):
            return b"printed a new address" in opener.open(request, timeout=LONG).read()
        return False

    eventually(is_printed, what="another address; the first one was printed a moment ago", every=0.5)
    another = process.stderr.readline().rpartition("console: ")[2].strip()
    assert another != address and b"Executions" in get(another)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(processes: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    """Also while a client keeps its connection open."""
    process = launch()
    processes.append(process)
    connection = http.client.HTTPConnection(urlsplit(url_of(process)).netloc, timeout=LONG)
    connection.request("GET", "/")
    assert b"ready" in connection.getresponse().read()
    process.send_signal(number)
    assert process.wait(LONG) == 0
    connection.close()


def test_a_port_in_use_is_one_clear_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = launch("--port", str(port))
        output, errors = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert output == ""
    advice = "Free that port, or give another one with --port."
    assert errors == f"geopipe emulator: cannot listen on 127.0.0.1:{port}: Address already in use. {advice}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--color", "blue"], "unrecognized arguments"),
        (["--host", "0.0.0.0"], "unrecognized arguments"),
        (["--port", "70000"], "70000 is not a port"),
        (["--account-id", "12"], "must be 12 digits"),
        (["--time-scale", "-1"], "must be a finite number, 0 or more"),
    ],
)
def test_wrong_flags_exit_2(arguments: list[str], message: str) -> None:
    process = launch(*arguments)
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert message in errors
    assert "Traceback" not in errors


def status_for(url: str, access_key_id: str, service: str = "sts") -> int:
    """The status of one signed request, which any service responds to."""
    scope = f"Credential={access_key_id}/20260101/us-west-2/{service}/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LONG)
    try:
        connection.request("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows which user a connection belongs to")
@pytest.mark.parametrize(
    ("arguments", "statuses"),
    [
        ([], [403, 403, 403, 403]),
        (["--require-access-key"], [403, 403, 403, 403]),
        (["--allow-any-user"], [200, 200, 200, 404]),
        (["--allow-any-user", "--require-access-key"], [200, 403, 403, 403]),
    ],
)
def test_another_user_is_served_only_when_allowed(
    processes: list[subprocess.Popen[str]], arguments: list[str], statuses: list[int]
) -> None:
    process = launch(*arguments, **{KEY_VARIABLE: "AKIAOWN"})
    processes.append(process)
    url = url_of(process)
    assert status_for(url, "AKIAOWN") == 200
    paths = ("/", "/moto-api/data.json", "/_geopipe/calls", "/bucket/key")
    assert [status_for_other_user(port_of(url), path) for path in paths] == statuses
    process.terminate()
    _, errors = process.communicate(timeout=LONG)
    assert ("every user of this machine can run code as you" in errors) == (arguments == ["--allow-any-user"])


def status_for_other_user(port: int, path: str) -> int:
    """The status of a request that a child of another user sends."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with socket.create_connection(("127.0.0.1", port), timeout=LONG) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                os.write(writing, client.recv(100))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as response:
        return int(response.read().split(b" ")[1])


@pytest.mark.parametrize("chosen", ["", "AKIACHOSENBYTHEUSER"])
def test_an_access_key_of_this_start_is_required_where_asked_for(
    processes: list[subprocess.Popen[str]], chosen: str
) -> None:
    process = launch("--require-access-key", **({KEY_VARIABLE: chosen} if chosen else {}))
    processes.append(process)
    url = url_of(process)
    key = chosen
    if not key:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "it serves requests with this access key id only" in line
        key = line.strip().rpartition("=")[2]
    assert b"ready" in get(url)
    assert [status_for(url, other) for other in ("AKIATEST", "ASIATEST", key + "X", key)] == [403, 403, 403, 200]
    for path in ("/bucket/key", "/moto-api/data.json", "/_geopipe/calls", "/_console/us-west-2/"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(url + path)


def test_a_required_access_key_lets_services_and_their_roles_through() -> None:
    """The role of a function, for one, has credentials of its own."""
    with EmulatorServer(Settings(account_id="200000000049"), services=[], access_key_id="AKIASECRET") as server:
        iam = server.environment.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName="function", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        session = server.environment.assume(role, "worker")
        assert status_for(server.url, session.access_key_id) == 200
        assert status_for(server.url, "AKIAOTHER") == 403


def test_running_out_of_file_descriptors_is_survived(processes: list[subprocess.Popen[str]]) -> None:
    process = launch(open_files=64)
    processes.append(process)
    port = port_of(url_of(process))
    clients = [socket.create_connection(("127.0.0.1", port), timeout=LONG) for _ in range(100)]
    for number, client in enumerate(clients):
        # Half of them wait for their next request, the other half are in the middle of one.
        client.sendall(b"GET / HTTP/1.1\r\n\r\n" if number % 2 else b"PUT /b/k HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
    assert process.stderr is not None
    for line in process.stderr:
        if "cannot accept connections" in line:
            break
        assert "file descriptors" in line or "console:" in line
    assert "ulimit -n" in line
    for client in clients:
        client.close()
    assert b"ready" in get(f"http://127.0.0.1:{port}/")
    process.terminate()
    _, errors = process.communicate(timeout=LONG)
    assert "Traceback" not in errors


def test_every_setting_has_a_flag() -> None:
    process = launch("--help")
    output, _ = process.communicate(timeout=LONG)
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


class ReachingService:
    """A service that records what it can reach when it starts and stops."""

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
    class BrokenService(ReachingService):
        def start(self) -> None:
            raise RuntimeError("cannot start")

    life: list[str] = []
    server = EmulatorServer(Settings(account_id="200000000046"), services=[lambda e: BrokenService(e, life)])
    with pytest.raises(RuntimeError, match="cannot start"):
        server.start()
    assert life == ["200000000046"], "it was stopped"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=1)


def test_services_reach_the_endpoint_while_they_start_and_stop() -> None:
    life: list[str] = []
    with EmulatorServer(Settings(account_id="200000000043"), services=[lambda e: ReachingService(e, life)]):
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
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=LONG)
    connection.request("GET", "/")
    connection.getresponse().read()
    kept = connection.sock
    # A body that no handler reads must not be taken for the next request.
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
    with socket.create_connection(host.split(":"), timeout=LONG) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n")
        body = b"Action=GetCallerIdentity&Version=2011-06-15"
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        response = connection.recv(100_000)
        while b"200000000045" not in response:
            more = connection.recv(100_000)
            assert more, response
            response += more
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_run_side_by_side(endpoint: Emulator) -> None:
    """A long poll delays no other request."""
    sqs = endpoint.client("sqs")
    url = sqs.create_queue(QueueName="side-by-side")["QueueUrl"]
    responses: list[Any] = []
    poll = threading.Thread(target=lambda: responses.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))
    poll.start()
    for _ in range(5):
        assert endpoint.client("sts").get_caller_identity()["Account"] == "200000000045"
    assert responses == []
    sqs.send_message(QueueUrl=url, MessageBody="done")
    poll.join(timeout=LONG)
    assert responses[0]["Messages"][0]["Body"] == "done"


def test_half_a_body_is_no_body(emulator: Emulator, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is stored of what a client sent before it was killed."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="half-bodies", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    address = urlsplit(emulator.url)
    scope = "AWS4-HMAC-SHA256 Credential=AKIATEST/20261122/us-west-2/s3/aws4_request, SignedHeaders=host, Signature=0"
    head = f"PUT /half-bodies/key HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {scope}\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=LONG) as client:
        client.sendall(head.encode() + b"a,b\n1,2\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    assert "Contents" not in s3.list_objects_v2(Bucket="half-bodies")
    assert capfd.readouterr().err == ""
