"""When a change of a role counts, by a clock of our own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geopipe_runner.emulator.known_roles import KnownRole, KnownRoles

ARN = "arn:aws:iam::123456789012:role/r"
ROLE = KnownRole(ARN, "AROA1", "{}", ())
CHANGED = replace(ROLE, policies=('{"Statement": []}',))


class Account:
    """IAM's roles and a clock."""

    def __init__(self, delay: float) -> None:
        self.now = 100.0
        self.known = KnownRoles(delay, lambda: self.now)

    def put(self, *roles: KnownRole) -> None:
        self.known.note("aws", lambda: {role.arn: role for role in roles})

    def found(self) -> KnownRole | None:
        return self.known.find("aws", ARN)


def test_without_a_delay_everything_counts_at_once() -> None:
    account = Account(0)
    assert account.found() is None
    account.put(ROLE)
    assert account.found() == ROLE
    account.put(CHANGED)
    assert account.found() == CHANGED
    account.put()
    assert account.found() is None


def test_a_new_role_is_known_when_its_time_has_come() -> None:
    account = Account(10)
    account.put(ROLE)
    account.now += 9.9
    assert account.found() is None
    account.now += 0.2
    assert account.found() == ROLE


def test_changes_count_one_after_the_other() -> None:
    account = Account(10)
    account.put(ROLE)
    account.now += 6
    account.put(CHANGED)
    account.now += 6
    assert account.found() == ROLE
    account.now += 6
    assert account.found() == CHANGED


def test_a_change_that_changes_nothing_starts_no_new_wait() -> None:
    account = Account(10)
    account.put(ROLE)
    account.now += 6
    account.put(ROLE)
    account.now += 5
    assert account.found() == ROLE


def test_a_role_that_is_gone_is_gone_at_once_and_its_successor_waits() -> None:
    account = Account(10)
    account.put(ROLE)
    account.now += 20
    account.put()
    assert account.found() is None
    successor = replace(ROLE, id="AROA2")
    account.put(successor)
    assert account.found() is None
    account.now += 11
    assert account.found() == successor


def test_partitions_are_apart() -> None:
    account = Account(0)
    account.put(ROLE)
    assert account.known.find("aws-cn", ARN) is None


@pytest.mark.parametrize(("boundary", "session"), [(None, ""), ('{"Statement": []}', ""), (None, '{"Statement": []}')])
def test_grants_are_the_documents(boundary: str | None, session: str) -> None:
    grants = replace(CHANGED, boundary=boundary).grants(session)
    assert grants.identity == ({"Statement": []},)
    assert (grants.boundary is None) == (boundary is None)
    assert (grants.session is None) == (not session)
