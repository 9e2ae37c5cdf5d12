"""The verbs of `geopipe-emulator`, as a user types them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.wait import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_an_emulator_in_the_background(tmp_path: Path) -> None:
    """`up`, `env`, `status`, `reset`, `logs` and `down`, and what each says without an emulator, and after a kill."""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "geopipe_emulator", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, cwd=ROOT)

    assert (run("status").returncode, run("down").stdout) == (3, "No emulator is running.\n")
    assert run("env").returncode == 1 and run("logs").returncode == run("reset").returncode == 1
    assert "is no verb: use one of up, down" in run("start").stderr
    assert "x is not a port: give a number from 0 to 65535" in run("--port", "x").stderr
    started = run("up", "--detach", "--port", "0", "--state-dir", str(tmp_path / "account"))
    assert started.returncode == 0, started.stderr
    assert re.search(r"^Console.*: http://127\.0\.0\.1:\d+/_console/\?token=\w+$", started.stdout, re.M)
    try:
        exported = run("env").stdout
        assert exported in started.stdout and "export AWS_ENDPOINT_URL=http://127.0.0.1:" in exported
        shell = f'{exported}\n{sys.executable} -c \'import boto3; boto3.client("sqs").create_queue(QueueName="q")\''
        subprocess.run(["/bin/sh", "-c", shell], check=True, timeout=180, env=environment)
        again = run("up")
        assert again.returncode == 1 and "an emulator is already running at http://127.0.0.1:" in again.stderr
        assert "end it: python -m geopipe_emulator down" in again.stderr  # as it was called
        status = run("status")
        assert status.returncode == 0 and str(tmp_path / "account") in status.stdout
        pid = int(status.stdout.split("(PID ")[1].split(")")[0])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: run("status").returncode == 3, what="the killed emulator to be gone")
        assert run("up", "--detach", "--state-dir", str(tmp_path / "account")).returncode == 0
        assert run("env").stdout == exported
        assert run("reset").returncode == 0
        shown = status.stdout.split("console   ")[1].split(" ")[0]
        with urllib.request.urlopen(shown, timeout=60) as page:
            assert b"Read only" in page.read()
        logs = run("logs").stdout
        assert logs.startswith("http://127.0.0.1:") and exported in logs
    finally:
        ended = run("down")
    assert "has ended" in ended.stdout and run("status").returncode == 3
