"""Where calls go: AWS, an endpoint that is already running, or an emulator started for this command alone.

The emulator is a child in its own process session: Ctrl-C reaches us first, so that we can still talk to it. It ends
when our end of its standard input closes, however we die.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..config.addresses import host_of, is_loopback
from ..config.model import Config
from ..errors import AwsError
from ..hidden_values import is_secret_name

EMULATOR_MODULE = "geopipe_emulator"

_STOP_SECONDS = 5.0
# The emulator's exit code for a state folder that it cannot use.
_REFUSED_FOLDER = 2
_PROBE_SECONDS = 3.0
_ACCESS_KEY_VARIABLE = "GEOPIPE_EMULATOR_ACCESS_KEY_ID"


class Endpoint(Protocol):
    """An address for calls. `url` is None for AWS; reading it waits until a starting emulator can be reached."""

    @property
    def url(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class FixedEndpoint:
    """AWS (None), or a URL that someone else keeps running."""

    url: str | None


class EmbeddedEmulator:
    """An emulator of our own. The process starts here; its URL is read when it is first needed."""

    def __init__(self, arguments: list[str], steps: Mapping[str, Any] | None = None) -> None:
        """Start it. `steps` says what pipeline steps do that only AWS can run."""
        # Read by the child, and by the session that calls it, where the system does not distinguish users.
        os.environ.setdefault(_ACCESS_KEY_VARIABLE, f"AKIA{secrets.token_hex(16).upper()}")
        try:
            # A file without a name: its values may come from the environment, and no other process should see them.
            with tempfile.TemporaryFile("w", encoding="utf-8") as file:
                json.dump(steps or {}, file)
                file.seek(0)
                self._process = self._start([*arguments, "--steps", f"/dev/fd/{file.fileno()}"], file.fileno())
        except OSError as error:
            from .errors import as_exhaustion  # it brings botocore along; an emulator starts before that

            raise as_exhaustion(error) or AwsError(f"The emulator cannot be started: {error}") from None
        self._url = ""

    def _start(self, arguments: list[str], steps: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # -P: a queue.py, for instance, in the user's folder must not be imported.
            [sys.executable, "-P", "-m", EMULATOR_MODULE, "--exit-with-stdin", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            pass_fds=(steps,),
            start_new_session=True,
            text=True,
        )

    @property
    def url(self) -> str:
        """Waits for the line in which the child prints its URL. Raises AwsError when it ends instead."""
        if not self._url:
            assert self._process.stdout is not None
            self._url = self._process.stdout.readline().strip()
        if not self._url:
            code = self._process.wait()
            raise AwsError(
                f"The emulator did not start (exit code {code}); its message is above.",
                "Install what it needs: pip install 'geopipe-runner[emulator]' (or use `make run`)."
                if code != _REFUSED_FOLDER
                else "emulator.state_dir names its state folder.",
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
    """Within the block, the endpoint that `config` names can be used."""
    if not config.embedded:
        yield FixedEndpoint(config.endpoint)
        return
    emulator = start_emulator(config)
    try:
        yield emulator
    finally:
        emulator.stop()


def start_emulator(config: Config) -> EmbeddedEmulator:
    """Start an emulator with the settings of `config`. Raises AwsError if the process cannot be started."""
    return EmbeddedEmulator(_arguments(config), _steps(config))


def on_loopback(endpoint_url: str | None) -> bool:
    """Whether `endpoint_url` is on this machine."""
    return endpoint_url is not None and is_loopback(host_of(endpoint_url) or "")


def silent(url: str, *, accepts: bool) -> AwsError:
    """Returns the error for a local endpoint that does not respond. `accepts`: it does take connections."""
    if accepts:
        what = f"{url} takes connections but does not respond."
        return AwsError(what, f"Stop what listens there, then start the emulator: {_start_command(url)}")
    return AwsError(f"Nothing listens at {url}.", f"Start the emulator: {_start_command(url)}")


def foreign(url: str, what: str) -> AwsError:
    """Returns the error for a local server whose response is not AWS's, and `what` is wrong with it."""
    from .errors import not_aws

    if is_emulator(url):
        return not_aws(what)
    return AwsError(
        f"The server at {url} is not a geopipe emulator: {not_aws(what).message}",
        f"Start the emulator on a free port and name it as `endpoint`: {_start_command(url, 'PORT')}",
    )


def is_emulator(url: str) -> bool:
    """Whether a geopipe emulator says that it is ready at `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PROBE_SECONDS) as response:
            status = json.loads(response.read(4096))
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return False
    return isinstance(status, dict) and status.get("status") == "ready"


def answered_steps(url: str) -> frozenset[str] | None:
    """Returns the names of the steps and types that a running emulator has entries for; None for another server."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{url}/_geopipe/steps", headers=_access_header())
    try:
        with opener.open(request, timeout=_PROBE_SECONDS) as response:
            names = json.load(response)["names"]
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError, KeyError, TypeError):
        return None
    return frozenset(map(str, names))


def _access_header() -> dict[str, str]:
    key = os.environ.get(_ACCESS_KEY_VARIABLE)
    return {"X-Geopipe-Key": key} if key else {}


def _start_command(url: str, port: str = "") -> str:
    return f"python -m {EMULATOR_MODULE} --port {port or urlsplit(url).port or 80}"


def _arguments(config: Config) -> list[str]:
    arguments = ["--account-id", config.account_id, "--region", config.region]
    for name, value in dataclasses.asdict(config.emulator).items():
        if name not in ("steps", "functions") and value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def _steps(config: Config) -> dict[str, Any]:
    """Returns `emulator.steps` as JSON values, with what the file says only."""
    steps = {name: dataclasses.asdict(step) for name, step in config.emulator.steps.items()}
    for step in steps.values():
        if step["run"] is None:
            del step["source"]
    written: dict[str, Any] = json.loads(json.dumps(steps, default=str))
    return written


def _environment() -> dict[str, str]:
    """Returns our environment without credentials: a function that the emulator runs can read it in /proc."""
    needed = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    public = {name: value for name, value in needed.items() if name == _ACCESS_KEY_VARIABLE or not is_secret_name(name)}
    return public | {"PYTHONPATH": _python_path()}


def _python_path() -> str:
    """Returns a path on which the child finds this very package, installed or not."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(part for part in (root, *inherited) if part)  # an empty part would be the current folder
