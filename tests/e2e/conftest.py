"""Fixtures: a folder to work in, and emulators that stand."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_world import ROOT, Standing, StartStanding, Workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def start_standing() -> Iterator[StartStanding]:
    """Starts standing emulators; arguments are the emulator's own. Roles are held to their policies, unless `--iam off`
    says otherwise."""
    started: list[Standing] = []

    def start(*arguments: str) -> Standing:
        process = subprocess.Popen(
            [sys.executable, "-m", "geopipe_runner.emulator", "--exit-with-stdin", "--iam", "enforce", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        started.append(Standing(process.stdout.readline().strip(), process))
        return started[-1]

    yield start
    for standing in started:
        standing.process.send_signal(signal.SIGTERM)
        standing.process.wait(10)


@pytest.fixture
def standing(start_standing: StartStanding) -> Standing:
    return start_standing()
