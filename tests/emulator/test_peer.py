"""Which user a connection belongs to, and who is served."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from geopipe_emulator.http.peer import PeerUsers
from geopipe_emulator.services.lambda_.runtime_api import RuntimeApi
from tests.support.wait import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows which user a connection belongs to")
OTHER_USER = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")


@pytest.fixture(params=[True, False], ids=["netlink", "tables"])
def users(request: pytest.FixtureRequest) -> PeerUsers:
    return PeerUsers(use_netlink=request.param)


@contextmanager
def accepted(client: socket.socket, server: socket.socket) -> Iterator[socket.socket]:
    client.connect(("127.0.0.1", server.getsockname()[1]))
    connection, _ = server.accept()
    with client, connection:
        yield connection


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_a_connection_of_our_own(users: PeerUsers, server: socket.socket) -> None:
    with accepted(socket.socket(), server) as connection:
        assert users.user_of(connection) == os.getuid()
        assert users.is_own(connection)
    assert users.is_available()


def test_an_ipv6_socket_that_talks_ipv4(users: PeerUsers, server: socket.socket) -> None:
    """As the clients of Java do."""
    with socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        connection, _ = server.accept()
        with connection:
            assert users.user_of(connection) == os.getuid()


def test_half_a_connection_still_has_its_user(users: PeerUsers, server: socket.socket) -> None:
    client = socket.socket()
    with accepted(client, server) as connection:
        client.shutdown(socket.SHUT_WR)
        assert users.is_own(connection)


def test_a_closed_socket_belongs_to_no_user(users: PeerUsers, server: socket.socket) -> None:
    """The system counts it as root's. A client of another user could send a request and close."""
    client = socket.socket()
    with accepted(client, server) as connection:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.close()
        assert eventually(lambda: users.user_of(connection) is None)
        assert not users.is_own(connection)


def run_as_other_user(action: Callable[[], None]) -> int:
    """Run `action` in a child of another user; returns the child."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(OTHER_USER)
            os.setuid(OTHER_USER)
            action()
        finally:
            os._exit(0)
    return child


@needs_root
def test_a_connection_of_another_user(users: PeerUsers, server: socket.socket) -> None:
    def connect() -> None:
        with socket.create_connection(server.getsockname()) as client:
            client.recv(1)

    child = run_as_other_user(connect)
    connection, _ = server.accept()
    with connection:
        assert users.user_of(connection) == OTHER_USER
        assert not users.is_own(connection)
    os.waitpid(child, 0)


def test_a_lookup_costs_little(server: socket.socket) -> None:
    users = PeerUsers()
    with accepted(socket.socket(), server) as connection:
        before = time.process_time()
        for _ in range(200):
            users.user_of(connection)
        assert (time.process_time() - before) / 200 < 0.002


class NoRuntime:
    """A function whose invocations must not be taken."""

    def next_invocation(self) -> None:
        raise AssertionError("another user has asked for an invocation")

    def accept_response(self, request_id: str, payload: bytes) -> bool:
        raise AssertionError("another user has responded to an invocation")

    def accept_error(self, request_id: str, payload: bytes, error_type: str) -> bool:
        raise AssertionError("another user has responded to an invocation")

    def accept_init_error(self, payload: bytes, error_type: str) -> bool:
        raise AssertionError("another user has ended a function's start")


@needs_root
def test_another_user_reaches_no_function_s_runtime_api() -> None:
    api = RuntimeApi(NoRuntime())
    api.start()
    host, _, port = api.address.rpartition(":")
    reading, writing = os.pipe()

    def ask() -> None:
        with socket.create_connection((host, int(port)), timeout=60) as client, contextlib.suppress(ConnectionError):
            client.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n")
            os.write(writing, client.recv(1000))

    os.waitpid(run_as_other_user(ask), 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as response:
        assert response.read() == b""
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 404"), "it serves its own user"
    api.close()
