"""Decides what a role may do: its own policies must allow it, and so must every limit on them. Pure.

A Deny anywhere wins. A permissions boundary and a session's policy can only take permissions away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .policy_statements import Access, Policy, covers, statements_of


@dataclass(frozen=True)
class Grants:
    """Everything that says what a caller may do."""

    identity: tuple[Policy, ...] | None = ()
    """The role's inline and attached policies; None where the policy of the resource allows the access."""
    boundary: Policy | None = None
    session: Policy | None = None
    """The policy that AssumeRole was called with."""


class DenialReason(Enum):
    """Why an access is denied, in the words of AWS's error messages. `{action}` is filled in."""

    DENIED = "with an explicit deny in an identity-based policy"
    DENIED_BY_BOUNDARY = "with an explicit deny in a permissions boundary"
    DENIED_BY_SESSION = "with an explicit deny in a session policy"
    NOT_ALLOWED = "because no identity-based policy allows the {action} action"
    NOT_IN_BOUNDARY = "because no permissions boundary allows the {action} action"
    NOT_IN_SESSION = "because no session policy allows the {action} action"


def find_denial(grants: Grants, access: Access) -> DenialReason | None:
    """Why the access is denied; None when it is allowed. A role without any policy may do nothing."""
    limits = (
        (grants.identity, DenialReason.DENIED, DenialReason.NOT_ALLOWED),
        (_one(grants.boundary), DenialReason.DENIED_BY_BOUNDARY, DenialReason.NOT_IN_BOUNDARY),
        (_one(grants.session), DenialReason.DENIED_BY_SESSION, DenialReason.NOT_IN_SESSION),
    )
    for policies, denied, _ in limits:
        if _contains("Deny", policies or (), access):
            return denied
    for policies, _, missing in limits:
        if policies is not None and not _contains("Allow", policies, access):
            return missing
    return None


def _contains(effect: str, policies: Iterable[Policy], access: Access) -> bool:
    return any(s.get("Effect") == effect and covers(s, access) for policy in policies for s in statements_of(policy))


def _one(policy: Policy | None) -> tuple[Policy, ...] | None:
    return None if policy is None else (policy,)
