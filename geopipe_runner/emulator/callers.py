"""Who makes a call: the session that an access key belongs to, and all names a policy may call the caller by."""

from __future__ import annotations

from dataclasses import dataclass

from .service import RequestContext

_TEMPORARY = "ASIA"
"""What the access keys of sessions begin with."""


@dataclass(frozen=True)
class Actor:
    """A role in somebody's hands."""

    arn: str
    """As error messages name it: arn:aws:sts::…:assumed-role/role/session."""
    role_arn: str
    session_policy: str = ""


def actor_of(context: RequestContext) -> Actor | None:
    """The role that asks; None for everybody else."""
    if not context.access_key_id.startswith(_TEMPORARY):
        return None
    from moto.sts.models import sts_backends

    sessions = sts_backends[context.account_id][context.partition]
    session = sessions.get_assumed_role_from_access_key(context.access_key_id)
    return None if session is None else Actor(session.arn, session.role_arn, session.policy or "")


def principals_of(context: RequestContext) -> frozenset[str]:
    """None at all for an anonymous caller."""
    if not context.access_key_id:
        return frozenset()
    names = {context.account_id, f"arn:{context.partition}:iam::{context.account_id}:root"}
    actor = actor_of(context)
    return frozenset(names | ({actor.arn, actor.role_arn} if actor else set()))
