"""What earlier configurations left behind: ours by tag or path, but no longer in the blueprint.

Found by the Resource Groups Tagging API, which knows no IAM; our roles and policies by their path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.failures import denied
from ..aws.parallel import in_parallel
from ..kinds import KINDS
from ..kinds.base import OWNER_TAG, Observed, Resource
from .blueprint import Blueprint
from .model import Action, Plan, Step

if TYPE_CHECKING:
    from ..aws.clients import Aws

LEFT_BEHIND = "left behind by an earlier configuration"


class NotAllowedToSearchError(Exception):
    """The caller may not search, so orphans stay unknown; `operation` is what was denied."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


def search(aws: Aws, blueprint: Blueprint) -> frozenset[str]:
    """The ARNs of everything that is ours. Reads only. Raises NotAllowedToSearchError."""
    deployment = blueprint.deployment
    searches = {
        "tag:GetResources": partial(_tagged, aws, deployment.config.deployment),
        "iam:ListRoles": partial(_in_path, aws, "list_roles", "Roles", deployment.iam_path),
        "iam:ListPolicies": partial(_in_path, aws, "list_policies", "Policies", deployment.iam_path, Scope="Local"),
    }
    with aws.read_only():
        found = in_parallel({name: partial(_allowed, name, look) for name, look in searches.items()})
    return frozenset().union(*found.values())


def find(aws: Aws, blueprint: Blueprint, seen: Mapping[str, Observed | None], arns: frozenset[str]) -> tuple[Step, ...]:
    """A step for each of `arns` that no resource of the blueprint stands for, and that is really there."""
    known = {name.lower() for found in seen.values() if found for name in (found.identity, found.arn)}
    resources = {r.key: r for arn in sorted(arns) if arn.lower() not in known for r in _resources(blueprint, arn)}
    with aws.read_only():
        there = in_parallel({key: partial(r.kind.observe, aws, r.spec) for key, r in resources.items()})
    steps = [Step(resources[key], Action.ORPHAN, found, reason=LEFT_BEHIND) for key, found in there.items() if found]
    return tuple(_in_line([step for step in steps if step.observed and not step.observed.adopted]))


def doomed(steps: tuple[Step, ...]) -> Plan:
    """The plan that deletes orphans, those first that may need others."""
    return Plan(tuple(replace(step, action=Action.DELETE) for step in steps))


def _resources(blueprint: Blueprint, arn: str) -> Iterator[Resource]:
    for kind in KINDS:
        resource = kind.left_behind(blueprint.deployment, arn)
        if resource is not None:
            yield resource


def _in_line(steps: list[Step]) -> Iterator[Step]:
    """One after the other in the order of the kinds: what an orphan once needed is not known any more."""
    order = {kind.name: number for number, kind in enumerate(KINDS)}
    before: tuple[str, ...] = ()
    for step in sorted(steps, key=lambda step: order[step.resource.kind.name]):
        yield replace(step, resource=replace(step.resource, needs=before))
        before = (step.key,)


def _allowed(name: str, find_them: Any) -> frozenset[str]:
    try:
        return frozenset(find_them())
    except Exception as error:
        if denied(error):
            raise NotAllowedToSearchError(name) from None
        raise


def _tagged(aws: Aws, deployment: str) -> Iterator[str]:
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources")
    for page in pages.paginate(TagFilters=[{"Key": OWNER_TAG, "Values": [deployment]}]):
        yield from (entry["ResourceARN"] for entry in page["ResourceTagMappingList"])


def _in_path(aws: Aws, operation: str, field: str, path: str, **more: str) -> Iterator[str]:
    for page in aws.client("iam").get_paginator(operation).paginate(PathPrefix=path, **more):
        yield from (entry["Arn"] for entry in page[field])
