"""Keeps on disk what an account must keep and few ever look at again: what has ended, log lines, contents of objects.

The file has no name and ends with the process. If it cannot be written, for instance because the disk is full, the
bytes stay in memory. SQLite's own kind of temporary database would not do: it writes what it has kept later, also while
it reads, and a full disk then takes values that were kept before.
"""

from __future__ import annotations

import io
import os
import pickle
import threading
from collections import deque
from collections.abc import ItemsView, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .leftovers import temporary_folder

if TYPE_CHECKING:
    import sqlite3

# The journal, in memory, undoes what a full disk interrupts.
_SETTINGS = ("journal_mode=MEMORY", "synchronous=OFF", "locking_mode=EXCLUSIVE")


class ColdStorage:
    """A file without a name, which opens when something is added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        # Numbers whose owners are gone. The interpreter may add one anywhere, also while this thread holds the lock.
        self.unused: deque[int] = deque()

    def add(self, data: bytes) -> int | bytes:
        """Return the number under which `data` is kept, or `data` itself if it cannot be written."""
        import sqlite3

        try:
            with self._lock:
                connection = self._opened()
                while self.unused:
                    connection.execute("DELETE FROM kept WHERE number = ?", (self.unused.popleft(),))
                return connection.execute("INSERT INTO kept (data) VALUES (?)", (data,)).lastrowid or data
        except (sqlite3.Error, OSError, OverflowError):
            return data

    def read(self, number: int) -> bytes:
        """Return the bytes that `add` keeps under this number."""
        with self._lock:
            [(data,)] = self._opened().execute("SELECT data FROM kept WHERE number = ?", (number,))
        return bytes(data)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect()
        return self._connection


def _connect() -> sqlite3.Connection:
    import sqlite3
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="geopipe-emulator-", dir=temporary_folder())
    os.close(descriptor)
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            for setting in _SETTINGS:
                connection.execute(f"PRAGMA {setting}")
            connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        except sqlite3.Error:
            connection.close()
            raise
    finally:
        Path(path).unlink()
    return connection


STORAGE = ColdStorage()


class ColdBytes:
    """Bytes on disk, for as long as this object exists."""

    __slots__ = ("_kept", "_storage")

    def __init__(self, data: bytes, storage: ColdStorage = STORAGE) -> None:
        self._storage = storage
        self._kept: int | bytes = data
        self._kept = storage.add(data)

    def read(self) -> bytes:
        """Return the bytes."""
        return self._kept if isinstance(self._kept, bytes) else self._storage.read(self._kept)

    def __del__(self) -> None:
        if isinstance(self._kept, int):
            self._storage.unused.append(self._kept)


class ColdValue:
    """A value on disk, as a pickle. `ColdBytes` in it are kept apart: to read the value does not read them."""

    __slots__ = ("_data", "_parts")

    def __init__(self, value: Any) -> None:
        pickler = _ColdPickler()
        pickler.dump(value)
        self._data = ColdBytes(pickler.output.getvalue())
        self._parts = tuple(pickler.parts)

    def read(self) -> Any:
        """Return a new copy of the value."""
        return _ColdUnpickler(self._data.read(), self._parts).load()


class _ColdPickler(pickle.Pickler):
    def __init__(self) -> None:
        self.output = io.BytesIO()
        self.parts: list[ColdBytes] = []
        super().__init__(self.output, protocol=5)

    def persistent_id(self, item: Any) -> int | None:
        if not isinstance(item, ColdBytes):
            return None
        self.parts.append(item)
        return len(self.parts) - 1


class _ColdUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, parts: tuple[ColdBytes, ...]) -> None:
        super().__init__(io.BytesIO(data))
        self._parts = parts

    def persistent_load(self, number: int) -> ColdBytes:
        return self._parts[number]


class ColdMapping(Mapping[str, Any]):
    """A mapping on disk. Each access reads all of it."""

    __slots__ = ("_value",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._value: ColdValue = values._value if isinstance(values, ColdMapping) else ColdValue(dict(values))

    def items(self) -> ItemsView[str, Any]:
        return self._read().items()

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, Any]:
        values: dict[str, Any] = self._value.read()
        return values
