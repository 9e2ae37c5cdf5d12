"""A standing emulator, and the command line against it: run to the end, killed at a moment, or recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from account import AccountView
from checks import CheckError, require_empty

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_world import ROOT, Workplace

_VICTIM = Path(__file__).with_name("victim.py")
_SECONDS = 180
_RUN = ("--non-interactive", "--cleanup=none")
_CLEANUP = ("--non-interactive", "--cleanup=all")
_TRUTHS = {
    "iam": "enforce",
    "job-initializing-seconds": "0.1",
    "export-seconds": "0.2",
    "function-pending-seconds": "0.2",
    "mapping-creating-seconds": "0.2",
    "queue-deleted-seconds": "0",
}
"""Half-way states exist, but not for long: that waiting for them works is another test's business."""


class Emulator:
    """A standing emulator in a process of its own, and a folder with a configuration for it."""

    def __init__(self, folder: Path, job_seconds: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = [part for name, value in _TRUTHS.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "geopipe_runner.emulator", "--exit-with-stdin"),
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
        self._config = self._workplace.config(endpoint=url)
        self.account = AccountView(url)
        self.deployed = False

    def run(self) -> None:
        """A whole run. Raises CheckError unless it succeeds."""
        self._expect_success("run", self._config, *_RUN)
        self.deployed = True

    def clean_up(self) -> None:
        """A whole clean-up. Raises CheckError unless it succeeds."""
        self._expect_success("cleanup", self._config, *_CLEANUP)
        self.deployed = False

    def settle(self) -> None:
        """Clean up what the last point left. Raises CheckError unless nothing remains."""
        if self.deployed:
            self.clean_up()
            require_empty(self.account)

    def _expect_success(self, *arguments: object) -> None:
        done = subprocess.run(
            self._workplace.command(*arguments), capture_output=True, text=True, timeout=_SECONDS, env=_environment()
        )
        if done.returncode != 0:
            said = f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
            raise CheckError(f"`{arguments[0]}` ended with exit code {done.returncode}:\n{said}")

    def kill(self, command: str, moment: str) -> bool:
        """Run `command`, killed at `moment`; False when it ended without getting there."""
        done = self._victim(command, moment)
        if done.returncode == -signal.SIGKILL:
            return True
        if done.returncode != 0:
            raise CheckError(f"the victim ended with exit code {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return False

    def record(self, command: str, path: Path) -> list[str]:
        """The moments of a whole `command`, in order."""
        done = self._victim(command, str(path))
        if done.returncode != 0:
            raise CheckError(f"cannot record `{command}`: {done.stdout}\n{done.stderr}")
        return path.read_text().splitlines()

    def _victim(self, command: str, what: str) -> subprocess.CompletedProcess[str]:
        options = _RUN if command == "run" else _CLEANUP
        line = [sys.executable, str(_VICTIM), what, command, str(self._config), *options]
        return subprocess.run(line, capture_output=True, text=True, timeout=_SECONDS, env=_environment())

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


def _environment() -> dict[str, str]:
    """Nothing of the user's AWS set-up, and no job summary of a CI system."""
    unwanted = ("AWS_", "GITHUB_STEP_SUMMARY")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
