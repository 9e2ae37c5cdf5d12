"""Customer-managed IAM policies, attached to their roles; what they grant is in `grants`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.parallel import in_parallel
from ..aws.retry import NOT_YET_KNOWN, STILL_ATTACHED, AnswerError, error_code
from ..errors import RefusedError
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
from .grants import lambda_policy, sagemaker_policy
from .policy_documents import normalise, to_json

if TYPE_CHECKING:
    from ..aws.clients import Aws

_STORED_VERSIONS = 5  # IAM keeps no more; a sixth is refused with LimitExceeded


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

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        iam = deployment.config.iam
        if iam.lambda_role.managed:
            spec = self._spec(deployment, iam.lambda_role.name, lambda_policy(deployment))
            yield Resource(self, "lambda_policy", spec.name, "lambda_role", spec, ("lambda_role",))
        if iam.sagemaker_role.managed:
            spec = self._spec(deployment, iam.sagemaker_role.name, sagemaker_policy(deployment))
            yield Resource(self, "sagemaker_policy", spec.name, "sagemaker_role", spec, ("sagemaker_role",))

    def _spec(self, deployment: Deployment, role: str, policy: Mapping[str, Any]) -> PolicySpec:
        # A policy's name is unique in the account whatever its path, so it says whose it is.
        name = f"{role}-{deployment.config.deployment}"
        arn = deployment.account.iam_arn(f"policy{deployment.iam_path}{name}")
        return PolicySpec(name, arn, deployment.iam_path, role, policy, deployment.tags)

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.iam_arn(f"policy{deployment.iam_path}")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = PolicySpec(name, arn, deployment.iam_path, "", {}, deployment.tags)
        return Resource(self, f"left-behind-policy-{name}", name, "sagemaker_role", spec)

    def desired(self, spec: PolicySpec) -> Attributes:
        return {"document": normalise(spec.document), "attached_to": spec.role, "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: PolicySpec) -> Observed | None:
        iam = aws.client("iam")
        answer = none_if_gone(lambda: iam.get_policy(PolicyArn=spec.arn))
        if answer is None:
            return None
        policy = answer["Policy"]
        version = {"PolicyArn": spec.arn, "VersionId": policy["DefaultVersionId"]}
        reads: dict[str, Callable[[], Any]] = {
            "version": lambda: iam.get_policy_version(**version),
            "attached": lambda: _attached(iam, spec.arn),
        }
        found = in_parallel(reads)
        tags = tag_map(policy.get("Tags", []))
        attributes = {
            "document": normalise(found["version"]["PolicyVersion"]["Document"]),
            "attached_to": spec.role if spec.role in found["attached"]["Role"] else None,
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(spec.arn, attributes, tags)

    def create(self, aws: Aws, spec: PolicySpec) -> str:
        iam = aws.client("iam")
        try:
            answer = iam.create_policy(
                PolicyName=spec.name, Path=spec.path, PolicyDocument=to_json(spec.document), Tags=tag_list(spec.tags)
            )
        except AnswerError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
            raise RefusedError(
                f"a policy {spec.name} exists under another path than {spec.path} and is not ours",
                "Choose another name for the role: its policy is named after it.",
            ) from None
        self._attach(aws, spec)
        return str(answer["Policy"]["Arn"])

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
        """In the order IAM demands: detached everywhere, without older versions, then itself."""
        iam = aws.client("iam")
        ignore_gone(lambda: _detach_everywhere(iam, spec.arn))
        for version in none_if_gone(lambda: _older_versions(iam, spec.arn)) or []:
            _delete_version(iam, spec.arn, version["VersionId"])
        ignore_gone(lambda: aws.retrier.call(STILL_ATTACHED, lambda: iam.delete_policy(PolicyArn=spec.arn)))


def _attached(iam: Any, arn: str) -> dict[str, list[str]]:
    """Who has the policy: names by what they are. Those it only limits, as a boundary, do not count."""
    pages = list(
        iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")
    )
    return {
        entity: [found[f"{entity}Name"] for page in pages for found in page.get(f"Policy{entity}s", [])]
        for entity in ("Role", "User", "Group")
    }


def _detach_everywhere(iam: Any, arn: str) -> None:
    """People may have given it to others too."""
    attached = _attached(iam, arn)
    for name in attached["Role"]:
        ignore_gone(lambda name=name: iam.detach_role_policy(RoleName=name, PolicyArn=arn))  # type: ignore[misc]
    for name in attached["User"]:
        ignore_gone(lambda name=name: iam.detach_user_policy(UserName=name, PolicyArn=arn))  # type: ignore[misc]
    for name in attached["Group"]:
        ignore_gone(lambda name=name: iam.detach_group_policy(GroupName=name, PolicyArn=arn))  # type: ignore[misc]


def _older_versions(iam: Any, arn: str) -> list[dict[str, Any]]:
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    return sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])


def _write(iam: Any, spec: PolicySpec) -> None:
    """A new version, in force."""

    def write() -> None:
        _make_room(iam, spec.arn)
        iam.create_policy_version(PolicyArn=spec.arn, PolicyDocument=to_json(spec.document), SetAsDefault=True)

    try:
        write()
    except AnswerError as error:
        if error_code(error) != "LimitExceeded":
            raise
        write()  # an answer was lost, and when botocore asked again there was no room for one more


def _make_room(iam: Any, arn: str) -> None:
    older = _older_versions(iam, arn)
    if len(older) >= _STORED_VERSIONS - 1:
        _delete_version(iam, arn, older[0]["VersionId"])


def _delete_version(iam: Any, arn: str, version: str) -> None:
    ignore_gone(lambda: iam.delete_policy_version(PolicyArn=arn, VersionId=version))
