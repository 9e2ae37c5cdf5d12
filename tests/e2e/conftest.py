"""Fixtures: a folder to work in, and standing emulators."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.e2e import Standing, StartStanding, Workplace, start_emulator


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def start_standing() -> Iterator[StartStanding]:
    """Starts standing emulators; arguments are the emulator's own.

    Roles are held to their policies, unless `--iam off` says otherwise.
    """
    started: list[Standing] = []

    def start(*arguments: str) -> Standing:
        started.append(start_emulator(*arguments))
        return started[-1]

    yield start
    for standing in started:
        standing.process.send_signal(signal.SIGTERM)
        standing.process.wait(10)


@pytest.fixture
def standing(start_standing: StartStanding) -> Standing:
    return start_standing()
