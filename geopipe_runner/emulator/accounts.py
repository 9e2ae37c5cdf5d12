"""IAM and STS as AWS answers them, where moto is laxer: names, documents, conflicts, and who may assume a role."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .callers import actor_of, principals_of
from .calls import is_mutating
from .claims import claimed_parameters
from .clients import INTERNAL_MARK
from .errors import ServiceError
from .known_roles import KnownRoles, read_roles
from .policy_statements import Access
from .resource_policy import is_allowed
from .web import Response

if TYPE_CHECKING:
    from .gateway import Call, Forward

Parameters = dict[str, Any]

_TRUST = re.compile(rb"<AssumeRolePolicyDocument>.*?</AssumeRolePolicyDocument>", re.DOTALL)


class Identities:
    """The amendment of IAM."""

    service = "iam"

    def __init__(self, known: KnownRoles) -> None:
        self._known = known

    def handle(self, call: Call, forward: Forward) -> Response:
        parameters = claimed_parameters(call.request)
        backend = _iam(call)
        for name in ("PolicyArn", "PermissionsBoundary"):
            _supply_managed_policy(backend, parameters.get(name, ""))
        match call.operation:
            case "CreateRole":
                _check_new_role(backend, parameters)
            case "CreatePolicy":
                _check_new_policy(call, backend, parameters.get("PolicyName", ""))
            case "DeletePolicy":
                _check_deletable(backend, backend.managed_policies.get(parameters.get("PolicyArn", "")))
            case "RemoveRoleFromInstanceProfile":
                _check_in_profile(backend, parameters)
            case "GetRole" if _is_ours(call):
                return self._describe_known(call, forward, backend.roles.values(), parameters.get("RoleName", ""))
        response = forward(call)
        if is_mutating(call.service, call.operation):
            self._known.note(call.context.partition, lambda: read_roles(backend))
        return response

    def _describe_known(self, call: Call, forward: Forward, roles: Iterable[Any], name: str) -> Response:
        """Our services are told of a role what has made itself known to them so far."""
        arn = next((role.arn for role in list(roles) if role.name == name), "")
        role = self._known.find(call.context.partition, arn)
        if role is None:
            raise ServiceError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        response = forward(call)
        trust = f"<AssumeRolePolicyDocument>{quote(role.trust, safe='')}</AssumeRolePolicyDocument>"
        return response.with_content(_TRUST.sub(lambda _: trust.encode(), response.content()))

    def stop(self) -> None:
        """Nothing waits here."""


class Sessions:
    """The amendment of STS."""

    service = "sts"

    def __init__(self, known: KnownRoles) -> None:
        self._known = known

    def handle(self, call: Call, forward: Forward) -> Response:
        if call.operation == "AssumeRole":
            parameters = claimed_parameters(call.request)
            arn = parameters.get("RoleArn", "")
            if not self._may_assume(call, arn, parameters.get("ExternalId", "")):
                actor = actor_of(call.context)
                caller = actor.arn if actor else f"arn:{call.context.partition}:iam::{call.context.account_id}:root"
                message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
                raise ServiceError("AccessDenied", message, 403)
        return forward(call)

    def _may_assume(self, call: Call, arn: str, external_id: str) -> bool:
        context = call.context
        role = self._known.find(context.partition, arn)
        if role is None:
            return False
        if _is_ours(call):
            # One of our services on its own behalf; it has judged the trust policy with its own principal.
            return True
        facts = {"aws:principalaccount": context.account_id} | ({"sts:externalid": external_id} if external_id else {})
        return is_allowed(role.trust_policy, Access("sts:AssumeRole", arn, principals_of(context), facts))

    def stop(self) -> None:
        """Nothing waits here."""


def _check_new_role(backend: Any, parameters: Parameters) -> None:
    from moto.core.exceptions import ServiceException
    from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

    name = parameters.get("RoleName", "")
    if any(role.name.lower() == name.lower() for role in backend.roles.values()):
        raise ServiceError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
    try:
        IAMTrustPolicyDocumentValidator(parameters.get("AssumeRolePolicyDocument", "")).validate()
    except ServiceException as refusal:
        raise ServiceError("MalformedPolicyDocument", refusal.message, 400) from refusal


def _check_new_policy(call: Call, backend: Any, name: str) -> None:
    """A policy's name is unique in the account, whatever its path and case; AWS's own policies do not count."""
    own = f"arn:{call.context.partition}:iam::{call.context.account_id}:policy/"
    arns = (arn for arn in backend.managed_policies if arn.startswith(own))
    if any(arn.rpartition("/")[2].lower() == name.lower() for arn in arns):
        message = f"A policy called {name} already exists. Duplicate names are not allowed."
        raise ServiceError("EntityAlreadyExists", message, 409)


def _check_deletable(backend: Any, policy: Any) -> None:
    if policy is None:
        return
    # moto counts an attachment again that is there already; AWS does not.
    entities = (entity for each in (backend.roles, backend.users, backend.groups) for entity in each.values())
    if any(policy.arn in entity.managed_policies for entity in entities):
        raise ServiceError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    if len(policy.versions) > 1:
        message = (
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )
        raise ServiceError("DeleteConflict", message, 409)


def _check_in_profile(backend: Any, parameters: Parameters) -> None:
    """moto fails over a role that is not, or no longer, in the profile."""
    profile, role = parameters.get("InstanceProfileName", ""), parameters.get("RoleName", "")
    found = next((each for each in backend.instance_profiles.values() if each.name == profile), None)
    if found is not None and all(each.name != role for each in found.roles):
        raise ServiceError("NoSuchEntity", f"The role {role} is not in the instance profile {profile}.", 404)


def _supply_managed_policy(backend: Any, arn: str) -> None:
    """AWS's own policies are there from the start on AWS; loading all of them costs a second, one costs little."""
    if ":iam::aws:policy/" not in arn or arn in backend.managed_policies:
        return
    from moto.iam.models import AWSManagedPolicy

    name = arn.rpartition("/")[2]
    described = _managed_policies().get(name)
    if described is None:
        return
    policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, described)
    if policy.arn == arn:
        backend.managed_policies[arn] = policy
        backend.aws_managed_policies.append(policy)


@functools.cache
def _managed_policies() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def _is_ours(call: Call) -> bool:
    return INTERNAL_MARK in call.request.header("User-Agent")


def _iam(call: Call) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[call.context.account_id][call.context.partition]
