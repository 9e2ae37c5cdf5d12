"""The file of a state folder: rows by kind and key, and large contents by their digest.

SQLite in WAL mode without a sync per commit: a commit takes some 60 µs and survives a kill of the process. A power cut
may cost the last commits, but leaves a whole file.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..messages import warn
from .errors import StateError

# "GEOP", where SQLite keeps the id of the application that a file belongs to.
APPLICATION_ID = 0x47454F50
FORMAT = 1
# SQLite takes at most 1 GB in one value.
_PART = 256 * 1024 * 1024

_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # The rowid is the order in which the rows were created.
    "CREATE TABLE rows (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, "
    "UNIQUE (kind, key))",
    "CREATE TABLE contents (digest TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (digest, part))",
)
_PUT = (
    "INSERT INTO rows (kind, key, value) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"
)

Row = tuple[str, str, bytes | str | None]
"""Kind, key and value; None as value removes the row."""


def create(path: Path) -> None:
    """Write an empty file. It appears whole, under its name, or not at all."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in _SCHEMA:
            connection.execute(statement)
    finally:
        connection.close()
    unfinished.chmod(0o600)
    unfinished.replace(path)


class StateFile:
    """One open file. Its methods may be called from any thread.

    What cannot be written, for want of space for instance, waits in memory for the next commit; `problem` then says
    what is wrong, and is "" otherwise.

    Raises:
        StateError: the file is broken, or another program has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._lock = threading.RLock()
        self._pending: dict[tuple[str, str], bytes | str | None] = {}
        self._pending_contents: dict[str, bytes] = {}
        self._collectors = 0
        self._closed = False
        try:
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StateError(broken(path, verdict))
            self._digests = {digest for (digest,) in self._connection.execute("SELECT DISTINCT digest FROM contents")}
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StateError(f"{path} is in use by another program. End that program first.") from None
            raise StateError(broken(path, str(error))) from None
        except sqlite3.DatabaseError as error:
            raise StateError(broken(path, str(error))) from None

    def meta(self) -> dict[str, str]:
        """Returns what the file says about itself."""
        with self._lock:
            return dict(self._connection.execute("SELECT name, value FROM meta"))

    def set_meta(self, **values: str) -> None:
        with self._lock, self._transaction():
            self._connection.executemany("REPLACE INTO meta VALUES (?, ?)", values.items())

    def rows(self, kind: str) -> list[tuple[str, bytes | str]]:
        """Returns keys and values in the order in which the rows were created."""
        with self._lock:
            query = "SELECT key, value FROM rows WHERE kind = ? ORDER BY number"
            return self._connection.execute(query, (kind,)).fetchall()

    def kinds(self, prefix: str) -> list[str]:
        with self._lock:
            found = self._connection.execute("SELECT DISTINCT kind FROM rows")
            return sorted(kind for (kind,) in found if kind.startswith(prefix))

    def content(self, digest: str) -> bytes:
        """Returns what `keep` has kept. Raises StateError when it is not there."""
        with self._lock:
            if digest in self._pending_contents:
                return self._pending_contents[digest]
            query = "SELECT data FROM contents WHERE digest = ? ORDER BY part"
            parts = [data for (data,) in self._connection.execute(query, (digest,))]
        if not parts:
            raise StateError(broken(self.path, f"the content {digest} is missing"))
        return b"".join(parts)

    def keep(self, data: bytes) -> str:
        """Keep a content with the next write; return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            if digest not in self._digests:
                self._digests.add(digest)
                self._pending_contents[digest] = data
        return digest

    def write(self, rows: Iterable[Row]) -> None:
        """Write all rows, or none of them."""
        with self._lock:
            self._pending.update({(kind, key): value for kind, key, value in rows})
            self.retry()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block, `write` only collects: all of it is written at the end, or none of it."""
        with self._lock:
            self._collectors += 1
            try:
                yield
            finally:
                self._collectors -= 1
                self.retry()

    def retry(self) -> None:
        """Write what waits."""
        with self._lock:
            if self._closed or self._collectors or not (self._pending or self._pending_contents):
                return
            try:
                with self._transaction():
                    for digest, data in self._pending_contents.items():
                        for part, start in enumerate(range(0, max(len(data), 1), _PART)):
                            values = (digest, part, data[start : start + _PART])
                            self._connection.execute("REPLACE INTO contents VALUES (?, ?, ?)", values)
                    for (kind, key), value in self._pending.items():
                        if value is None:
                            self._connection.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (kind, key))
                        else:
                            self._connection.execute(_PUT, (kind, key, value))
            except sqlite3.Error as error:
                self._report(f"cannot save the account in {self.path}: {error}. It serves on, and tries again.")
                return
            self._pending.clear()
            self._pending_contents.clear()
            self._report("")

    def clear(self) -> None:
        """Remove all rows and contents."""
        with self._lock:
            self._pending.clear()
            self._pending_contents.clear()
            self._digests.clear()
            with self._transaction():
                self._connection.execute("DELETE FROM rows")
                self._connection.execute("DELETE FROM contents")

    def forget_unused(self, used: set[str]) -> None:
        """Remove the contents that no row refers to any more."""
        with self._lock, self._transaction():
            unused = self._digests - used - set(self._pending_contents)
            self._connection.executemany("DELETE FROM contents WHERE digest = ?", ((digest,) for digest in unused))
            self._digests -= unused

    def close(self) -> None:
        """Write what waits, and close the file. Later writes have no effect."""
        with self._lock:
            self.retry()
            self._closed = True
            self._connection.close()

    def _report(self, problem: str) -> None:
        if problem and not self.problem:
            warn(problem)
        elif self.problem and not problem:
            warn("the account is saved again.")
        self.problem = problem

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
                return
            except sqlite3.Error:
                self._roll_back()
                raise
        self._roll_back()

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some errors.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def broken(path: Path, reason: str) -> str:
    """Returns the message for a file that cannot be read."""
    return (
        f"{path} is broken ({reason}). Nothing in it was changed. Restore the folder from a copy, or move it away to "
        "start with an empty account."
    )
