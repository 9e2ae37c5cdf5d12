"""Emulators in the process of the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from geopipe_emulator.emulator import EmulatorServer, ServiceFactory
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """Every service, one account for the whole test session: use names of your own."""
    with EmulatorServer(Settings(time_scale=0.02)) as server:
        yield Emulator(server, server.url)


@pytest.fixture(scope="module")
def start_emulator() -> Iterator[StartEmulator]:
    """Starts further emulators. Each needs an account of its own: moto keeps one state per process and account."""
    started: list[EmulatorServer] = []

    def start(settings: Settings, services: Sequence[ServiceFactory] = (), **options: Any) -> Emulator:
        server = EmulatorServer(settings, services=services, **options)
        started.append(server)
        return Emulator(server, server.start())

    yield start
    for server in started:
        server.stop()
