"""Reads a configuration file as text, and says in plain words why a file is no configuration.

It must not interpret the text.
"""

from __future__ import annotations

from pathlib import Path

from .document import Document, unreadable
from .messages import nearest, quote, shortened

YAML_SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 1_000_000
STARTING_POINT = "config/local.yaml shows what belongs in it"


def read_text(path: Path, name: str) -> str:
    """Returns the file's text with plain line ends and no byte order mark."""
    text = _decode(_read_bytes(path, name), name)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        # A pipe without a writer would keep us waiting, and a device may never end.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise unreadable(name, "this is a pipe, a socket or a device, not a file", "give the path of a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unreadable(name, "there is no such file", what_to_name(path.parent, path.name)) from None
    except IsADirectoryError:
        raise unreadable(name, "this is a folder, not a file", what_to_name(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise unreadable(name, f"the file cannot be read: {reason}", "give a YAML file that you may read") from None
    if len(data) > MAX_BYTES:
        raise unreadable(name, "the file is larger than 1 MB", f"a configuration has a few kB; {STARTING_POINT}")
    return data


def what_to_name(folder: Path, missing: str = "") -> str:
    """Returns the YAML files of a folder as advice. One that is like the `missing` name comes first."""
    names = yaml_files_in(folder)
    if not names:
        return "give the path of a YAML file, such as config/local.yaml"
    by_stem = {Path(name).stem: name for name in names}  # all endings are alike
    near = nearest(Path(missing).stem, by_stem) if len(names) > 1 else None
    guess = f"did you mean {quote(by_stem[near])}? " if near else ""
    return f"{guess}YAML files in {folder}: {shortened(names)}"


def yaml_files_in(folder: Path) -> list[str]:
    """Returns the names of the YAML files in a folder, in order, without hidden ones; none if it cannot be read."""
    try:
        return sorted(e.name for e in folder.iterdir() if e.suffix in YAML_SUFFIXES and not e.name.startswith("."))
    except OSError:
        return []


def _decode(data: bytes, name: str) -> str:
    if not data.strip():
        raise unreadable(name, "the file is empty", STARTING_POINT)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unreadable(name, "the file is UTF-16 text", "save it as UTF-8")
    if b"\0" in data:
        raise unreadable(name, "this is a binary file", "give a YAML text file in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = Document(name, data[: error.start].decode("utf-8", errors="replace"))
        what = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise before.fatal(len(before.text), what, "save the file as UTF-8") from None
