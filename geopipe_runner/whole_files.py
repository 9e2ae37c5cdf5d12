"""Files that appear whole or not at all, and a lock for the folder they are in.

A file is written under a name of chance and then takes its own. The temporary file is always new (`O_EXCL`) and never
the target of a link (`O_NOFOLLOW`), so no other user and no other run can put a file of theirs in its place.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import AwsError

_PART = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.part")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PartFile:
    """A file that is written under a temporary name, then moved to `path` by `commit` or thrown away by `discard`.

    Methods raise OSError.
    """

    def __init__(self, path: Path, buffer_size: int = 1 << 20) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.part")
        self._file = os.fdopen(os.open(self.temporary, _NEW, 0o666), "wb", buffer_size)

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def close(self) -> None:
        """Close the file; everything is written."""
        self._file.close()

    def commit(self) -> None:
        """Give the file its name, in place of what had it before."""
        self._file.close()
        self.temporary.replace(self.path)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()  # what is still buffered may not fit on the disk either
        self.temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file. Raises OSError; then the file of that name is what it was before."""
    part = PartFile(path)
    try:
        part.write(text.encode("utf-8", "backslashreplace"))
        part.commit()
    except BaseException:
        part.discard()
        raise


def write_named(path: Path, text: str) -> None:
    """Write to a path that the user chose, which may be a link, a device or a pipe. Raises OSError.

    A pipe that no one reads is refused: to open it would wait forever.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            with open_without_waiting(path, os.O_WRONLY) as stream:
                stream.write(text.encode("utf-8", "backslashreplace"))
            return
    write_whole(path.resolve(), text)


@contextmanager
def open_without_waiting(path: Path, flags: int) -> Iterator[IO[bytes]]:
    """Open `path` for writing, also where it is a pipe: without a reader that is an OSError, and not a wait."""
    number = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    os.set_blocking(number, True)
    with os.fdopen(number, "wb") as stream:
        yield stream


def append_to_file(path: Path, text: str) -> None:
    """Append to a file, which may be new. Raises OSError, also where `path` is no regular file."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open_without_waiting(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        stream.write(text.encode("utf-8", "backslashreplace"))


class FolderLock:
    """Keeps a second command out of an output folder. The system releases it when the process ends, however it does.

    The lock is on the folder itself, so it leaves no file. Within a process it counts how often it was acquired.
    """

    _guard = threading.Lock()
    _held: dict[Path, tuple[int, int]] = {}  # noqa: RUF012 - of the process: descriptor and count, by folder

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def acquire(self) -> None:
        """Create the folder if need be, lock it, and delete what a killed command left in it.

        Raises:
            AwsError: Another command is writing into the folder, or it cannot be used.
        """
        with self._guard:
            if self._folder in self._held:
                number, count = self._held[self._folder]
                self._held[self._folder] = number, count + 1
                return
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                number = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise AwsError(
                    f"Cannot write into {self._folder}: {error.strerror}.", "Name another --output-dir."
                ) from None
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(number)
                raise AwsError(
                    f"Another geopipe command is writing into {self._folder}.",
                    "Wait until it has finished, or name another --output-dir.",
                ) from None
            except OSError:
                pass  # some network file systems cannot lock a folder; unique temporary names still keep files whole
            else:
                _delete_leftovers(self._folder)
            self._held[self._folder] = number, 1

    def release(self) -> None:
        with self._guard:
            number, count = self._held.pop(self._folder, (-1, 0))
            if count > 1:
                self._held[self._folder] = number, count - 1
            elif count == 1:
                os.close(number)


def _delete_leftovers(folder: Path) -> None:
    """Delete temporary files of commands that were killed: no one else writes here while the lock is held."""
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if _PART.fullmatch(entry.name) and not entry.is_dir():
                entry.unlink(missing_ok=True)
