"""Which user is at the other end of a loopback connection.

Linux keeps the user of every socket. One netlink question about exactly this connection costs about 20 µs. Where
netlink is not available, /proc/net/tcp says the same. Other systems do not show it.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1  # NLM_F_REQUEST
_SECONDS = 2.0
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_HEADER = struct.Struct("=IHHII")
_DIAGNOSIS = struct.Struct("=BBBB48xIIIII")

Address = tuple[str, int]


def is_foreign(client: socket.socket) -> bool:
    """Whether the system shows that the connection belongs to another user, or to a process that has closed it."""
    users = _shared_users()
    return users is not None and not users.is_own(client)


def shows_users() -> bool:
    """Whether this system shows which user a connection belongs to."""
    return _shared_users() is not None


@functools.cache
def _shared_users() -> PeerUsers | None:
    users = PeerUsers()
    return users if users.is_available() else None


class PeerUsers:
    """Looks up the users of connections. Keeps one netlink socket, so that a lookup needs no new descriptor."""

    def __init__(self, use_netlink: bool = True) -> None:
        self._lock = threading.Lock()
        self._sequence = 0
        self._netlink: socket.socket | None = None
        if use_netlink and hasattr(socket, "AF_NETLINK"):
            try:
                self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG)
                self._netlink.settimeout(_SECONDS)
            except OSError:
                self._netlink = None

    def is_own(self, client: socket.socket) -> bool:
        """Whether the connection was opened by a process of the user who runs us."""
        return self.user_of(client) == os.getuid()

    def is_available(self) -> bool:
        """Whether this system shows which user a connection belongs to. Tries it with a connection of our own."""
        try:
            with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
                accepted, _ = server.accept()
                with accepted:
                    return self.is_own(accepted)
        except OSError:
            return False

    def user_of(self, client: socket.socket) -> int | None:
        """The user id of the peer's socket; None when the peer is gone or the system does not show it.

        A socket whose process has closed it counts as root's, and has no inode. It must not pass for root's: anyone
        could send a request and close.
        """
        try:
            target, source = client.getsockname()[:2], client.getpeername()[:2]
        except OSError:
            return None
        try:
            uid, inode = self._ask_netlink(source, target)
        except OSError:
            uid, inode = _search_tables(source, target)
        return uid if inode else None

    def _ask_netlink(self, source: Address, target: Address) -> tuple[int, int]:
        """User id and inode of the socket with these addresses; inode 0 when there is none."""
        if self._netlink is None:
            raise OSError(errno.EPROTONOSUPPORT, "no netlink")
        addresses = struct.pack(
            "!HH4s12x4s12x", source[1], target[1], socket.inet_aton(source[0]), socket.inet_aton(target[0])
        )
        any_interface_and_cookie = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        every_state = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
        question = every_state + addresses + any_interface_and_cookie
        with self._lock:
            self._sequence = (self._sequence + 1) % 2**32
            size = _HEADER.size + len(question)
            self._netlink.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST, self._sequence, 0) + question)
            while True:
                reply = self._netlink.recv(4096)
                _, kind, _, sequence, _ = _HEADER.unpack_from(reply)
                if sequence == self._sequence:
                    break
        if kind != _SOCK_DIAG_BY_FAMILY:
            code = -struct.unpack_from("=i", reply, _HEADER.size)[0]
            if code == errno.ENOENT:
                return 0, 0
            raise OSError(code, os.strerror(code))
        *_, uid, inode = _DIAGNOSIS.unpack_from(reply, _HEADER.size)
        return uid, inode


def _search_tables(source: Address, target: Address) -> tuple[int, int]:
    for local, remote, uid, inode in _rows():
        if local.endswith(_hexadecimal(source)) and remote.endswith(_hexadecimal(target)):
            return uid, inode
    return 0, 0


def _rows() -> Iterator[tuple[str, str, int, int]]:
    for table in _TABLES:
        if table.exists():
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                yield columns[1], columns[2], int(columns[7]), int(columns[9])


def _hexadecimal(address: Address) -> str:
    """The address as the tables write it. An IPv6 socket that talks IPv4 has the same end."""
    return f"{struct.unpack('=I', socket.inet_aton(address[0]))[0]:08X}:{address[1]:04X}"
