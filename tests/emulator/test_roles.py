"""When a change of a role takes effect, by a clock of the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geopipe_emulator.authorization.roles import KnownRole, KnownRoles

ARN = "arn:aws:iam::123456789012:role/r"
ROLE = KnownRole(ARN, "AROA1", "{}", ())
CHANGED = replace(ROLE, policies=('{"Statement": []}',))


class KnownAccount:
    """One role of IAM, and a clock."""

    def __init__(self, delay: float) -> None:
        self.now = 100.0
        self.known = KnownRoles(delay, lambda: self.now)

    def put(self, role: KnownRole | None) -> None:
        self.known.note("aws", "r", lambda: role)

    def find(self) -> KnownRole | None:
        return self.known.find("aws", ARN)


def test_without_a_delay_every_change_counts_immediately() -> None:
    account = KnownAccount(0)
    assert account.find() is None
    account.put(ROLE)
    assert account.find() == ROLE
    account.put(CHANGED)
    assert account.find() == CHANGED
    account.put(None)
    assert account.find() is None


def test_a_new_role_is_known_when_its_time_has_come() -> None:
    account = KnownAccount(10)
    account.put(ROLE)
    account.now += 9.9
    assert account.find() is None
    account.now += 0.2
    assert account.find() == ROLE


def test_changes_count_one_after_the_other() -> None:
    account = KnownAccount(10)
    account.put(ROLE)
    account.now += 6
    account.put(CHANGED)
    account.now += 6
    assert account.find() == ROLE
    account.now += 6
    assert account.find() == CHANGED


def test_a_change_that_changes_nothing_starts_no_new_wait() -> None:
    account = KnownAccount(10)
    account.put(ROLE)
    account.now += 6
    account.put(ROLE)
    account.now += 5
    assert account.find() == ROLE


def test_a_deleted_role_is_unknown_immediately_and_its_successor_waits() -> None:
    account = KnownAccount(10)
    account.put(ROLE)
    account.now += 20
    account.put(None)
    assert account.find() is None
    successor = replace(ROLE, id="AROA2")
    account.put(successor)
    assert account.find() is None
    account.now += 11
    assert account.find() == successor


def test_partitions_are_separate() -> None:
    account = KnownAccount(0)
    account.put(ROLE)
    assert account.known.find("aws-cn", ARN) is None


@pytest.mark.parametrize(("boundary", "session"), [(None, ""), ('{"Statement": []}', ""), (None, '{"Statement": []}')])
def test_grants_are_the_documents(boundary: str | None, session: str) -> None:
    grants = replace(CHANGED, boundary=boundary).grants(session)
    assert grants.identity == ({"Statement": []},)
    assert (grants.boundary is None) == (boundary is None)
    assert (grants.session is None) == (not session)


def test_users_of_a_policy_follow_attachments_and_boundaries() -> None:
    known = KnownRoles()
    policy, boundary = "arn:aws:iam::123456789012:policy/p", "arn:aws:iam::123456789012:policy/b"
    known.note("aws", "R", lambda: replace(ROLE, attached=frozenset({policy})))
    known.note("aws", "other", lambda: replace(ROLE, arn=ROLE.arn[:-1] + "other", id="AROA9", boundary_arn=boundary))
    assert [role.id for role in known.users_of("aws", policy)] == ["AROA1"]
    assert [role.id for role in known.users_of("aws", boundary)] == ["AROA9"]
    known.note("aws", "r", lambda: ROLE)
    known.note("aws", "other", lambda: None)
    assert known.users_of("aws", policy) == known.users_of("aws", boundary) == []
    assert known.names("aws") == ["r"]


def test_names_differ_by_more_than_case() -> None:
    known = KnownRoles()
    known.note("aws", "r", lambda: ROLE)
    assert known.latest("aws", "R") == ROLE
    assert known.find("aws", ARN.upper()) is None
