"""A standing emulator and the command line against it: run to the end, killed at a moment, or recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.e2e import Workplace
from tests.support.kill.account import AccountView
from tests.support.kill.checks import CheckError, require_empty
from tests.support.paths import ROOT

_KILLED_COMMAND = "tests.support.kill.killed_command"
_SECONDS = 180
DEFAULT_PROVIDER = "sagemaker_geospatial"
_ROWS = 200
_RUN = ("--non-interactive", "--cleanup=none")
_CLEANUP = ("--non-interactive", "--cleanup=all")
# Transitional states exist, but only for a short time: other tests check that geopipe waits for them.
_SETTINGS = {
    "iam": "enforce",
    "job-initializing-seconds": "0.1",
    "export-seconds": "0.2",
    "function-pending-seconds": "0.2",
    "mapping-creating-seconds": "0.2",
    "queue-deleted-seconds": "0",
}


class StandingDeployment:
    """A standing emulator in a process of its own, and a folder with a configuration for it."""

    def __init__(self, folder: Path, job_seconds: str, provider: str = DEFAULT_PROVIDER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = [part for name, value in _SETTINGS.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin"),
                *(*settings, "--job-seconds", job_seconds),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self._workplace = Workplace(folder)
        url = self._process.stdout.readline().strip()
        self._config = self._workplace.config(endpoint=url, job={"provider": provider, **_pace(provider, job_seconds)})
        self.account = AccountView(url)
        self.deployed = False

    def run(self) -> None:
        """Run to the end. Raises CheckError unless the run succeeds."""
        self._expect_success("run", self._config, *_RUN)
        self.deployed = True

    def clean_up(self) -> None:
        """Clean up to the end. Raises CheckError unless the clean-up succeeds."""
        self._expect_success("cleanup", self._config, *_CLEANUP)
        self.deployed = False

    def wait_until_ready(self) -> None:
        """Clean up after the last kill point. Raises CheckError unless the account is empty."""
        if self.deployed:
            self.clean_up()
            require_empty(self.account)

    def _expect_success(self, *arguments: object) -> None:
        done = subprocess.run(
            self._workplace.command(*arguments), capture_output=True, text=True, timeout=_SECONDS, env=_environment()
        )
        if done.returncode != 0:
            output = f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
            raise CheckError(f"`{arguments[0]}` ended with exit code {done.returncode}:\n{output}")

    def kill(self, command: str, moment: str) -> bool:
        """Run `command` and kill it at `moment`; returns False if it ended before that moment."""
        done = self._run_killed(command, moment)
        if done.returncode == -signal.SIGKILL:
            return True
        if done.returncode != 0:
            raise CheckError(
                f"the command to kill ended with exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return False

    def record(self, command: str, path: Path) -> list[str]:
        """Returns the moments of a whole `command`, in order."""
        done = self._run_killed(command, str(path))
        if done.returncode != 0:
            raise CheckError(f"cannot record `{command}`: {done.stdout}\n{done.stderr}")
        return path.read_text().splitlines()

    def _run_killed(self, command: str, target: str) -> subprocess.CompletedProcess[str]:
        options = _RUN if command == "run" else _CLEANUP
        line = [sys.executable, "-m", _KILLED_COMMAND, target, command, str(self._config), *options]
        return subprocess.run(line, capture_output=True, text=True, timeout=_SECONDS, env=_environment(), cwd=ROOT)

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


def _pace(provider: str, job_seconds: str) -> dict[str, float]:
    """Returns the rate at which the requests of `amazon_location` take as long as a job. Others have no requests."""
    return {"max_requests_per_second": _ROWS / float(job_seconds)} if provider == "amazon_location" else {}


def _environment() -> dict[str, str]:
    """Returns the environment without the user's AWS settings and without a CI system's job summary."""
    unwanted = ("AWS_", "GITHUB_STEP_SUMMARY")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
