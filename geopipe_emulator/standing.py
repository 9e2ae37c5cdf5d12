"""The verbs of `geopipe-emulator`: start an emulator that keeps running, find it again, empty it, end it.

A user has one such emulator. Its file in the user's runtime folder says where it is; the file is locked as long as the
emulator lives, so one that was killed is never taken for a running one.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .console import PATH as CONSOLE_PATH
from .messages import warn
from .state.owner import LOG_FILE, OWNER_FILE, is_locked, read_owner, write_owner
from .surroundings import ACCESS_KEY_VARIABLE

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_RESPONSE_SECONDS = 120.0
_PAUSE = 0.05
# Lines of the log that a failed start shows, and that `logs` begins with.
_SHOWN_LINES = 20
REGISTERED = "--registered"


class StandingError(Exception):
    """The verb cannot do what it is for. The text says why, and what to do."""


def program_name() -> str:
    """Returns how the user calls us, for messages: a checkout has no command of that name."""
    is_module = Path(sys.argv[0]).name == "__main__.py"
    return f"python -m {__package__}" if is_module else "geopipe-emulator"


def runtime_folder() -> Path:
    """Returns the folder of this user for files of running programs. It is private, and created if it is missing."""
    base = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "geopipe"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StandingError(f"{folder} belongs to another user. Set XDG_RUNTIME_DIR to a folder of your own.")
    return folder


def register() -> int:
    """Lock the file of the user's emulator for this process. Returns its descriptor; `write_owner` fills it.

    Raises:
        StandingError: one is running already.
    """
    path = runtime_folder() / OWNER_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StandingError(_already_running(read_owner(path))) from None
    write_owner(descriptor, {})
    return descriptor


def _already_running(owner: dict[str, Any]) -> str:
    where = f"at {owner['url']} (PID {owner['pid']}" if owner else "(it is just starting"
    kept = f", state folder {owner['state_dir']}" if owner.get("state_dir") else ""
    return f"an emulator is already running {where}{kept}). Use it, or end it: {program_name()} down"


def run_verb(arguments: Sequence[str]) -> int:
    """Do what the first argument says. Returns the exit code."""
    verb, *rest = arguments
    try:
        return VERBS[verb](rest)
    except StandingError as problem:
        warn(str(problem))
        return 1


def _up(arguments: Sequence[str]) -> int:
    """Start the emulator: in this terminal, or with --detach in the background."""
    if "--detach" not in arguments:
        from .__main__ import main

        return main([REGISTERED, *arguments])
    from .__main__ import read_options

    options = [argument for argument in arguments if argument != "--detach"]
    state_dir = read_options([REGISTERED, *options]).state_dir
    path = runtime_folder() / OWNER_FILE
    if path.exists() and is_locked(path):
        raise StandingError(_already_running(read_owner(path)))
    log = runtime_folder() / LOG_FILE
    with log.open("wb") as output:
        log.chmod(0o600)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __package__, REGISTERED, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": _python_path()},
        )
    deadline = time.monotonic() + _START_SECONDS
    while not (owner := _owner(process.pid)):
        if process.poll() is not None:
            sys.stderr.write(_last_lines(log))
            return process.returncode or 1
        if time.monotonic() > deadline:
            process.kill()
            raise StandingError(f"the emulator did not start within {_START_SECONDS:g} s; {log} has its messages")
        time.sleep(_PAUSE)
    kept = f", the account is kept in {state_dir}" if state_dir else ", the account is kept in memory only"
    print(f"The emulator is running at {owner['url']} (PID {owner['pid']}){kept}.")
    print(f"Console, with an address that works once: {_console_address(log)}\n")
    print(export_lines(owner))
    print(f'\nIn a shell: eval "$({program_name()} env)". The end: {program_name()} down.')
    return 0


def _console_address(log: Path) -> str:
    """Returns the address of the console that an emulator printed when it started."""
    addresses = re.findall(rf"console: (http\S+{CONSOLE_PATH}/\?token=\w+)", log.read_text(errors="replace"))
    return str(addresses[0]) if addresses else ""


def _owner(process_id: int = 0) -> dict[str, Any]:
    """Returns the running emulator of this user, or only that with this process id; nothing without one."""
    owner = read_owner(runtime_folder() / OWNER_FILE)
    return owner if not process_id or owner.get("pid") == process_id else {}


def _running() -> dict[str, Any]:
    owner = _owner()
    if not owner:
        raise StandingError(f"no emulator is running. Start one: {program_name()} up --detach")
    return owner


def export_lines(owner: dict[str, Any]) -> str:
    """Returns the lines for a shell with which every AWS client reaches the emulator."""
    variables = {
        "AWS_ENDPOINT_URL": owner["url"],
        "AWS_REGION": owner["region"],
        "AWS_DEFAULT_REGION": owner["region"],
        "AWS_ACCESS_KEY_ID": owner["access_key_id"] or "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    if owner["access_key_id"]:
        variables[ACCESS_KEY_VARIABLE] = owner["access_key_id"]
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    # Credentials of a session or a profile would go before these.
    return "\n".join([*lines, "unset AWS_SESSION_TOKEN AWS_PROFILE"])


def _env(arguments: Sequence[str]) -> int:
    """Print the lines for `eval "$(geopipe-emulator env)"`."""
    _no_options("env", arguments)
    print(export_lines(_running()))
    return 0


def _down(arguments: Sequence[str]) -> int:
    """End the running emulator, and wait for its end."""
    _no_options("down", arguments)
    owner = _owner()
    if not owner:
        print("No emulator is running.")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(owner["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _owner(owner["pid"]):
        if time.monotonic() > deadline:
            raise StandingError(
                f"the emulator with PID {owner['pid']} has not ended within {_STOP_SECONDS:g} s: kill -9 {owner['pid']}"
            )
        time.sleep(_PAUSE)
    print(f"The emulator at {owner['url']} has ended.")
    return 0


def _status(arguments: Sequence[str]) -> int:
    """Say where the emulator is and whether its account is kept. The exit code is 3 where none is running."""
    _no_options("status", arguments)
    owner = _owner()
    if not owner:
        print(f"No emulator is running. Start one: {program_name()} up --detach")
        return 3
    status = _request(owner, "GET", "/")
    state = status.get("state") or {}
    print(f"running   {owner['url']} (PID {owner['pid']})")
    print(f"console   {owner['url']}{CONSOLE_PATH}/ (for changes: its button prints an address to the logs)")
    print(f"account   {status['account_id']} in {status['region']}")
    print(f"state     {state.get('folder', 'in memory only')}")
    if state.get("problem"):
        print(f"not saved {state['problem']}")
    for service, reason in state.get("unsaved", {}).items():
        print(f"not saved {service}: {reason}")
    return 0


def _reset(arguments: Sequence[str]) -> int:
    """Empty the account of the running emulator, in its state folder too."""
    _no_options("reset", arguments)
    owner = _running()
    _request(owner, "POST", "/_geopipe/reset")
    print(f"The account at {owner['url']} is empty.")
    return 0


def _logs(arguments: Sequence[str]) -> int:
    """Print the last lines of the emulator in the background; with -f those that come, until it ends."""
    parser = argparse.ArgumentParser(prog=f"{program_name()} logs", description=_logs.__doc__)
    parser.add_argument("-f", "--follow", action="store_true", help="print new lines, until the emulator ends")
    options = parser.parse_args(arguments)
    path = runtime_folder() / LOG_FILE
    if not path.exists():
        raise StandingError("there is no log: only an emulator that was started with `up --detach` writes one")
    with path.open("rb") as log, contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        sys.stdout.write(_last_lines(path))
        sys.stdout.flush()
        log.seek(0, os.SEEK_END)
        while options.follow:
            is_running = bool(_owner())
            new = log.read()
            sys.stdout.write(new.decode(errors="replace"))
            sys.stdout.flush()
            if not is_running and not new:
                break
            time.sleep(_PAUSE)
    return 0


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines(keepends=True)
    return "".join(lines[-_SHOWN_LINES:])


def _request(owner: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    request = urllib.request.Request(
        owner["url"] + path, method=method, headers={"X-Geopipe-Key": owner["access_key_id"]}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_RESPONSE_SECONDS) as response:
            content: dict[str, Any] = json.load(response)
            return content
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise StandingError(f"the emulator at {owner['url']} (PID {owner['pid']}) does not respond: {error}") from None


def _no_options(verb: str, arguments: Sequence[str]) -> None:
    description = VERBS[verb].__doc__
    argparse.ArgumentParser(prog=f"{program_name()} {verb}", description=description).parse_args(arguments)


def _python_path() -> str:
    """Returns a path on which a child finds this very package, installed or not."""
    parts = (str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.pathsep.join(part for part in parts if part)


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "reset": _reset,
    "logs": _logs,
    "env": _env,
}
