"""The whole suite runs with no network but loopback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import no_network

_GUARD = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Before anything starts a thread: a user namespace is only given to a process with one."""
    config.stash[_GUARD] = no_network.enter()


def pytest_report_header(config: pytest.Config) -> str:
    return f"network: loopback only ({config.stash[_GUARD]})"


@pytest.fixture(scope="session")
def network_guard(request: pytest.FixtureRequest) -> str:
    """How the network is cut off."""
    return request.config.stash[_GUARD]
