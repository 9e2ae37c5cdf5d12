"""The whole suite runs with no network but loopback, and `make fast` starts no process."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import no_network

_GUARD = pytest.StashKey[str]()
_TESTS = Path(__file__).parent
# In these folders every test may start processes.
_PROCESS_FOLDERS = {"bench", "browser", "clients", "e2e", "emulator", "kinds", "meta", "robustness"}
_PROCESS_EVENTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
_test_without_processes: list[str] = []


def _refuse_processes(event: str, _arguments: tuple[object, ...]) -> None:
    # Other threads may belong to an emulator that an earlier test started.
    if event in _PROCESS_EVENTS and _test_without_processes and threading.current_thread() is threading.main_thread():
        raise RuntimeError(f"{_test_without_processes[0]} starts a process: mark it with pytest.mark.process")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything starts a thread: a user namespace is only given to a process with one."""
    config.stash[_GUARD] = no_network.enter()
    # Below nohup it is ignored, and so it would be in every process that a test starts.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.addinivalue_line("markers", "process: the test starts a process, so `make fast` leaves it out")
    config.addinivalue_line(
        "markers", "slow: the test or its file takes half a second or more, so `make fast` leaves it out"
    )
    sys.addaudithook(_refuse_processes)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whole folders."""
    for item in items:
        if _PROCESS_FOLDERS.intersection(item.path.relative_to(_TESTS).parts):
            item.add_marker(pytest.mark.process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Refuse to start a process in a test that is not marked."""
    if item.get_closest_marker("process") is None:
        _test_without_processes.append(item.nodeid)
    try:
        return (yield)
    finally:
        _test_without_processes.clear()


def pytest_report_header(config: pytest.Config) -> str:
    return f"network: loopback only ({config.stash[_GUARD]})"


@pytest.fixture(scope="session")
def network_guard(request: pytest.FixtureRequest) -> str:
    """How the network is cut off."""
    return request.config.stash[_GUARD]
