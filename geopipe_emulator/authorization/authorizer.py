"""Decides whether a caller may make a call, and refuses it in AWS's words.

Only roles are held to their policies, and only when the settings ask for it. The user's own credentials, and our
services on their own behalf, may do everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..http.request import Request, Response
from ..protocol.errors import ServiceError
from ..service import RequestContext
from ..settings import Settings
from .actions import CallToAuthorize, RequiredPermission, required_permissions, required_s3_permissions
from .identity_policies import DenialReason, Grants, find_denial
from .policy_statements import Access, Policy
from .principals import RoleSession, find_role_session
from .resource_policies import is_allowed
from .roles import KnownRoles

# These services say AccessDenied; the others say AccessDeniedException.
_SHORT_CODE = frozenset({"s3", "sqs", "iam", "sts"})
_STATUS = {"sagemaker": 400, "logs": 400}


class Authorizer:
    """Decides about calls, and says for our services what a role may do."""

    def __init__(self, settings: Settings, known: KnownRoles) -> None:
        self.enforces = settings.iam == "enforce"
        self._account_id = settings.account_id
        self._known = known

    def check(
        self,
        request: Request,
        context: RequestContext,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        resource_policy: Policy | None = None,
    ) -> None:
        """Raise AWS's ServiceError unless the caller may make the call.

        Within an account, the policy of the resource can allow what the role's own policies do not mention.
        """
        session = self._session(context)
        if session is None:
            return
        call = CallToAuthorize(service, operation, parameters, context.partition, context.region, context.account_id)
        facts = self._facts(request, context, session)
        permissions = _s3_permissions(call, request) if service == "s3" else required_permissions(call)
        for permission in permissions:
            self._require(session, context.partition, service, permission, facts, resource_policy)

    def check_resource(
        self, request: Request, context: RequestContext, service: str, operation: str, resource: str
    ) -> None:
        """Raise AWS's ServiceError unless the caller may make a call whose resource only the service knows."""
        session = self._session(context)
        if session is not None:
            permission = RequiredPermission(f"{service}:{operation}", resource)
            self._require(session, context.partition, service, permission, self._facts(request, context, session))

    def missing(self, role_arn: str, permissions: Iterable[tuple[str, str]]) -> str:
        """The first of these (action, resource) that is denied to the role; "" when it may do all of them."""
        if not self.enforces:
            return ""
        facts = {"aws:principalarn": role_arn, "aws:principalaccount": self._account_id}
        grants = self._grants(role_arn.split(":")[1], RoleSession(role_arn, role_arn))
        for action, resource in permissions:
            if find_denial(grants, Access(action, resource, frozenset(), facts)) is not None:
                return action
        return ""

    def check_absence(self, request: Request, context: RequestContext, service: str, response: Response) -> None:
        """Raise AccessDenied instead of "no such key" to a caller who may not list the bucket, as S3 does."""
        if service != "s3" or response.status != 404 or request.method not in ("GET", "HEAD"):
            return
        session = self._session(context)
        bucket, key = request.bucket_and_key
        if session is not None and key:
            permission = RequiredPermission("s3:ListBucket", f"arn:{context.partition}:s3:::{bucket}")
            self._require(session, context.partition, service, permission, self._facts(request, context, session))

    def _session(self, context: RequestContext) -> RoleSession | None:
        return find_role_session(context) if self.enforces else None

    def _require(
        self,
        session: RoleSession,
        partition: str,
        service: str,
        permission: RequiredPermission,
        facts: Mapping[str, str],
        resource_policy: Policy | None = None,
    ) -> None:
        principals = frozenset({session.arn, session.role_arn})
        access = Access(permission.action, permission.resource, principals, {**facts, **permission.facts})
        grants = self._grants(partition, session)
        reason = find_denial(grants, access)
        if reason is DenialReason.NOT_ALLOWED and resource_policy and is_allowed(resource_policy, access):
            reason = find_denial(replace(grants, identity=None), access)
        if reason is not None:
            raise _access_denied(session, service, permission, reason)

    def _grants(self, partition: str, session: RoleSession) -> Grants:
        """What the role may do. A role that the services do not know yet, or that is gone, may do nothing."""
        role = self._known.find(partition, session.role_arn)
        return Grants() if role is None else role.grants(session.session_policy)

    def _facts(self, request: Request, context: RequestContext, session: RoleSession) -> dict[str, str]:
        """The condition keys of the call. Loopback never leaves the machine, so it counts as secure transport."""
        facts = {
            "aws:securetransport": "true",
            "aws:sourceip": str(request.environ.get("REMOTE_ADDR", "127.0.0.1")),
            "aws:useragent": request.header("User-Agent"),
            "aws:requestedregion": context.region,
            "aws:principalarn": session.role_arn,
            "aws:principalaccount": self._account_id,
            "aws:resourceaccount": self._account_id,
            "s3:resourceaccount": self._account_id,
        }
        return facts | {
            f"s3:{name}": request.query[name][0] for name in ("prefix", "delimiter") if name in request.query
        }


def _s3_permissions(call: CallToAuthorize, request: Request) -> list[RequiredPermission]:
    bucket, key = request.bucket_and_key
    version = request.query.get("versionId", [""])[0]
    return required_s3_permissions(call, bucket, key, version, request.header("x-amz-copy-source"))


def _access_denied(
    session: RoleSession, service: str, permission: RequiredPermission, reason: DenialReason
) -> ServiceError:
    # SQS spells actions in lower case here, and S3 puts the resource in quotes. Programs do read these texts.
    action = permission.action.lower() if service == "sqs" else permission.action
    resource = f'"{permission.resource}"' if service == "s3" else permission.resource
    explanation = reason.value.format(action=action)
    message = f"User: {session.arn} is not authorized to perform: {action} on resource: {resource} {explanation}"
    code = "AccessDenied" if service in _SHORT_CODE else "AccessDeniedException"
    return ServiceError(code, message, _STATUS.get(service, 403))
