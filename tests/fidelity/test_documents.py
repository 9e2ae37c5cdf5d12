"""The emulator answers as public documents say that AWS does."""

from __future__ import annotations

from collections.abc import Iterator

import botocore.config
import botocore.session
import pytest

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from tests.support.fidelity.documents import Statement, differences_from, statements
from tests.support.kinds import REGION, Hands

# Of its own: moto keeps the state of an account per process, and other tests' emulators are in this one.
ACCOUNT = "345678901234"


@pytest.fixture(scope="module")
def hands() -> Iterator[Hands]:
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session.set_credentials("test", "test")
    with EmulatorServer(Settings(account_id=ACCOUNT, region=REGION)) as server:
        yield Hands(server.url, session)


@pytest.mark.parametrize("number", range(len(statements())))
def test_the_emulator_answers_as_documented(hands: Hands, number: int) -> None:
    statement = statements()[number]
    names = {"name": f"documented-{number}", "account": ACCOUNT, "region": REGION}
    assert not differences_from(statement, hands.client, names), statement.says


def test_a_difference_is_found(hands: Hands) -> None:
    right = next(one for one in statements() if one.code == "NoSuchEntity")
    wrong = Statement(right.says, right.source, (), right.call, 400, "NoSuch", "no words of this kind", {"Role": "x"})
    assert differences_from(wrong, hands.client, {"name": "no-such-role"}) == [
        "status 404, not 400",
        "code 'NoSuchEntity', not 'NoSuch'",
        "message 'The role with name no-such-role cannot be found.', without 'no words of this kind'",
        "Role is None, not 'x'",
    ]
