"""An emulator in a process of its own, for scripts and tests: start it, reach it, empty it, end it.

The child ends when its standard input closes, so it also ends when this program is killed.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import select
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .settings import Settings
from .step_answers import parse_step_answers
from .surroundings import ACCESS_KEY_VARIABLE, is_credential

if TYPE_CHECKING:
    from .pipeline_run import PipelineRun

_SECRET_ACCESS_KEY = "loopback-only"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
# A reset waits for executions and functions to end.
_CONTROL_SECONDS = 120.0


class EmulatorError(RuntimeError):
    """The emulator did not start, has ended, or refused a request of ours. The text says what to do."""


class Emulator:
    """An emulator that runs from `start` to `stop`; also a context manager.

    Args:
        steps: What pipeline steps do that only AWS can run, by the name or the type of the step, as in the
            configuration's `emulator.steps`. Relative paths start at the current folder.
        verbose: Log each request to standard error.
        state_dir: The folder that keeps the account after the end; None keeps nothing.
        settings: How the account behaves: `account_id`, `region`, `iam="enforce"` and the others of `Settings`.

    Raises:
        TypeError: there is no such setting.
        ValueError: a setting or an entry of `steps` is wrong.
    """

    def __init__(
        self,
        *,
        steps: Mapping[str, Any] | None = None,
        verbose: bool = False,
        state_dir: str | Path | None = None,
        **settings: Any,
    ) -> None:
        known = {setting.name for setting in fields(Settings)} - {"steps"}
        if unknown := settings.keys() - known:
            raise TypeError(
                f"an emulator has no setting {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
            )
        self.settings = Settings(**settings)
        self._options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self._options += ["--verbose"] if verbose else []
        self._options += [f"--state-dir={state_dir}"] if state_dir is not None else []
        self._steps = dict(steps or {})
        parse_step_answers(self._steps, Path.cwd())
        self._process: subprocess.Popen[str] | None = None
        self._url = ""
        self._access_key_id = ""
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()

    def start(self) -> Emulator:
        """Start the process and wait for its URL. Raises EmulatorError when it ends instead."""
        if self._process is not None:
            raise EmulatorError(f"The emulator runs already, at {self._url}.")
        self._access_key_id = os.environ.get(ACCESS_KEY_VARIABLE) or f"AKIA{secrets.token_hex(16).upper()}"
        self._process = subprocess.Popen(
            # -P: a queue.py, for instance, in the current folder must not be imported.
            [sys.executable, "-P", "-m", __package__, "--exit-with-stdin", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_public_environment() | {ACCESS_KEY_VARIABLE: self._access_key_id},
            # Ctrl-C reaches this program only, which may still need the emulator to clean up.
            start_new_session=True,
            text=True,
        )
        try:
            self._url = _await_url(self._process)
            if self._steps:
                self.answer_steps(self._steps)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process and everything that runs in it."""
        process, self._process, self._url = self._process, None, ""
        self._clients.clear()
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The endpoint. Raises EmulatorError when the emulator does not run."""
        if not self._url:
            raise EmulatorError("The emulator does not run: call start(), or use it in a with statement.")
        return self._url

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which every AWS client reaches this emulator, and no AWS profile has a say."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._access_key_id,
            "AWS_SECRET_ACCESS_KEY": _SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": self.settings.region,
            "AWS_REGION": self.settings.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            ACCESS_KEY_VARIABLE: self._access_key_id,
        }

    def client(self, service: str, region: str = "") -> Any:
        """Returns a boto3 client of this emulator, which no profile and no environment variable changes."""
        return self._client(service, region, "")

    def reset(self) -> None:
        """Empty the account: end all that runs in it, and forget everything that was created, counted or changed."""
        self._control("POST", "/_geopipe/reset")
        if self._steps:
            self.answer_steps(self._steps)

    def answer_steps(self, steps: Mapping[str, Any]) -> None:
        """Replace what pipeline steps do that only AWS can run, until the next reset.

        Raises ValueError if an entry is wrong.
        """
        parse_step_answers(dict(steps), Path.cwd())
        self._control("PUT", "/_geopipe/steps", {"folder": str(Path.cwd()), "steps": dict(steps)})

    def calls(self) -> list[dict[str, Any]]:
        """Returns the calls of clients since the last reset: dicts with service, operation, count and mutating."""
        calls: list[dict[str, Any]] = self._control("GET", "/_geopipe/calls")["external"]
        return calls

    def run_pipeline(
        self,
        definition: Any,
        functions: Mapping[str, Any] | None = None,
        steps: Mapping[str, Any] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        name: str = "pipeline",
        timeout: float = 60.0,
    ) -> PipelineRun:
        """Create what a pipeline needs, run its definition to the end, and return what happened.

        Args:
            definition: JSON text, the same as a dict, the path of a file, or a pipeline of the SageMaker SDK.
            functions: The Lambda functions that it uses, by name. A value is the folder or the file with the code, the
                code itself (text of several lines), or a dict with the key `source` and more: see `PipelineFunction`.
            steps: What steps do that only AWS can run, in place of the emulator's own `steps`, until the next reset.
            parameters: Values of pipeline parameters.
            name: The name of the pipeline. One that exists gets the new definition.
            timeout: How long the execution may take, in seconds.

        Raises:
            ValueError: `definition`, `functions` or `steps` cannot be used.
            TimeoutError: the execution has not ended. The text has its steps and the last log lines of the functions.
            botocore.exceptions.ClientError: the emulator refuses the definition or a function, as AWS would.
        """
        from .pipeline_run import run_pipeline

        if steps is not None:
            parse_step_answers(dict(steps), Path.cwd())
        client = functools.partial(self._client, region="", mark=None)
        answer = functools.partial(self.answer_steps, steps) if steps is not None else None
        return run_pipeline(client, self.settings, definition, functions or {}, answer, parameters or {}, name, timeout)

    def _client(self, service: str, region: str, mark: str | None) -> Any:
        """Returns a client that is kept. `mark` None: its calls count as the emulator's own, so `calls` omits them."""
        from .clients import INTERNAL_MARK, client_factory

        key = (service, region or self.settings.region, INTERNAL_MARK if mark is None else mark)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = client_factory(self.url, self._access_key_id, key[2])(service, key[1])
            return self._clients[key]

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Geopipe-Key": self._access_key_id, "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CONTROL_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise EmulatorError(f"{method} {path}: {error.read(2000).decode(errors='replace')}") from None
        except OSError as error:
            state = "has ended" if self._process is None or self._process.poll() is not None else "does not respond"
            raise EmulatorError(f"The emulator at {self.url} {state}: {error}") from None
        return answer


def _public_environment() -> dict[str, str]:
    public = {name: value for name, value in os.environ.items() if not is_credential(name)}
    # The child must find this very package, installed or not. An empty part would be the current folder.
    parts = (str(Path(__file__).parents[1]), *public.get("PYTHONPATH", "").split(os.pathsep))
    return public | {"PYTHONPATH": os.pathsep.join(part for part in parts if part)}


def _await_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], _START_SECONDS)[0]:
        raise EmulatorError(f"The emulator has not started within {_START_SECONDS:g} seconds.")
    url = process.stdout.readline().strip()
    if not url:
        raise EmulatorError(
            f"The emulator did not start (exit code {process.wait()}); its message is on standard error. "
            "If packages are missing: pip install 'geopipe-runner[emulator]'"
        )
    return url
