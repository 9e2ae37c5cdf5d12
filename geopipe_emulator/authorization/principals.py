"""Who makes a call: the session that an access key belongs to, and the names that a policy may call the caller by."""

from __future__ import annotations

from dataclasses import dataclass

from ..service import RequestContext

# The access keys of sessions begin with this.
_TEMPORARY = "ASIA"


@dataclass(frozen=True)
class RoleSession:
    """A caller that has assumed a role."""

    arn: str
    """As error messages name it: arn:aws:sts::…:assumed-role/role/session."""
    role_arn: str
    session_policy: str = ""


def find_role_session(context: RequestContext) -> RoleSession | None:
    """The session of the role that calls; None for all other callers."""
    if not context.access_key_id.startswith(_TEMPORARY):
        return None
    from moto.sts.models import sts_backends

    sessions = sts_backends[context.account_id][context.partition]
    session = sessions.get_assumed_role_from_access_key(context.access_key_id)
    return None if session is None else RoleSession(session.arn, session.role_arn, session.policy or "")


def principals_of(context: RequestContext) -> frozenset[str]:
    """All names of the caller. An anonymous caller has none."""
    if not context.access_key_id:
        return frozenset()
    names = {context.account_id, f"arn:{context.partition}:iam::{context.account_id}:root"}
    session = find_role_session(context)
    return frozenset(names | ({session.arn, session.role_arn} if session else set()))
