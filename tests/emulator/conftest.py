"""Emulators in this very process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from emulator_endpoint import Emulator, StartEmulator
from geopipe_runner.emulator.server import EmulatorServer, ServiceFactory
from geopipe_runner.emulator.settings import Settings


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """Every service, one account for the whole test session: use names of your own."""
    with EmulatorServer(Settings(time_scale=0.02)) as server:
        yield Emulator(server, server.url)


@pytest.fixture(scope="module")
def start_emulator() -> Iterator[StartEmulator]:
    """Starts further emulators. Give each an account of its own: moto keeps one state per process and account."""
    started: list[EmulatorServer] = []

    def start(settings: Settings, services: Sequence[ServiceFactory] = (), **options: Any) -> Emulator:
        server = EmulatorServer(settings, services=services, **options)
        started.append(server)
        return Emulator(server, server.start())

    yield start
    for server in started:
        server.stop()
