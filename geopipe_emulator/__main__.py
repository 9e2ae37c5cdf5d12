"""Start an emulator of AWS on 127.0.0.1. It prints its URL as the only line on standard output.

The verbs up, down, status, reset, logs and env are for one that keeps running; `up` takes the options below.

A program that starts it as a child passes a pipe as standard input and --exit-with-stdin, so that the server ends even
when its parent is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import importlib.util
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .allocator import share_arenas
from .emulator import EmulatorServer
from .messages import hide_notes, warn
from .settings import Settings
from .state.errors import StateError
from .step_answers import StepAnswerError, StepAnswers, read_step_answers
from .surroundings import ACCESS_KEY_VARIABLE, is_credential

# Where `up` listens.
DEFAULT_PORT = 4599
_OPEN_FILES = 8192
_NEEDED = ("moto", "flask", "flask_cors", "boto3")
_DESCRIPTION = """\
Start an emulator of AWS on 127.0.0.1. It prints its URL as the only line on standard output.

verbs, for one emulator of yours that keeps running:
  up [--detach]  start it with the options below: in this terminal, or in the background
  env            print the lines for eval "$(geopipe-emulator env)"
  status         say where it is, and whether its account is kept
  reset          empty the account
  logs [-f]      print what it says in the background
  down           end it
"""
# What each setting means, and what its value is called.
_SETTINGS = {
    "account_id": ("ID", "the emulated account"),
    "region": ("REGION", "the emulated region"),
    "time_scale": ("FACTOR", "real seconds per second that queues, schedules and retries wait; 1 is real time"),
    "job_initializing_seconds": ("SECONDS", "how long a job shows INITIALIZING at least"),
    "job_seconds": ("SECONDS", "how long a job shows IN_PROGRESS at least"),
    "export_seconds": ("SECONDS", "how long an export shows IN_PROGRESS at least"),
    "function_pending_seconds": ("SECONDS", "how long a new function stays Pending"),
    "mapping_creating_seconds": ("SECONDS", "how long an event source mapping stays Creating"),
    "iam": ("MODE", "enforce: roles may do only what their policies say; off: roles need only trust"),
    "iam_propagation_seconds": ("SECONDS", "how long other services do not know a new role or policy"),
    "queue_deleted_seconds": ("SECONDS", "how long the name of a deleted queue stays reserved"),
    "geospatial_refusal": ("CODE", "the error with which SageMaker geospatial refuses the account"),
    "places_requests_per_second": ("N", "the quota of Amazon Location Service"),
    "duplicate_deliveries": ("SHARE", "the share of batches that a mapping delivers twice, 0 to 1"),
    "faults": ("SHARE", "the share of API calls that meet a fault, 0 to 1"),
    "fault_seed": ("N", "the same seed gives the same calls the same faults"),
    "fault_kinds": ("KINDS", "which faults, separated by commas"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = read_options(arguments)
    try:
        settings = Settings(**{name: getattr(options, name) for name in _setting_names()})
    except ValueError as problem:
        _parser().error(str(problem))
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return _fail(f"the emulator needs {', '.join(missing)}: pip install 'geopipe-runner[emulator]'")
    access_key_id = os.environ.pop(ACCESS_KEY_VARIABLE, "")
    _forget_surroundings()
    _raise_open_files()
    # What the start allocates stays, so the collector need not search it, now or later.
    gc.disable()
    end = _EndSignal()
    registration = None
    if options.registered:
        from .standing import StandingError, register

        try:
            registration = register()
        except StandingError as problem:
            return _fail(str(problem))
    usual_port = DEFAULT_PORT if options.registered and options.port is None else 0
    try:
        access = _choose_access(options, access_key_id)
        server = EmulatorServer(
            settings,
            options.port or 0,
            verbose=options.verbose,
            state_dir=options.state_dir,
            usual_port=usual_port,
            **access,
        )
        if options.state_dir is not None:
            # A folder that cannot be read is refused before anyone gets the URL.
            server.start()
    except StateError as problem:
        warn(str(problem))
        return 2
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else problem
        return _fail(
            f"cannot listen on 127.0.0.1:{options.port or usual_port}: {reason}. "
            "Free that port, or give another one with --port."
        )
    if not _print_url(server.url):
        return 1
    if not options.exit_with_stdin:
        server.console.announce()
    if options.exit_with_stdin:
        hide_notes()
        threading.Thread(target=_await_end_of_input, args=(end,), name="stdin", daemon=True).start()
    if options.state_dir is None:
        server.start()
    gc.freeze()
    gc.enable()
    share_arenas()
    server.warm_up()
    if registration is not None:
        _note_owner(registration, server, options, access.get("access_key_id", ""))
    end.wait()
    server.stop()
    return 0


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options of a start. Ends the process with exit code 2 for wrong ones."""
    return _parser().parse_args(arguments)


