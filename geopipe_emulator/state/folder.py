"""The folder that keeps an account: who may use it, and which folders are refused.

A folder is refused before anything in it is changed. Its file `emulator.json` is locked as long as an emulator uses it,
and says which one.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from importlib import metadata
from pathlib import Path

from . import file as state_file
from .errors import StateError
from .file import APPLICATION_ID, FORMAT, StateFile, broken
from .owner import LOG_FILE, OWNER_FILE, read_owner, write_owner

STATE_FILE = "state.sqlite"
_OUR_FILES = {OWNER_FILE, LOG_FILE, *(STATE_FILE + end for end in ("", "-wal", "-shm", "-journal", ".new"))}
# Of SQLite's file format: a text at the start, and two numbers further on.
_HEADER = b"SQLite format 3\0"
_HEADER_SIZE = 100
_VERSION_AT, _APPLICATION_AT = 60, 68


class StateFolder:
    """A folder in use by this process, from its creation to `close`.

    Raises:
        StateError: the folder is not ours, newer, broken, of another account, or in use.
    """

    def __init__(self, path: Path, account_id: str) -> None:
        self.path = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path.expanduser fails for unknown users
        try:
            self._prepare()
            self._owner = self._lock()
            try:
                if not self._file_path.exists():
                    state_file.create(self._file_path)
                self.file = StateFile(self._file_path)
                self._check_meta(account_id)
            except BaseException:
                os.close(self._owner)
                raise
        except OSError as error:
            raise StateError(f"the state folder {self.path} cannot be used: {error.strerror or error}") from error

    @property
    def _file_path(self) -> Path:
        return self.path / STATE_FILE

    @property
    def port(self) -> int:
        """The port of the last emulator here; 0 for none. URLs in the account contain it."""
        return int(self.file.meta().get("port", "0"))

    def note_address(self, url: str, port: int, access_key_id: str) -> None:
        """Write where this emulator is, for programs that look for it and for its successor."""
        write_owner(self._owner, {"pid": os.getpid(), "url": url, "access_key_id": access_key_id})
        self.file.set_meta(port=str(port))

    def close(self) -> None:
        self.file.close()
        write_owner(self._owner, {})
        os.close(self._owner)

    def _prepare(self) -> None:
        """Create the folder, or refuse one that is not ours."""
        if not self.path.exists():
            self.path.mkdir(mode=0o700, parents=True)
            return
        if not self.path.is_dir():
            raise StateError(f"{self.path} is not a folder: give --state-dir a folder of its own")
        names = {entry.name for entry in self.path.iterdir()}
        status = self.path.stat()
        if status.st_uid != os.getuid():
            raise StateError(f"the state folder {self.path} belongs to another user: use one of your own")
        foreign = sorted(names - _OUR_FILES)
        if foreign and STATE_FILE not in names:
            raise StateError(
                f"{self.path} is no state folder: it has {foreign[0]} and no {STATE_FILE}. "
                "Give --state-dir a new or an empty folder."
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            if names:
                raise StateError(
                    f"other users can read or change the state folder {self.path}: chmod 700 {self.path}, if it is "
                    "still as you left it"
                )
            self.path.chmod(0o700)
        if STATE_FILE in names:
            _check_header(self._file_path)

    def _lock(self) -> int:
        owner = os.open(self.path / OWNER_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(owner)
            other = read_owner(self.path / OWNER_FILE)
            whose = f"the emulator with PID {other['pid']} at {other['url']}" if other else "another emulator"
            raise StateError(
                f"the state folder {self.path} is in use by {whose}. Use that one, or end it first."
            ) from None
        return owner

    def _check_meta(self, account_id: str) -> None:
        """Refuse what another version of moto has saved, and another account; sign a new file."""
        known = self.file.meta()
        ours = {"moto": metadata.version("moto"), "account_id": account_id}
        if not known:
            self.file.set_meta(**ours)
            return
        if known.get("moto") != ours["moto"]:
            raise StateError(
                f"{self._file_path} was saved with moto {known.get('moto')}, and this is moto {ours['moto']}. Nothing "
                f"in it was changed. Install moto=={known.get('moto')}, or give another folder to --state-dir."
            )
        if known.get("account_id") != account_id:
            raise StateError(
                f"{self._file_path} has the account {known.get('account_id')}, not {account_id}. Nothing in it was "
                f"changed. Add --account-id {known.get('account_id')}, or give another folder to --state-dir."
            )


def _check_header(path: Path) -> None:
    """Refuse a file that is not ours, or newer, without opening it as a database: that could change it."""
    with path.open("rb") as opened:
        header = opened.read(_HEADER_SIZE)
    if len(header) < _HEADER_SIZE or not header.startswith(_HEADER):
        raise StateError(broken(path, "it is no SQLite file"))
    application = struct.unpack_from(">i", header, _APPLICATION_AT)[0]
    if application != APPLICATION_ID:
        raise StateError(f"{path} belongs to another program. Give another folder to --state-dir.")
    version = struct.unpack_from(">i", header, _VERSION_AT)[0]
    if version > FORMAT:
        raise StateError(
            f"{path} has format {version}, and this geopipe knows formats up to {FORMAT}. Nothing in it was changed. "
            "Use the newer geopipe that saved it, or give another folder to --state-dir."
        )
