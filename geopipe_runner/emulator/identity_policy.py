"""May a role do this? Its own policies allow it, and whatever limits them does too. Pure.

A Deny anywhere wins; a permissions boundary and a session's policy can only take away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .policy_statements import Access, Policy, covers, statements_of


@dataclass(frozen=True)
class Grants:
    """Everything that says what a caller may do."""

    identity: tuple[Policy, ...] = ()
    """The role's inline and attached policies."""
    boundary: Policy | None = None
    session: Policy | None = None
    """Given along when the role was assumed."""


class Refusal(Enum):
    """Why not, in the words of AWS's error messages; `{action}` is filled in."""

    DENIED = "with an explicit deny in an identity-based policy"
    DENIED_BY_BOUNDARY = "with an explicit deny in a permissions boundary"
    DENIED_BY_SESSION = "with an explicit deny in a session policy"
    NOT_ALLOWED = "because no identity-based policy allows the {action} action"
    NOT_IN_BOUNDARY = "because no permissions boundary allows the {action} action"
    NOT_IN_SESSION = "because no session policy allows the {action} action"


def refusal(grants: Grants, access: Access) -> Refusal | None:
    """None: it may. A role without any policy may do nothing."""
    limits = (
        (grants.identity, Refusal.DENIED, Refusal.NOT_ALLOWED),
        (_one(grants.boundary), Refusal.DENIED_BY_BOUNDARY, Refusal.NOT_IN_BOUNDARY),
        (_one(grants.session), Refusal.DENIED_BY_SESSION, Refusal.NOT_IN_SESSION),
    )
    for policies, denied, _ in limits:
        if _says("Deny", policies or (), access):
            return denied
    for policies, _, missing in limits:
        if policies is not None and not _says("Allow", policies, access):
            return missing
    return None


def _says(effect: str, policies: Iterable[Policy], access: Access) -> bool:
    return any(s.get("Effect") == effect and covers(s, access) for policy in policies for s in statements_of(policy))


def _one(policy: Policy | None) -> tuple[Policy, ...] | None:
    return None if policy is None else (policy,)
