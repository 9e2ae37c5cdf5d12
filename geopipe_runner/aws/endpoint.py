"""Where calls go: AWS, an endpoint that is already running, or an emulator started for this command alone.

The emulator is a child in its own process session (Ctrl-C reaches us first, so that we can still talk to it) and
ends when our end of its standard input closes, however we die.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ..config.model import Config
from ..errors import AwsError

_STOP_SECONDS = 5.0


class Endpoint(Protocol):
    """`url` is None for AWS itself; reading it waits until an emulator that is starting can be reached."""

    @property
    def url(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class FixedEndpoint:
    """AWS (None), or a URL that someone else keeps running."""

    url: str | None


class EmbeddedEmulator:
    """An emulator of our own: started at once, its URL read when it is first needed."""

    def __init__(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            # -P: what lies in the folder the user is in, a queue.py for instance, is not to be imported.
            [sys.executable, "-P", "-m", "geopipe_runner.emulator", "--exit-with-stdin", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": _python_path()},
            start_new_session=True,
            text=True,
        )
        self._url = ""

    @property
    def url(self) -> str:
        """Waits for the line in which the child names its URL. Raises AwsError when it ends instead."""
        if not self._url:
            assert self._process.stdout is not None
            self._url = self._process.stdout.readline().strip()
        if not self._url:
            raise AwsError(
                f"The emulator did not start (exit code {self._process.wait()}); its message is above.",
                "Install what it needs: pip install 'geopipe[emulator]' (or use `make run`).",
            )
        return self._url

    def stop(self) -> None:
        """End the child; it gets a moment to end its own children."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def open_endpoint(config: Config) -> Iterator[Endpoint]:
    """The endpoint `config` asks for, for as long as the block runs."""
    if not config.embedded:
        yield FixedEndpoint(config.endpoint)
        return
    emulator = EmbeddedEmulator(_arguments(config))
    try:
        yield emulator
    finally:
        emulator.stop()


def _arguments(config: Config) -> list[str]:
    arguments = ["--account-id", config.account_id, "--region", config.region]
    for name, value in dataclasses.asdict(config.emulator).items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def _python_path() -> str:
    """So that the child finds this very package, installed or not."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(part for part in (root, *given) if part)  # an empty part would be the current folder
