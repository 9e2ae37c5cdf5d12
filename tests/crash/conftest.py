"""One world for all sampled points: each leaves it as empty as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from account import Inventory
from crash_world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("crash"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def undisturbed(world: World) -> Inventory:
    return world.undisturbed()
