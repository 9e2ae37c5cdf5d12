"""Corrections of moto's IAM and STS where they are laxer: names, documents, conflicts, and who may assume a role."""

from __future__ import annotations

import functools
import json
import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from ...authorization.identity_policies import find_denial
from ...authorization.policy_statements import Access
from ...authorization.principals import identify, principals_of
from ...authorization.resource_policies import is_allowed
from ...authorization.roles import KnownRole, KnownRoles, read_role
from ...gateway.call_log import is_mutating
from ...http.request import Response
from ...protocol.errors import ServiceError
from ...protocol.request_metadata import claimed_parameters

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward

Parameters = dict[str, Any]

_TRUST = re.compile(rb"<AssumeRolePolicyDocument>.*?</AssumeRolePolicyDocument>", re.DOTALL)
_CALLER = re.compile(rb"<Arn>.*?</Arn>")
_CALLER_ID = re.compile(rb"<UserId>.*?</UserId>")

# moto's texts of NoSuchEntity, and what AWS says instead. The name in the first group is put in.
_NOT_FOUND = (
    (re.compile(rb"Role ([\w+=,.@-]+) not found"), rb"The role with name \1 cannot be found."),
    (re.compile(rb"User ([\w+=,.@-]+) not found"), rb"The user with name \1 cannot be found."),
    (re.compile(rb"Instance profile ([\w+=,.@-]+) not found"), rb"Instance Profile \1 cannot be found."),
    (
        re.compile(rb"Policy Document ([\w+=,.@-]+) not attached to role [\w+=,.@-]+"),
        rb"The role policy with name \1 cannot be found.",
    ),
)


def _members(parameters: Parameters, name: str) -> list[str]:
    """The values of a list in a form."""
    found = [key for key in parameters if re.fullmatch(rf"{name}\.member\.\d+", key)]
    return [str(parameters[key]) for key in sorted(found, key=lambda key: int(key.rpartition(".")[2]))]


def _evaluation(role: KnownRole, access: Access) -> str:
    """One result of the simulator, as XML. It has no matched statements and no missing context values."""
    denial = find_denial(role.grants(), access)
    decision = "allowed" if denial is None else "explicitDeny" if "explicit" in denial.value else "implicitDeny"
    return (
        f"<member><EvalActionName>{escape(access.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(access.resource)}</EvalResourceName><EvalDecision>{decision}</EvalDecision>"
        "<MatchedStatements/><MissingContextValues/></member>"
    )


