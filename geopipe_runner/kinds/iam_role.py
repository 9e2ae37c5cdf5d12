"""IAM roles: the function's and the pipeline's. They trust the services that the job needs, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import DELETE_CONFLICT, ClientError, error_code
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.retry import CONCURRENT_CHANGE, STILL_ATTACHED
from ..config.model import CleanupItem, Config, RoleConfig
from ..deployment import Deployment
from .base import (
    Artifacts,
    Attributes,
    Change,
    Kind,
    Observed,
    Resource,
    Section,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from .policy_documents import document, normalize, to_json

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws


_DEFAULT_DURATION = 3600


@dataclass(frozen=True)
class RoleSpec:
    name: str
    path: str
    description: str
    trust: Mapping[str, Any]
    permissions_boundary: str | None
    tags: Mapping[str, str]
    key: str = ""
    """The key of its resource; "" for an orphan."""
    used_arn: str = ""
    """Its ARN as the configuration gives it, if the role is only used."""
    services: tuple[str, ...] = ()
    """The services that have to be able to assume it."""


class IamRole(Kind[RoleSpec]):
    """CreateRole, UpdateAssumeRolePolicy, UpdateRoleDescription, Put/DeleteRolePermissionsBoundary, TagRole."""

    name = "iam_role"
    label = "IAM role"
    is_role = True
    changes_rights = True
    search_permission = "iam:ListRoles"
    paint = "rights"
    scope = "account"
    permissions = (
        "iam:CreateRole",
        "iam:GetRole",
        "iam:UpdateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:TagRole",
        "iam:DeleteRole",
        "iam:ListAttachedRolePolicies",
        "iam:DetachRolePolicy",
        "iam:ListRolePolicies",
        "iam:DeleteRolePolicy",
        "iam:ListInstanceProfilesForRole",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:PutRolePermissionsBoundary",
        "iam:DeleteRolePermissionsBoundary",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        iam = deployment.config.iam
        if deployment.managed_functions:
            yield from self._resource(deployment, "lambda_role", iam.lambda_role, ["lambda.amazonaws.com"])
        services = ["sagemaker.amazonaws.com", *deployment.rights.trusted_services]
        yield from self._resource(deployment, "sagemaker_role", iam.sagemaker_role, services)

    def _resource(
        self, deployment: Deployment, key: CleanupItem, role: RoleConfig, services: list[str]
    ) -> Iterator[Resource]:
        spec = RoleSpec(
            name=role.name,
            path=deployment.iam_path,
            description=f"Used by the geopipe deployment {deployment.config.deployment}",
            trust=document({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": services}}),
            permissions_boundary=deployment.config.iam.permissions_boundary,
            tags=deployment.tags,
            key=key,
            used_arn=role.arn or "",
            services=tuple(services),
        )
        yield Resource(self, key, role.name, key, spec, is_used=not role.managed)

    def obstacles(self, spec: RoleSpec, seen: Mapping[str, Observed | None]) -> Iterator[str]:
        observed = seen.get(spec.key)
        if not spec.used_arn or observed is None or not observed.is_readable:
            return
        if observed.identity != spec.used_arn:
            yield f"its ARN is {observed.identity}"
        statements = observed.attributes["trust_policy"].get("Statement", {}).values()
        for service in spec.services:
            if not any(_trusts(statement, service) for statement in statements):
                yield f"its trust policy does not let {service} assume it"

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.iam_arn(f"role{deployment.iam_path}")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = RoleSpec(name, deployment.iam_path, "", {}, None, deployment.tags)
        return Resource(self, f"left-behind-role-{name}", name, "sagemaker_role", spec)

    def search(self, aws: Aws, path: str) -> Iterator[str]:
        for page in aws.client("iam").get_paginator("list_roles").paginate(PathPrefix=path):
            yield from (role["Arn"] for role in page["Roles"])

    def sections(self, config: Config) -> Iterator[Section]:
        if config.every_function:
            yield Section("lambda_role", f"Checking for role named {config.iam.lambda_role.name}.", block=1)
        yield Section("sagemaker_role", f"Checking for role named {config.iam.sagemaker_role.name}.", block=1)

    def describe_deletion(self, resource: Resource) -> str:
        return f"Delete role {resource.name}"

    def arn(self, account: Account, resource: Resource) -> str:
        spec = resource.spec
        return spec.used_arn or account.iam_arn(f"role{spec.path}{spec.name}")

    def console_page(self, account: Account, resource: Resource) -> str:
        return f"iam/home?region={account.region}#/roles/details/{resource.name.rpartition('/')[2]}"

    def desired(self, spec: RoleSpec) -> Attributes:
        return {
            "trust_policy": normalize(spec.trust),
            "description": spec.description,
            "permissions_boundary": spec.permissions_boundary,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: RoleSpec) -> Observed | None:
        response = none_if_not_found(lambda: aws.client("iam").get_role(RoleName=spec.name))
        if response is None:
            return None
        role = response["Role"]
        tags = tag_map(role.get("Tags", []))
        attributes = {
            "trust_policy": normalize(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description", ""),
            "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(role["Arn"], attributes, tags, unique_id=role.get("RoleId", ""))

    def create(self, aws: Aws, spec: RoleSpec) -> str:
        boundary = {"PermissionsBoundary": spec.permissions_boundary} if spec.permissions_boundary else {}
        response = aws.client("iam").create_role(
            RoleName=spec.name,
            Path=spec.path,
            Description=spec.description,
            AssumeRolePolicyDocument=to_json(spec.trust),
            Tags=tag_list(spec.tags),
            **boundary,
        )
        return str(response["Role"]["Arn"])

    def update(self, aws: Aws, spec: RoleSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        iam = aws.client("iam")
        if touches(changes, "trust_policy"):
            trust = to_json(spec.trust)
            aws.retrier.call(
                CONCURRENT_CHANGE,
                lambda: iam.update_assume_role_policy(RoleName=spec.name, PolicyDocument=trust),
            )
        if touches(changes, "description"):
            # UpdateRole resets the duration of sessions when it is left out.
            duration = iam.get_role(RoleName=spec.name)["Role"].get("MaxSessionDuration", _DEFAULT_DURATION)
            iam.update_role(RoleName=spec.name, Description=spec.description, MaxSessionDuration=duration)
        if touches(changes, "permissions_boundary"):
            self._set_boundary(iam, spec)
        if touches(changes, "tags"):
            iam.tag_role(RoleName=spec.name, Tags=tag_list(spec.tags))

    def _set_boundary(self, iam: Any, spec: RoleSpec) -> None:
        if spec.permissions_boundary:
            iam.put_role_permissions_boundary(RoleName=spec.name, PermissionsBoundary=spec.permissions_boundary)
        else:
            iam.delete_role_permissions_boundary(RoleName=spec.name)

    def delete(self, aws: Aws, spec: RoleSpec, observed: Observed) -> None:
        """Delete the role. What is attached to it goes first, but only if DeleteRole says that there is something."""
        iam = aws.client("iam")

        def remove() -> None:
            aws.retrier.call(CONCURRENT_CHANGE, lambda: iam.delete_role(RoleName=spec.name))

        def strip_and_remove() -> None:
            _strip(iam, spec.name)
            aws.retrier.call(STILL_ATTACHED, remove)

        try:
            ignore_not_found(remove)
        except ClientError as error:
            if error_code(error) not in DELETE_CONFLICT:
                raise
            ignore_not_found(strip_and_remove)


def _trusts(statement: Mapping[str, Any], service: str) -> bool:
    """Whether a statement of a trust policy, in its normal form, may let a service assume the role."""
    principals = statement.get("Principal", {})
    return statement.get("Effect") == "Allow" and (
        service in principals.get("Service", []) or principals.get("AWS") == ["*"] or "NotPrincipal" in statement
    )


def _strip(iam: Any, role: str) -> None:
    """Detach and delete everything that keeps DeleteRole from working."""
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            ignore_not_found(partial(iam.detach_role_policy, RoleName=role, PolicyArn=policy["PolicyArn"]))
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            ignore_not_found(partial(iam.delete_role_policy, RoleName=role, PolicyName=name))
    for page in iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=role):
        for profile in page["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            ignore_not_found(partial(iam.remove_role_from_instance_profile, RoleName=role, InstanceProfileName=name))
