"""Whether a caller may make a call: who a role's credentials belong to, what its policies say, how AWS refuses.

Only roles are judged, and only when the settings ask for it: the user's own credentials, and our services acting for
themselves, may do everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .callers import Actor, actor_of
from .errors import ServiceError
from .iam_actions import Asked, Need, needs, object_needs
from .identity_policy import Grants, Refusal, refusal
from .known_roles import KnownRoles
from .policy_statements import Access
from .service import RequestContext
from .settings import Settings
from .web import Request, Response

_SHORT_CODE = frozenset({"s3", "sqs", "iam", "sts"})
"""Services that say AccessDenied; the others say AccessDeniedException."""
_STATUS = {"sagemaker": 400, "logs": 400}


class Authoriser:
    """Judges calls, and answers services that ask what a role may do."""

    def __init__(self, settings: Settings, known: KnownRoles) -> None:
        self.enforces = settings.iam == "enforce"
        self._account_id = settings.account_id
        self._known = known

    def check(
        self, request: Request, context: RequestContext, service: str, operation: str, parameters: Mapping[str, Any]
    ) -> None:
        """Raise AWS's refusal unless the caller may."""
        actor = self._actor(context)
        if actor is None:
            return
        asked = Asked(service, operation, parameters, context.partition, context.region, context.account_id)
        facts = self._facts(request, context, actor)
        for need in _object_needs(asked, request) if service == "s3" else needs(asked):
            self._require(actor, context.partition, service, need, facts)

    def check_resource(
        self, request: Request, context: RequestContext, service: str, operation: str, resource: str
    ) -> None:
        """The same, for a call whose resource only the service knows."""
        actor = self._actor(context)
        if actor is not None:
            need = Need(f"{service}:{operation}", resource)
            self._require(actor, context.partition, service, need, self._facts(request, context, actor))

    def missing(self, role_arn: str, asked: Iterable[tuple[str, str]]) -> str:
        """The first of these (action, resource) that the role may not; "" when it may do all, or nobody enforces."""
        if not self.enforces:
            return ""
        facts = {"aws:principalarn": role_arn, "aws:principalaccount": self._account_id}
        grants = self._grants(role_arn.split(":")[1], Actor(role_arn, role_arn))
        for action, resource in asked:
            if refusal(grants, Access(action, resource, frozenset(), facts)) is not None:
                return action
        return ""

    def check_absence(self, request: Request, context: RequestContext, service: str, response: Response) -> None:
        """To a caller who may not list the bucket, S3 says that access is denied, not that there is no such key."""
        if service != "s3" or response.status != 404 or request.method not in ("GET", "HEAD"):
            return
        actor = self._actor(context)
        bucket, key = request.bucket_and_key
        if actor is not None and key:
            need = Need("s3:ListBucket", f"arn:{context.partition}:s3:::{bucket}")
            self._require(actor, context.partition, service, need, self._facts(request, context, actor))

    def _actor(self, context: RequestContext) -> Actor | None:
        return actor_of(context) if self.enforces else None

    def _require(self, actor: Actor, partition: str, service: str, need: Need, facts: Mapping[str, str]) -> None:
        access = Access(need.action, need.resource, frozenset(), {**facts, **need.facts})
        why = refusal(self._grants(partition, actor), access)
        if why is not None:
            raise _denied(actor, service, need, why)

    def _grants(self, partition: str, actor: Actor) -> Grants:
        """A role that IAM has not made known yet, or that is gone, may do nothing."""
        role = self._known.find(partition, actor.role_arn)
        return Grants() if role is None else role.grants(actor.session_policy)

    def _facts(self, request: Request, context: RequestContext, actor: Actor) -> dict[str, str]:
        """Loopback never leaves the machine, so it counts as secure transport."""
        facts = {
            "aws:securetransport": "true",
            "aws:sourceip": str(request.environ.get("REMOTE_ADDR", "127.0.0.1")),
            "aws:useragent": request.header("User-Agent"),
            "aws:requestedregion": context.region,
            "aws:principalarn": actor.role_arn,
            "aws:principalaccount": self._account_id,
            "aws:resourceaccount": self._account_id,
            "s3:resourceaccount": self._account_id,
        }
        return facts | {
            f"s3:{name}": request.query[name][0] for name in ("prefix", "delimiter") if name in request.query
        }


def _object_needs(asked: Asked, request: Request) -> list[Need]:
    bucket, key = request.bucket_and_key
    return object_needs(
        asked, bucket, key, request.query.get("versionId", [""])[0], request.header("x-amz-copy-source")
    )


def _denied(actor: Actor, service: str, need: Need, why: Refusal) -> ServiceError:
    # SQS spells actions in lower case here, and S3 puts the resource in quotes; programs do read these texts.
    action = need.action.lower() if service == "sqs" else need.action
    resource = f'"{need.resource}"' if service == "s3" else need.resource
    reason = why.value.format(action=action)
    message = f"User: {actor.arn} is not authorized to perform: {action} on resource: {resource} {reason}"
    code = "AccessDenied" if service in _SHORT_CODE else "AccessDeniedException"
    return ServiceError(code, message, _STATUS.get(service, 403))
