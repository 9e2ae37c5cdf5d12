"""One emulator in this process, on which AWS's slow states last a moment, and deployments on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import pytest

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws, connect
from geopipe_runner.aws.retry import Retrier
from tests.support.kinds import ACCOUNT, REGION, Hands, Hurried, World, blueprint_of, write_config

MakeWorld = Callable[..., World]

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def hands() -> Iterator[Hands]:
    settings = Settings(account_id=ACCOUNT, function_pending_seconds=0.01, mapping_creating_seconds=0.01)
    nothing = {"profile": (None, None, None, None)}
    session = botocore.session.Session(session_vars=nothing)
    session.set_credentials("test", "test")
    with EmulatorServer(settings) as server:
        yield Hands(server.url, session)


@pytest.fixture(scope="session")
def standing(hands: Hands, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A whole deployment that exists. A test that changes something restores it."""
    config = write_config(tmp_path_factory.mktemp("standing"), "standing", hands.url)
    aws = connect(config, hands.url, lambda _text: None, Hurried())
    world = World(aws, blueprint_of(config, aws.account), hands)
    world.apply()
    return world


@pytest.fixture
def make_world(hands: Hands, tmp_path: Path) -> Iterator[MakeWorld]:
    """Deployments of fresh names; what a test leaves of them is deleted."""
    made: list[World] = []

    def make(region: str = REGION, **changes: Any) -> World:
        config = write_config(tmp_path, f"w{next(_NUMBERS)}", hands.url, **changes)
        account = Account(ACCOUNT, region, hands.url)
        # Not `connect`: a session of its own would load every service model again for each test.
        client_config = botocore.config.Config(proxies={}, s3={"addressing_style": "path"})
        retrier = Retrier(lambda _text: None, time=Hurried())
        aws = Aws(hands.session, account, config.bucket.name, retrier, client_config)
        made.append(World(aws, blueprint_of(config, account), hands))
        return made[-1]

    yield make
    for world in made:
        world.destroy(world.touched)
