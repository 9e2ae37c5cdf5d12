"""One worker for all sampled points; each test leaves its account empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kill.account import Inventory
from tests.support.kill.worker import KillWorker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillWorker]:
    worker = KillWorker(tmp_path_factory.mktemp("kill"))
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def undisturbed(worker: KillWorker) -> Inventory:
    return worker.undisturbed()
