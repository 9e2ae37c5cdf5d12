"""Who makes a call: the session or user that an access key belongs to, and the names that policies have for it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ..service import CallerIdentity, RequestContext, root_identity

# The access keys of sessions begin with this.
_TEMPORARY = "ASIA"


@dataclass(frozen=True)
class RoleSession:
    """A caller that has assumed a role."""

    arn: str
    """As error messages name it: arn:aws:sts::…:assumed-role/role/session."""
    role_arn: str
    session_policy: str = ""
    user_id: str = ""


def find_role_session(context: RequestContext) -> RoleSession | None:
    """The session of the role that calls; None for all other callers."""
    if not context.access_key_id.startswith(_TEMPORARY):
        return None
    from moto.sts.models import sts_backends

    sessions = sts_backends[context.account_id][context.partition]
    session = sessions.get_assumed_role_from_access_key(context.access_key_id)
    if session is None:
        return None
    return RoleSession(session.arn, session.role_arn, session.policy or "", session.user_id)


def principals_of(context: RequestContext) -> frozenset[str]:
    """All names of the caller. An anonymous caller has none."""
    if not context.access_key_id:
        return frozenset()
    names = {context.account_id, f"arn:{context.partition}:iam::{context.account_id}:root"}
    session = find_role_session(context)
    return frozenset(names | ({session.arn, session.role_arn} if session else set()))


@functools.lru_cache(maxsize=1000)
def _one_of(identity: CallerIdentity) -> CallerIdentity:
    """Return the same object for equal identities: each execution keeps one."""
    return identity


def identify(context: RequestContext) -> CallerIdentity:
    """The session, the IAM user whose access key it is, or the account's root for all other access keys."""
    session = find_role_session(context)
    if session is not None:
        return _one_of(CallerIdentity(session.arn, session.user_id))
    from moto.iam.models import iam_backends

    user = iam_backends[context.account_id][context.partition].get_user_from_access_key_id(context.access_key_id)
    return _one_of(root_identity(context) if user is None else CallerIdentity(user.arn, user.id))