class IamPatch:
    """The corrections of IAM."""

    service = "iam"

    def __init__(self, known: KnownRoles) -> None:
        self._known = known
        self._policy_arns: dict[str, str] = {}
        """The account's own managed policies, by partition and name in lower case."""

    def handle(self, call: Call, forward: Forward) -> Response:
        """Check what moto does not, forward the call, and note what it changes for the other services."""
        parameters = claimed_parameters(call.request)
        backend = _iam(call)
        for name in ("PolicyArn", "PermissionsBoundary"):
            _supply_managed_policy(backend, parameters.get(name, ""))
        match call.operation:
            case "CreateRole":
                self._check_new_role(call, parameters)
            case "CreatePolicy":
                self._check_new_policy(call, backend, parameters.get("PolicyName", ""))
            case "DeletePolicy":
                self._check_deletable(call, backend, parameters.get("PolicyArn", ""))
            case "RemoveRoleFromInstanceProfile":
                _check_in_profile(backend, parameters)
            case "SimulatePrincipalPolicy":
                return self._simulate(call, parameters)
            case "GetRole" if call.is_internal:
                return self._describe_known(call, forward, parameters.get("RoleName", ""))
        response = forward(call)
        if response.status == 404:
            return _with_text_of_aws(response)
        if response.status < 300 and is_mutating(call.service, call.operation):
            self._note_change(call, backend, parameters)
        return response

    def stop(self) -> None:
        """Nothing waits here."""

    def restore(self, account_id: str) -> None:
        """Note all roles and policies of moto, which were just restored. The other services know them."""
        from moto.iam.models import iam_backends

        for partition, backend in iam_backends[account_id].items():
            for role in backend.roles.values():
                self._known.note(partition, role.name, functools.partial(read_role, backend, role))
            for arn, policy in backend.managed_policies.items():
                if ":iam::aws:policy/" not in arn:
                    self._policy_arns[_policy_key(partition, policy.name)] = arn

    def _note_change(self, call: Call, backend: Any, parameters: Parameters) -> None:
        """Note the roles that the call concerns: the one that it names, or those that use the policy that it names."""
        partition = call.context.partition
        if call.operation == "CreatePolicy":
            name, path = parameters.get("PolicyName", ""), parameters.get("Path") or "/"
            arn = f"arn:{partition}:iam::{call.context.account_id}:policy{path}{name}"
            self._policy_arns[_policy_key(partition, name)] = arn
        users = self._known.users_of(partition, parameters.get("PolicyArn", ""))
        names = {parameters.get("RoleName", "")} - {""} or {_name_in(role.arn) for role in users}
        if "ServiceLinkedRole" in call.operation:
            # The name of the new role is in the response only.
            names |= {role.name for role in list(backend.roles.values())} | set(self._known.names(partition))
        for name in names:
            known = self._known.latest(partition, name)
            self._known.note(partition, name, functools.partial(_read_role, backend, name, known))

    def _simulate(self, call: Call, parameters: Parameters) -> Response:
        """Evaluate a role's policies and boundary for each action on each resource. Users have no policies here."""
        arn = parameters.get("PolicySourceArn", "")
        role = self._known.find(call.context.partition, arn)
        if role is None:
            raise ServiceError("NoSuchEntity", f"The role with name {arn.rpartition('/')[2]} cannot be found.", 404)
        entries = [name for name in parameters if re.fullmatch(r"ContextEntries\.member\.\d+\.ContextKeyName", name)]
        values = {name: f"{name.removesuffix('ContextKeyName')}ContextKeyValues.member.1" for name in entries}
        facts = {str(parameters[name]).lower(): str(parameters.get(value, "")) for name, value in values.items()}
        facts |= {"aws:principalarn": arn, "aws:principalaccount": call.context.account_id}
        results = "".join(
            _evaluation(role, Access(action, resource, frozenset({arn}), facts))
            for action in _members(parameters, "ActionNames")
            for resource in _members(parameters, "ResourceArns") or ["*"]
        )
        text = (
            '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            f"<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{results}"
            "</EvaluationResults></SimulatePrincipalPolicyResult>"
            f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
        )
        return Response(200, [("Content-Type", "text/xml")], text.encode())

    def _check_new_role(self, call: Call, parameters: Parameters) -> None:
        from moto.core.exceptions import ServiceException
        from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

        name = parameters.get("RoleName", "")
        if self._known.latest(call.context.partition, name) is not None:
            raise ServiceError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        try:
            IAMTrustPolicyDocumentValidator(parameters.get("AssumeRolePolicyDocument", "")).validate()
        except ServiceException as refusal:
            raise ServiceError("MalformedPolicyDocument", refusal.message, 400) from refusal
        except RecursionError as refusal:
            message = "The policy document is nested too deeply."
            raise ServiceError("MalformedPolicyDocument", message, 400) from refusal

    def _check_new_policy(self, call: Call, backend: Any, name: str) -> None:
        """Refuse the name of another policy of the account, whose path and case may differ. AWS's own do not count."""
        if self._policy_arns.get(_policy_key(call.context.partition, name)) in backend.managed_policies:
            message = f"A policy called {name} already exists. Duplicate names are not allowed."
            raise ServiceError("EntityAlreadyExists", message, 409)

    def _check_deletable(self, call: Call, backend: Any, arn: str) -> None:
        policy = backend.managed_policies.get(arn)
        if policy is None:
            return
        # moto's own count of attachments is wrong after a policy was attached twice.
        roles = self._known.users_of(call.context.partition, arn)
        others = (entity for group in (backend.users, backend.groups) for entity in group.values())
        if any(arn in role.attached for role in roles) or any(arn in entity.managed_policies for entity in others):
            raise ServiceError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
        if len(policy.versions) > 1:
            message = (
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
            raise ServiceError("DeleteConflict", message, 409)

    def _describe_known(self, call: Call, forward: Forward, name: str) -> Response:
        """Describe a role to our services as they know it by now."""
        latest = self._known.latest(call.context.partition, name)
        role = self._known.find(call.context.partition, latest.arn) if latest else None
        if role is None:
            raise ServiceError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        response = forward(call)
        trust = f"<AssumeRolePolicyDocument>{quote(role.trust, safe='')}</AssumeRolePolicyDocument>"
        return response.with_content(_TRUST.sub(lambda _: trust.encode(), response.content()))


class StsPatch:
    """The corrections of STS."""

    service = "sts"

    def __init__(self, known: KnownRoles) -> None:
        self._known = known

    def handle(self, call: Call, forward: Forward) -> Response:
        """Forward the call. Raises AWS's AccessDenied for a role that does not trust the caller, or is not known."""
        if call.operation == "AssumeRole":
            parameters = claimed_parameters(call.request)
            arn = parameters.get("RoleArn", "")
            if not self._may_assume(call, arn, parameters.get("ExternalId", "")):
                caller = identify(call.context).arn
                message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
                raise ServiceError("AccessDenied", message, 403)
        response = forward(call)
        return _with_identity(call, response) if call.operation == "GetCallerIdentity" else response

    def _may_assume(self, call: Call, arn: str, external_id: str) -> bool:
        context = call.context
        role = self._known.find(context.partition, arn)
        if role is None:
            return False
        if call.is_internal:
            # One of our services on its own behalf. It has judged the trust policy with its own principal.
            return True
        facts = {"aws:principalaccount": context.account_id} | ({"sts:externalid": external_id} if external_id else {})
        return is_allowed(role.trust_policy, Access("sts:AssumeRole", arn, principals_of(context), facts))

    def stop(self) -> None:
        """Nothing waits here."""


def _read_role(backend: Any, name: str, known: KnownRole | None) -> KnownRole | None:
    """The role as moto has it now. Searching moto's roles by name is left to a role that is new."""
    role = backend.roles.get(known.id) if known else None
    if role is None:
        newest = reversed(list(backend.roles.values()))
        role = next((role for role in newest if role.name.lower() == name.lower()), None)
    return None if role is None else read_role(backend, role)


def _with_text_of_aws(response: Response) -> Response:
    content = response.content()
    for pattern, text in _NOT_FOUND:
        content = pattern.sub(text, content)
    return response.with_content(content)


def _with_identity(call: Call, response: Response) -> Response:
    """Name the caller as error messages do. moto has a user of its own for access keys that it does not know."""
    caller = identify(call.context)
    content = _CALLER.sub(lambda _: f"<Arn>{caller.arn}</Arn>".encode(), response.content())
    return response.with_content(_CALLER_ID.sub(lambda _: f"<UserId>{caller.user_id}</UserId>".encode(), content))


def _check_in_profile(backend: Any, parameters: Parameters) -> None:
    """Refuse to take out a role that is not in the profile, over which moto fails."""
    name, role_name = parameters.get("InstanceProfileName", ""), parameters.get("RoleName", "")
    profile = next((profile for profile in backend.instance_profiles.values() if profile.name == name), None)
    if profile is not None and all(role.name != role_name for role in profile.roles):
        raise ServiceError("NoSuchEntity", f"The role {role_name} is not in the instance profile {name}.", 404)


def _supply_managed_policy(backend: Any, arn: str) -> None:
    """Add one of AWS's own policies when it is first named. Loading all of them would take a second."""
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


def _policy_key(partition: str, name: str) -> str:
    return f"{partition}/{name.lower()}"


def _name_in(arn: str) -> str:
    return arn.rpartition("/")[2]


def _iam(call: Call) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[call.context.account_id][call.context.partition]
