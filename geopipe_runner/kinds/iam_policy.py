"""Customer-managed IAM policies, attached to their roles. `role_policies` says what they allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..aws.error_codes import DELETE_CONFLICT, ClientError, error_code
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.parallel import in_background, in_parallel
from ..aws.retry import NOT_YET_KNOWN, STILL_ATTACHED
from ..deployment import Deployment
from ..errors import RefusedError
from .base import (
    Artifacts,
    Attributes,
    Change,
    Kind,
    Observed,
    Resource,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from .policy_documents import normalize, to_json
from .role_policies import lambda_policy, sagemaker_policy

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws

_STORED_VERSIONS = 5  # IAM refuses a sixth with LimitExceeded


@dataclass(frozen=True)
class PolicySpec:
    name: str
    arn: str
    path: str
    role: str
    """The name of the role it is attached to."""
    document: Mapping[str, Any]
    tags: Mapping[str, str]


class IamPolicy(Kind[PolicySpec]):
    """CreatePolicy, CreatePolicyVersion, AttachRolePolicy, TagPolicy."""

    name = "iam_policy"
    label = "IAM policy"
    changes_rights = True
    search_permission = "iam:ListPolicies"
    paint = "rights"
    shape = "inside"
    scope = "account"
    permissions = (
        "iam:CreatePolicy",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:ListPolicyVersions",
        "iam:CreatePolicyVersion",
        "iam:DeletePolicyVersion",
        "iam:ListEntitiesForPolicy",
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
        "iam:DetachUserPolicy",
        "iam:DetachGroupPolicy",
        "iam:TagPolicy",
        "iam:DeletePolicy",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        iam = deployment.config.iam
        if iam.lambda_role.managed and deployment.managed_functions:
            spec = self._spec(deployment, iam.lambda_role.name, lambda_policy(deployment))
            yield Resource(self, "lambda_policy", spec.name, "lambda_role", spec, ("lambda_role",))
        if iam.sagemaker_role.managed:
            spec = self._spec(deployment, iam.sagemaker_role.name, sagemaker_policy(deployment, artifacts.named))
            yield Resource(self, "sagemaker_policy", spec.name, "sagemaker_role", spec, ("sagemaker_role",))

    def _spec(self, deployment: Deployment, role: str, policy: Mapping[str, Any]) -> PolicySpec:
        # The name of a policy is unique in the account, on all paths together, so it includes the deployment.
        name = f"{role}-{deployment.config.deployment}"
        arn = deployment.account.iam_arn(f"policy{deployment.iam_path}{name}")
        return PolicySpec(name, arn, deployment.iam_path, role, policy, deployment.tags)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.iam_arn(f"policy{deployment.iam_path}")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = PolicySpec(name, arn, deployment.iam_path, "", {}, deployment.tags)
        return Resource(self, f"left-behind-policy-{name}", name, "sagemaker_role", spec)

    def search(self, aws: Aws, path: str) -> Iterator[str]:
        pages = aws.client("iam").get_paginator("list_policies")
        for page in pages.paginate(PathPrefix=path, Scope="Local"):
            yield from (policy["Arn"] for policy in page["Policies"])

    def arn(self, account: Account, resource: Resource) -> str:
        return str(resource.spec.arn)

    def console_page(self, account: Account, resource: Resource) -> str:
        return f"iam/home?region={account.region}#/policies/details/{quote(resource.spec.arn, safe='')}"

    def desired(self, spec: PolicySpec) -> Attributes:
        return {"document": normalize(spec.document), "attached_to": spec.role, "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: PolicySpec) -> Observed | None:
        iam = aws.client("iam")
        response = none_if_not_found(lambda: iam.get_policy(PolicyArn=spec.arn))
        if response is None:
            return None
        policy = response["Policy"]
        version = {"PolicyArn": spec.arn, "VersionId": policy["DefaultVersionId"]}
        reads: dict[str, Callable[[], Any]] = {
            "version": lambda: iam.get_policy_version(**version),
            "attached": lambda: _attached(iam, spec.arn),
        }
        results = in_parallel(reads)
        tags = tag_map(policy.get("Tags", []))
        attributes = {
            "document": normalize(results["version"]["PolicyVersion"]["Document"]),
            "attached_to": spec.role if spec.role in results["attached"]["Role"] else None,
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(spec.arn, attributes, tags)

    def create(self, aws: Aws, spec: PolicySpec) -> str:
        iam = aws.client("iam")
        try:
            response = iam.create_policy(
                PolicyName=spec.name, Path=spec.path, PolicyDocument=to_json(spec.document), Tags=tag_list(spec.tags)
            )
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
            raise RefusedError(
                f"a policy {spec.name} exists under another path than {spec.path}, "
                "so it does not belong to this deployment",
                "Choose another name for the role: its policy is named after it.",
            ) from None
        self._attach(aws, spec)
        return str(response["Policy"]["Arn"])

    def _attach(self, aws: Aws, spec: PolicySpec) -> None:
        iam = aws.client("iam")
        aws.retrier.call(NOT_YET_KNOWN, lambda: iam.attach_role_policy(RoleName=spec.role, PolicyArn=spec.arn))

    def update(self, aws: Aws, spec: PolicySpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        iam = aws.client("iam")
        if touches(changes, "document"):
            _write(iam, spec)
        if touches(changes, "attached_to"):
            self._attach(aws, spec)
        if touches(changes, "tags"):
            iam.tag_policy(PolicyArn=spec.arn, Tags=tag_list(spec.tags))

    def delete(self, aws: Aws, spec: PolicySpec, observed: Observed) -> None:
        """Detach the policy from its role and delete it. What else keeps it goes first, if DeletePolicy says so."""
        iam = aws.client("iam")

        def remove() -> None:
            iam.delete_policy(PolicyArn=spec.arn)

        def strip_and_remove() -> None:
            reading = in_background(lambda: _older_versions(iam, spec.arn))
            _detach_everywhere(iam, spec.arn)
            for version in reading.result():
                _delete_version(iam, spec.arn, version["VersionId"])
            aws.retrier.call(STILL_ATTACHED, remove)

        if spec.role:
            ignore_not_found(lambda: iam.detach_role_policy(RoleName=spec.role, PolicyArn=spec.arn))
        try:
            ignore_not_found(remove)
        except ClientError as error:
            if error_code(error) not in DELETE_CONFLICT:
                raise
            ignore_not_found(strip_and_remove)


def _attached(iam: Any, arn: str) -> dict[str, list[str]]:
    """Returns the names that the policy is attached to, by type. Its uses as a permissions boundary do not count."""
    pages = list(
        iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")
    )
    return {
        entity: [entry[f"{entity}Name"] for page in pages for entry in page.get(f"Policy{entity}s", [])]
        for entity in ("Role", "User", "Group")
    }


def _detach_everywhere(iam: Any, arn: str) -> None:
    """Detach the policy from everything, since people may have attached it elsewhere too."""
    attached = _attached(iam, arn)
    for name in attached["Role"]:
        ignore_not_found(lambda name=name: iam.detach_role_policy(RoleName=name, PolicyArn=arn))  # type: ignore[misc]
    for name in attached["User"]:
        ignore_not_found(lambda name=name: iam.detach_user_policy(UserName=name, PolicyArn=arn))  # type: ignore[misc]
    for name in attached["Group"]:
        ignore_not_found(lambda name=name: iam.detach_group_policy(GroupName=name, PolicyArn=arn))  # type: ignore[misc]


def _older_versions(iam: Any, arn: str) -> list[dict[str, Any]]:
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    return sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])


def _write(iam: Any, spec: PolicySpec) -> None:
    """Write a new version as the default."""

    def write() -> None:
        _make_room(iam, spec.arn)
        iam.create_policy_version(PolicyArn=spec.arn, PolicyDocument=to_json(spec.document), SetAsDefault=True)

    try:
        write()
    except ClientError as error:
        if error_code(error) != "LimitExceeded":
            raise
        write()  # a response was lost, and botocore's repeated call found no room for one more version


def _make_room(iam: Any, arn: str) -> None:
    older = _older_versions(iam, arn)
    if len(older) >= _STORED_VERSIONS - 1:
        _delete_version(iam, arn, older[0]["VersionId"])


def _delete_version(iam: Any, arn: str, version: str) -> None:
    ignore_not_found(lambda: iam.delete_policy_version(PolicyArn=arn, VersionId=version))
