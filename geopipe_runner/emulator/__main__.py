"""`python -m geopipe_runner.emulator`: the emulator as a process of its own.

It prints its URL as the one line on stdout. Whoever starts it as a child gives it a pipe as stdin and
`--exit-with-stdin`, so that no server outlives a parent that was killed.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Sequence

from .server import EmulatorServer
from .settings import Settings

_NEEDED = ("moto", "flask", "flask_cors", "boto3")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = Settings(**{name: getattr(options, name) for name in _setting_names()})
    except ValueError as problem:
        _parser().error(str(problem))
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return _fail(f'the emulator needs {", ".join(missing)}: install geopipe\'s extra "emulator"')
    _forget_surroundings()
    end = _End()
    try:
        server = EmulatorServer(settings, options.port, verbose=options.verbose)
    except OSError as problem:
        return _fail(
            f"cannot listen on 127.0.0.1:{options.port}: {os.strerror(problem.errno) if problem.errno else problem}"
        )
    print(server.url, flush=True)
    if options.exit_with_stdin:
        threading.Thread(target=_await_end_of_input, args=(end,), name="stdin", daemon=True).start()
    server.start()
    server.warm_up()
    end.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geopipe_runner.emulator", description=__doc__)
    parser.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)")
    for field in dataclasses.fields(Settings):
        default = field.default
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=type(default), default=default, help=f"default: {default}")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when stdin ends")
    parser.add_argument("--verbose", action="store_true", help="log each request to stderr")
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to 65535")
    return number


def _setting_names() -> list[str]:
    return [field.name for field in dataclasses.fields(Settings)]


def _forget_surroundings() -> None:
    """The user's AWS set-up, moto's switches and proxies are none of the emulator's business."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MOTO_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


class _End:
    """Comes by SIGTERM, SIGINT or `come`, and is not lost whenever it comes.

    A pipe, into which the interpreter writes as soon as a signal arrives: a handler of our own runs only once the main
    thread does, which may just have begun to wait for a lock.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def come(self) -> None:
        os.write(self._write_end, b"\0")

    def wait(self) -> None:
        os.read(self._read_end, 1)


def _await_end_of_input(end: _End) -> None:
    while os.read(0, 4096):
        pass
    end.come()


def _fail(message: str) -> int:
    print(f"geopipe emulator: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()
    # Daemon threads and a large heap make an orderly interpreter exit slow; everything that matters is stopped.
    os._exit(code)
