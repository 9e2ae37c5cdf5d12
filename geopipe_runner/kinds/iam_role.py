"""IAM roles: the function's and the pipeline's, trusted by exactly the services the specification names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.retry import CONCURRENT_CHANGE, STILL_ATTACHED
from ..config.model import CleanupItem, RoleConfig
from .base import (
    Attributes,
    Change,
    Deployment,
    Kind,
    Observed,
    Resource,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from .policy_documents import document, normalise, to_json

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class RoleSpec:
    name: str
    path: str
    description: str
    trust: Mapping[str, Any]
    permissions_boundary: str | None
    tags: Mapping[str, str]


class IamRole(Kind[RoleSpec]):
    """CreateRole, UpdateAssumeRolePolicy, UpdateRoleDescription, Put/DeleteRolePermissionsBoundary, TagRole."""

    name = "iam_role"
    label = "IAM role"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        iam = deployment.config.iam
        yield from self._resource(deployment, "lambda_role", iam.lambda_role, ["lambda.amazonaws.com"])
        services = ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
        yield from self._resource(deployment, "sagemaker_role", iam.sagemaker_role, services)

    def _resource(
        self, deployment: Deployment, key: CleanupItem, role: RoleConfig, services: list[str]
    ) -> Iterator[Resource]:
        if not role.managed:
            return
        spec = RoleSpec(
            name=role.name,
            path=deployment.iam_path,
            description=f"Used by the geopipe deployment {deployment.config.deployment}",
            trust=document({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": services}}),
            permissions_boundary=deployment.config.iam.permissions_boundary,
            tags=deployment.tags,
        )
        yield Resource(self, key, role.name, key, spec)

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.iam_arn(f"role{deployment.iam_path}")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = RoleSpec(name, deployment.iam_path, "", {}, None, deployment.tags)
        return Resource(self, f"left-behind-role-{name}", name, "sagemaker_role", spec)

    def desired(self, spec: RoleSpec) -> Attributes:
        return {
            "trust_policy": normalise(spec.trust),
            "description": spec.description,
            "permissions_boundary": spec.permissions_boundary,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: RoleSpec) -> Observed | None:
        answer = none_if_gone(lambda: aws.client("iam").get_role(RoleName=spec.name))
        if answer is None:
            return None
        role = answer["Role"]
        tags = tag_map(role.get("Tags", []))
        attributes = {
            "trust_policy": normalise(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description", ""),
            "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(role["Arn"], attributes, tags)

    def create(self, aws: Aws, spec: RoleSpec) -> str:
        boundary = {"PermissionsBoundary": spec.permissions_boundary} if spec.permissions_boundary else {}
        answer = aws.client("iam").create_role(
            RoleName=spec.name,
            Path=spec.path,
            Description=spec.description,
            AssumeRolePolicyDocument=to_json(spec.trust),
            Tags=tag_list(spec.tags),
            **boundary,
        )
        return str(answer["Role"]["Arn"])

    def update(self, aws: Aws, spec: RoleSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        iam = aws.client("iam")
        if touches(changes, "trust_policy"):
            trust = to_json(spec.trust)
            aws.retrier.call(
                CONCURRENT_CHANGE,
                lambda: iam.update_assume_role_policy(RoleName=spec.name, PolicyDocument=trust),
            )
        if touches(changes, "description"):
            iam.update_role(RoleName=spec.name, Description=spec.description)
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
        """DeleteRole refuses while anything hangs on the role, also what others have put there since."""
        iam = aws.client("iam")

        def remove() -> None:
            aws.retrier.call(CONCURRENT_CHANGE, lambda: iam.delete_role(RoleName=spec.name))

        ignore_gone(lambda: _strip(iam, spec.name))
        ignore_gone(lambda: aws.retrier.call(STILL_ATTACHED, remove))


def _strip(iam: Any, role: str) -> None:
    """What is gone when its turn comes is no reason to leave the rest."""
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            ignore_gone(partial(iam.detach_role_policy, RoleName=role, PolicyArn=policy["PolicyArn"]))
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            ignore_gone(partial(iam.delete_role_policy, RoleName=role, PolicyName=name))
    for page in iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=role):
        for profile in page["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            ignore_gone(partial(iam.remove_role_from_instance_profile, RoleName=role, InstanceProfileName=name))
