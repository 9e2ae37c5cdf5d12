"""Installs what `function.requirements` names into a folder that becomes part of the function's zip.

For target `aws`, pip takes wheels for the function's runtime and architecture, on any machine. For target `local`, the
function runs with this machine's Python, so pip takes wheels for that. Nothing is built: a package without a fitting
wheel is an error.

The folder is kept in the user's cache, under a hash of all that decides what is in it. So a second build needs neither
pip nor the network.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.util
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import AwsError
from ..path_checks import expand_home

# Changes whenever the same requirements would give other files, so that older folders are not used.
_LAYOUT = "1"
_LAST_LINES = 6
_NEW = "new-"
_DAY = 86_400.0  # seconds
# The C library of Lambda's runtimes: Amazon Linux 2023 since Python 3.12, Amazon Linux 2 before.
_GLIBC_MINOR_2023, _GLIBC_MINOR_2 = 34, 26
_FIRST_PYTHON_ON_2023 = 12
_OLDEST_GLIBC_MINOR = 17
_OLDER_NAMES: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
    "aarch64": ("manylinux2014_aarch64", "linux_aarch64"),
}
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<path>\S.*)")
_LOCAL = re.compile(r"(?:[\w.\[\],-]+\s*@\s*)?(?:file:(?://)?)?(?P<path>(?:\.{0,2}|~)/\S+)")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True)
class Platform:
    """What packages are installed for. `python` is its version, such as 3.13."""

    python: str
    machine: str
    is_host: bool

    def __str__(self) -> str:
        place = f"this machine's Python {self.python}" if self.is_host else f"Lambda's Python {self.python}"
        return f"{place} ({self.machine})"

    def pip_options(self) -> list[str]:
        """Returns pip's options that choose the wheels; pip's own choice is the right one for this machine."""
        if self.is_host:
            return []
        minor = int(self.python.split(".")[1])
        newest = _GLIBC_MINOR_2023 if minor >= _FIRST_PYTHON_ON_2023 else _GLIBC_MINOR_2
        tags = [f"manylinux_2_{glibc}_{self.machine}" for glibc in range(newest, _OLDEST_GLIBC_MINOR - 1, -1)]
        options = ["--python-version", self.python, "--implementation", "cp"]
        for tag in (*tags, *_OLDER_NAMES[self.machine]):
            options += ["--platform", tag]
        return options


@dataclass(frozen=True)
class Installed:
    """The folder with the packages, and what to say about it."""

    folder: Path
    note: str


def platform_of(target: str, runtime: str, architecture: str) -> Platform:
    """Returns what the function runs on: Lambda, or this machine."""
    if target == "local":
        return Platform(f"{sys.version_info.major}.{sys.version_info.minor}", sysconfig.get_platform(), is_host=True)
    machine = "aarch64" if architecture == "arm64" else "x86_64"
    return Platform(runtime.removeprefix("python"), machine, is_host=False)


def install(requirements: Path, goal: Platform, announce: Callable[[str], None]) -> Installed | None:
    """Install the packages, or find them in the cache; None if the file names none.

    `announce` gets a line before pip is started, which can take a while.

    Raises:
        AwsError: a file cannot be read, pip is missing or fails, or the cache cannot be written.
    """
    files = dict(_files(requirements, frozenset()))
    if not any(_lines(content) for content in files.values()):
        return None
    note = f"function.requirements: installed for {goal}."
    if not goal.is_host and goal.python != _host_python():
        note += (
            f' pip decides conditions such as `python_version < "3.12"` by its own Python, which is {_host_python()}.'
        )
    folder = _cache_folder() / _digest(files, goal)
    if not folder.is_dir():
        announce(f"Installing the packages of {requirements.name} for {goal} ...")
        _fill(folder, requirements, goal)
    return Installed(folder, note)


def _host_python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _cache_folder() -> Path:
    """Returns the folder for packages in the user's cache. A relative XDG_CACHE_HOME counts as none, as XDG has it."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        root = base if base.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise AwsError(f"There is no folder for installed packages: {error}.", "Set XDG_CACHE_HOME.") from None
    return root / "geopipe" / "packages"