def _note_owner(registration: int, server: EmulatorServer, options: argparse.Namespace, access_key_id: str) -> None:
    """Say where the user's emulator is, now that it serves: to the other verbs, and to its user."""
    from .standing import export_lines
    from .state.owner import write_owner

    state_dir = str(options.state_dir.absolute()) if options.state_dir is not None else ""
    where = {"pid": os.getpid(), "url": server.url, "access_key_id": access_key_id}
    owner = where | {"region": options.region, "state_dir": state_dir}
    write_owner(registration, owner)
    with contextlib.suppress(BrokenPipeError):
        print(export_lines(owner), flush=True)


def _print_url(url: str) -> bool:
    """Print the URL. Returns whether it could be read: the parent may have ended already."""
    try:
        print(url, flush=True)
    except BrokenPipeError:
        return False
    return True


def _choose_access(options: argparse.Namespace, access_key_id: str) -> dict[str, Any]:
    """The server's arguments that say whom it serves: this user, requests with the key of this start, or everyone."""
    from .http.peer import shows_users

    access: dict[str, Any] = {}
    if options.allow_any_user:
        access["is_allowed"] = lambda client: True
    if options.require_access_key or not (options.allow_any_user or shows_users()):
        from .gateway.access import new_access_key_id

        access["access_key_id"] = access_key_id or new_access_key_id()
        if not access_key_id:
            warn(f"it serves requests with this access key id only: AWS_ACCESS_KEY_ID={access['access_key_id']}")
    elif options.allow_any_user:
        warn("--allow-any-user: every user of this machine can run code as you through this emulator.")
    return access


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geopipe-emulator",
        usage="%(prog)s [VERB] [OPTIONS]",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Of `up`: one for each user, which the other verbs find.
    parser.add_argument("--registered", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help=f"port on 127.0.0.1 (default: the last one of the state folder, else a free one; for up: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--steps",
        type=_step_answers,
        default="",
        metavar="FILE",
        help="what pipeline steps do that only AWS can run, as JSON or YAML in the form of emulator.steps",
    )
    for field in dataclasses.fields(Settings):
        if field.name == "steps":
            continue
        default = field.default
        flag = "--" + field.name.replace("_", "-")
        metavar, meaning = _SETTINGS[field.name]
        shown = f"{default:g}" if isinstance(default, float) else default
        text = f"{meaning} (default: {shown})"
        parser.add_argument(flag, type=type(default), default=default, metavar=metavar, help=text)
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keep the account in this folder, so that it survives a restart (default: in memory only)",
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input ends")
    parser.add_argument(
        "--require-access-key",
        action="store_true",
        help="serve only requests with the access key id that is printed at the start (always so where the system "
        "does not show which user a connection belongs to)",
    )
    parser.add_argument(
        "--allow-any-user",
        action="store_true",
        help="serve every user of this machine, who can then run code as you; with --require-access-key, those with "
        "the key",
    )
    parser.add_argument("--verbose", action="store_true", help="log each request to standard error")
    return parser


def _step_answers(path: str) -> StepAnswers:
    try:
        return read_step_answers(path)
    except StepAnswerError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 0 to 65535")
    return int(text)


def _setting_names() -> list[str]:
    return [field.name for field in dataclasses.fields(Settings)]


def _leave_credentials_behind() -> None:
    """Start again without the user's credentials: functions run as the same user, and can read /proc/PID/environ.

    Removing them from `os.environ` would not change what /proc shows.
    """
    public = {name: value for name, value in os.environ.items() if not is_credential(name)}
    if len(public) < len(os.environ) and sys.platform == "linux":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], public)


def _forget_surroundings() -> None:
    """Remove the user's AWS set-up, moto's switches and proxies, so that none of them has an effect."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MOTO_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def _raise_open_files() -> None:
    """Each connection, worker and object in transit is an open file; the usual soft limit of 1024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class _EndSignal:
    """Waits for SIGTERM, SIGINT or `send`, whenever it arrives.

    It is a pipe, into which the interpreter writes as soon as a signal arrives. A handler of our own would run only
    when the main thread does, which may just have begun to wait for a lock.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def send(self) -> None:
        os.write(self._write_end, b"\0")

    def wait(self) -> None:
        os.read(self._read_end, 1)


def _await_end_of_input(end: _EndSignal) -> None:
    while os.read(0, 4096):
        pass
    end.send()


def _fail(message: str) -> int:
    warn(message)
    return 1


def entry() -> NoReturn:
    """Run the emulator, or one of its verbs, and end the process: the console script `geopipe-emulator`."""
    verb = sys.argv[1] if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
    if verb in ("", "up"):
        _leave_credentials_behind()
    if verb:
        from .standing import VERBS, run_verb

        if verb not in VERBS:
            _parser().error(f"{verb} is no verb: use one of {', '.join(VERBS)}, or none")
        code = run_verb(sys.argv[1:])
        sys.stdout.flush()
    else:
        code = main()
    gc.freeze()
    # Daemon threads and a large heap make an orderly exit of the interpreter slow. All that matters is stopped.
    os._exit(code)


if __name__ == "__main__":
    entry()
