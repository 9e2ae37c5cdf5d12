"""What of IAM's roles and policies has made itself known to the other services yet.

IAM is eventually consistent: its own answers are up to date, what the services act on follows later. Every change of
a role or a policy leaves a snapshot here, which counts once the settings' delay has passed. Only this module reads
moto's roles for that purpose.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .identity_policy import Grants
from .policy_statements import Policy

_NOTHING = "{}"
"""The document of a boundary that is gone: nothing is within it."""


@dataclass(frozen=True)
class KnownRole:
    """One role with its documents, as texts."""

    arn: str
    id: str
    trust: str
    policies: tuple[str, ...]
    boundary: str | None = None

    @property
    def trust_policy(self) -> Policy:
        return _parsed(self.trust)

    def grants(self, session_policy: str = "") -> Grants:
        return Grants(
            tuple(_parsed(text) for text in self.policies),
            _parsed(self.boundary) if self.boundary is not None else None,
            _parsed(session_policy) if session_policy else None,
        )


Snapshot = Mapping[str, KnownRole]
"""Roles by ARN."""


class KnownRoles:
    """Snapshots in order, each with the moment from which it counts. Roles that are gone are gone at once."""

    def __init__(self, delay: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._delay = delay
        self._clock = clock
        self._history: dict[str, list[tuple[float, Snapshot]]] = {}
        self._lock = threading.Lock()

    def note(self, partition: str, read: Callable[[], Snapshot]) -> None:
        """IAM has changed: `read` tells how it is now."""
        with self._lock:
            snapshot = read()
            history = self._history.setdefault(partition, [])
            if history and history[-1][1] == snapshot:
                return
            living = {role.id for role in snapshot.values()}
            history[:] = [
                (moment, {arn: role for arn, role in earlier.items() if role.id in living})
                for moment, earlier in history
            ]
            history.append((self._clock() + self._delay, snapshot))
            self._forget_outdated(history)

    def find(self, partition: str, arn: str) -> KnownRole | None:
        """The role as the services know it by now."""
        with self._lock:
            history = self._history.get(partition, [])
            self._forget_outdated(history)
            return history[0][1].get(arn) if history and history[0][0] <= self._clock() else None

    def _forget_outdated(self, history: list[tuple[float, Snapshot]]) -> None:
        now = self._clock()
        while len(history) > 1 and history[1][0] <= now:
            del history[0]


def read_roles(backend: Any) -> Snapshot:
    """All roles of moto's IAM, with the texts of their policies in force."""
    return {role.arn: _read_role(backend, role) for role in list(backend.roles.values())}


def _read_role(backend: Any, role: Any) -> KnownRole:
    attached = (_text_in_force(policy) for policy in list(role.managed_policies.values()))
    boundary = None
    if role.permissions_boundary_arn:
        policy = backend.managed_policies.get(role.permissions_boundary_arn)
        boundary = _NOTHING if policy is None else _text_in_force(policy)
    policies = (*list(role.policies.values()), *attached)
    return KnownRole(role.arn, role.id, role.assume_role_policy_document, policies, boundary)


def _text_in_force(policy: Any) -> str:
    text: str = next(v.document for v in policy.versions if v.version_id == policy.default_version_id)
    return text


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> Policy:
    policy: Policy = json.loads(text)
    return policy
