"""Decides what a resource policy says about an access: bucket policies and the trust policies of roles. Pure.

What a role's own policies say is decided in `identity_policies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .policy_statements import Access, Policy, Statement, as_list, covers, statements_of


def is_denied(policy: Policy, access: Access) -> bool:
    """Whether a statement denies the access. An explicit Deny wins over everything, for the bucket's owner too."""
    return any(s.get("Effect") == "Deny" and applies(s, access) for s in statements_of(policy))


def is_allowed(policy: Policy, access: Access) -> bool:
    """Whether a statement allows the access and none denies it."""
    return not is_denied(policy, access) and any(
        s.get("Effect") == "Allow" and applies(s, access) for s in statements_of(policy)
    )


def is_public(policy: Policy) -> bool:
    """Whether the policy allows something to everyone and no condition narrows it, as "block public policy" has it."""
    return any(
        s.get("Effect") == "Allow" and "*" in _aws_principals(s.get("Principal")) and not s.get("Condition")
        for s in statements_of(policy)
    )


def applies(statement: Statement, access: Access) -> bool:
    """Whether the statement is about this access by this caller."""
    return _principal_matches(statement, access.principals) and covers(statement, access)


def _principal_matches(statement: Statement, principals: frozenset[str]) -> bool:
    if "NotPrincipal" in statement:
        return not (_named_principals(statement["NotPrincipal"]) & (principals | {"*"}))
    return bool(_named_principals(statement.get("Principal")) & (principals | {"*"}))


def _named_principals(principal: Any) -> set[str]:
    """The accounts, roles and users, and also the AWS services."""
    services = principal.get("Service", []) if isinstance(principal, Mapping) else []
    return _aws_principals(principal) | set(as_list(services))


def _aws_principals(principal: Any) -> set[str]:
    if isinstance(principal, Mapping):
        return set(as_list(principal.get("AWS", [])))
    return set(as_list(principal or []))
