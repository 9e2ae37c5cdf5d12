"""What the other services know of IAM's roles and policies by now.

IAM is eventually consistent: its own responses are up to date, and the services that act on them follow later. Every
change leaves a version of the roles that it concerns, which counts once the settings' delay has passed. A change costs
time in proportion to these roles, not to all roles. Only this module reads moto's roles for that purpose.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .identity_policies import Grants
from .policy_statements import Policy

# The document of a boundary that is gone: nothing is within it.
_NOTHING = "{}"


@dataclass(frozen=True)
class KnownRole:
    """One role with its documents, as texts."""

    arn: str
    id: str
    trust: str
    policies: tuple[str, ...]
    boundary: str | None = None
    attached: frozenset[str] = frozenset()
    """ARNs of the managed policies that are attached."""
    boundary_arn: str = ""

    @property
    def trust_policy(self) -> Policy:
        """The trust policy as JSON."""
        return _parsed(self.trust)

    def grants(self, session_policy: str = "") -> Grants:
        """Everything that says what the role may do in a session with this policy."""
        return Grants(
            tuple(_parsed(text) for text in self.policies),
            _parsed(self.boundary) if self.boundary is not None else None,
            _parsed(session_policy) if session_policy else None,
        )


@dataclass
class _Partition:
    """Versions of each role in order, each with the moment from which it counts, by the role's name in lower case."""

    versions: dict[str, list[tuple[float, KnownRole]]]
    users: dict[str, set[str]]
    """For each managed policy the names of the roles that have it attached or as boundary."""


class KnownRoles:
    """The versions of all roles. A role that is deleted is unknown immediately."""

    def __init__(self, delay: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._delay = delay
        self._clock = clock
        self._partitions: dict[str, _Partition] = {}
        self._lock = threading.Lock()

    def note(self, partition: str, name: str, read: Callable[[], KnownRole | None]) -> None:
        """Note that IAM has changed a role. `read` returns it as it is now, or None when it is gone."""
        with self._lock:
            self._note(self._partition(partition), name.lower(), read())

    def find(self, partition: str, arn: str) -> KnownRole | None:
        """The role as the other services know it by now."""
        with self._lock:
            versions = self._partition(partition).versions.get(_name_in(arn), [])
            self._forget_outdated(versions)
            if not versions or versions[0][0] > self._clock() or versions[0][1].arn != arn:
                return None
            return versions[0][1]

    def latest(self, partition: str, name: str) -> KnownRole | None:
        """The role as IAM itself knows it, found by its name in upper or lower case."""
        with self._lock:
            versions = self._partition(partition).versions.get(name.lower())
            return versions[-1][1] if versions else None

    def users_of(self, partition: str, policy_arn: str) -> list[KnownRole]:
        """The roles that have the managed policy attached or as boundary, as IAM itself knows them."""
        with self._lock:
            known = self._partition(partition)
            return [known.versions[name][-1][1] for name in sorted(known.users.get(policy_arn, ()))]

    def names(self, partition: str) -> list[str]:
        """The names of all roles, in lower case."""
        with self._lock:
            return list(self._partition(partition).versions)

    def _partition(self, name: str) -> _Partition:
        return self._partitions.setdefault(name, _Partition({}, {}))

    def _note(self, known: _Partition, name: str, role: KnownRole | None) -> None:
        versions = known.versions.get(name, [])
        before = versions[-1][1] if versions else None
        if role == before:
            return
        for policy in _policies_of(before) - _policies_of(role):
            known.users[policy].discard(name)
        for policy in _policies_of(role):
            known.users.setdefault(policy, set()).add(name)
        if role is None:
            del known.versions[name]
            return
        if before is not None and before.id != role.id:
            versions = []
        known.versions[name] = versions
        versions.append((self._clock() + self._delay, role))
        self._forget_outdated(versions)

    def _forget_outdated(self, versions: list[tuple[float, KnownRole]]) -> None:
        now = self._clock()
        while len(versions) > 1 and versions[1][0] <= now:
            del versions[0]


def read_role(backend: Any, role: Any) -> KnownRole:
    """Returns one of moto's roles with the texts of its policies in force."""
    attached = list(role.managed_policies.values())
    boundary = None
    boundary_arn = role.permissions_boundary_arn or ""
    if boundary_arn:
        policy = backend.managed_policies.get(boundary_arn)
        boundary = _NOTHING if policy is None else _text_in_force(policy)
    policies = (*list(role.policies.values()), *map(_text_in_force, attached))
    arns = frozenset(policy.arn for policy in attached)
    return KnownRole(role.arn, role.id, role.assume_role_policy_document, policies, boundary, arns, boundary_arn)


def _policies_of(role: KnownRole | None) -> frozenset[str]:
    if role is None:
        return frozenset()
    return role.attached | {role.boundary_arn} if role.boundary_arn else role.attached


def _name_in(arn: str) -> str:
    return arn.rpartition("/")[2].lower()


def _text_in_force(policy: Any) -> str:
    text: str = next(v.document for v in policy.versions if v.version_id == policy.default_version_id)
    return text


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> Policy:
    policy: Policy = json.loads(text)
    return policy