def _digest(files: Mapping[Path, bytes], goal: Platform) -> str:
    """Returns a hash of everything that decides what pip installs, except what the index offers on that day."""
    digest = hashlib.sha256()
    for part in (_LAYOUT, goal.python, goal.machine, str(goal.is_host)):
        digest.update(part.encode() + b"\0")
    for content in files.values():
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _lines(content: bytes) -> list[str]:
    """Returns the lines of a requirements file that say something, with continued lines joined."""
    joined = content.decode("utf-8-sig", "replace").replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _files(path: Path, above: frozenset[Path]) -> Iterator[tuple[Path, bytes]]:
    """Yield a requirements file and every file that it names: others of its kind, and wheels on this machine."""
    content = _read(path)
    yield path, content
    for line in _lines(content):
        include = _INCLUDE.fullmatch(line)
        local = _LOCAL.match(line)
        if re.match(r"(-e|--editable)\b", line):
            raise AwsError(
                f"{path}: {line}: an editable package is a link to a folder, which the function's zip cannot hold.",
                "Name a wheel, or list the folder in function.source.",
            )
        if include and "://" not in include["path"]:
            other = path.parent / include["path"].strip("\"'")
            if other.resolve() not in above:
                yield from _files(other, above | {path.resolve()})
        elif local:
            wheel = path.parent / expand_home(local["path"].split(";")[0].strip())
            if wheel.is_dir():
                raise AwsError(
                    f"{path}: {line}: nothing is built for the function, and {wheel} is a folder.",
                    "Build a wheel of it (pip wheel), or list the folder in function.source.",
                )
            # pip says what is wrong with a file that is not there; it knows all the ways to write a path.
            if wheel.is_file():
                yield wheel, _read(wheel)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AwsError(f"The requirements {path} cannot be read: {error.strerror}.", "Check the path.") from None


def _fill(folder: Path, requirements: Path, goal: Platform) -> None:
    """Install into a folder next to `folder` and rename that, so that an interrupted installation leaves no trace."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_remains(folder.parent)
        with tempfile.TemporaryDirectory(prefix=_NEW, dir=folder.parent) as temporary:
            target = Path(temporary) / "packages"
            target.mkdir()
            _run_pip(requirements, goal, target)
            _drop_machine_specific_files(target)
            try:
                target.rename(folder)
            except OSError:
                # Another run has installed the same meanwhile.
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise AwsError(
            f"Packages cannot be installed into {folder.parent}: {error.strerror}.",
            "Make it writable, or set XDG_CACHE_HOME to another folder.",
        ) from None


def _remove_remains(cache: Path) -> None:
    """Remove what installations have left that were killed a day ago or earlier."""
    for remains in cache.glob(f"{_NEW}*"):
        with contextlib.suppress(OSError):
            if time.time() - remains.stat().st_mtime > _DAY:
                shutil.rmtree(remains, ignore_errors=True)


def _run_pip(requirements: Path, goal: Platform, target: Path) -> None:
    command = [
        *_pip(),
        "install",
        "--quiet",
        "--no-input",
        "--no-compile",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        *goal.pip_options(),
        "--target",
        str(target),
        "--requirement",
        str(requirements),
    ]
    # A pip configuration with `user = true` would contradict --target, and one that requires a virtual environment
    # means other installations.
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONUTF8": "1"}
    # Relative paths in a requirements file are relative to the working folder, as for `pip install -r` next to it.
    done = subprocess.run(
        command, cwd=requirements.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        output = (done.stderr or done.stdout).decode("utf-8", "replace")
        raise AwsError(
            f"pip could not install {requirements} for {goal}:\n{_last_lines(output)}",
            "Check the names and versions, and that pip reaches its index. Only wheels are used; a package without a "
            "wheel for this Python and platform cannot be installed.",
        )


def _pip() -> list[str]:
    """Returns the command that runs pip, for the Python that runs this program."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        program = shutil.which(name)
        if program:
            return [program, "--python", sys.executable]
    raise AwsError("function.requirements needs pip, and there is none.", f"Install it: {sys.executable} -m ensurepip.")


def _last_lines(output: str) -> str:
    lines = [line.rstrip() for line in output.splitlines() if line.strip() and not line.startswith("[notice]")]
    return "\n".join(f"  {_PASSWORD.sub('***', line)}" for line in lines[-_LAST_LINES:])


def _drop_machine_specific_files(target: Path) -> None:
    """Remove what would differ between two machines: start scripts name the Python that installed them."""
    removed: set[str] = set()
    programs = target / "bin"
    for program in sorted(programs.glob("*")) if programs.is_dir() else ():
        if program.is_file() and re.match(rb"#!.*python", program.open("rb").readline()):
            program.unlink()
            removed.add(f"../../bin/{program.name}")
    if programs.is_dir() and not any(programs.iterdir()):
        programs.rmdir()
    for record in target.glob("*.dist-info/RECORD"):
        rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline=""))
        _write_record(record, sorted(row for row in rows if row and row[0] not in removed))


def _write_record(record: Path, rows: Sequence[Sequence[str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    record.write_text(buffer.getvalue(), encoding="utf-8", newline="")
