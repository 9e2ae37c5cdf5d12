"""Orphans: resources that are ours by tag or path, but no longer in the blueprint.

The Resource Groups Tagging API finds them. It does not know IAM, so kinds of IAM search by path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import is_denied
from ..aws.parallel import in_parallel
from ..deployment import IAM_ROOT, OWNER_TAG
from ..kinds.base import Kind, Observed, Resource, tag_map
from ..kinds.registry import KINDS
from .blueprint import Blueprint
from .model import Action, Plan, PlannedChange

if TYPE_CHECKING:
    from ..aws.clients import Aws

LEFT_BEHIND = "left behind by an earlier configuration"

_TAGS = "tag:GetResources"

Search = Callable[[], tuple[tuple[str, str], ...]]
"""Returns ARNs, each with the deployment that its tag names; "" where no tag was read."""


class NotAllowedToSearchError(Exception):
    """The caller may not search, so orphans stay unknown. `operation` was denied."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


def search(aws: Aws, blueprint: Blueprint, *, may_share: bool = False) -> frozenset[str]:
    """Returns the ARNs of everything that is ours. Reads only. Raises NotAllowedToSearchError.

    With `may_share`, many deployments of a command search the account once.
    """
    owner, path = blueprint.deployment.config.deployment, blueprint.deployment.iam_path
    is_shared = may_share and aws.serves_many
    searches: dict[str, Search] = {_TAGS: partial(_tagged, aws, "" if is_shared else owner)}
    searches |= {
        kind.search_permission: partial(_below, aws, kind, IAM_ROOT if is_shared else path)
        for kind in KINDS
        if kind.search_permission
    }
    with aws.read_only():
        if is_shared:
            begun = {name: aws.once(name, search_one) for name, search_one in searches.items()}
            found = {name: _allowed(name, result.result) for name, result in begun.items()}
        else:
            found = in_parallel({name: partial(_allowed, name, search_one) for name, search_one in searches.items()})
    tagged = {arn for arn, its_owner in found.pop(_TAGS) if its_owner == owner}
    return frozenset(tagged.union(arn for below in found.values() for arn, _ in below if path in arn))


def find(
    aws: Aws, blueprint: Blueprint, seen: Mapping[str, Observed | None], arns: frozenset[str]
) -> tuple[PlannedChange, ...]:
    """Returns a change for each of `arns` that exists and is not a resource of the blueprint."""
    known = {name.lower() for observed in seen.values() if observed for name in (observed.identity, observed.arn)}
    resources = {r.key: r for arn in sorted(arns) if arn.lower() not in known for r in _resources(blueprint, arn)}
    with aws.read_only():
        existing = in_parallel({key: partial(r.kind.observe, aws, r.spec) for key, r in resources.items()})
    steps = [
        PlannedChange(resources[key], Action.ORPHAN, observed, reason=LEFT_BEHIND)
        for key, observed in existing.items()
        if observed
    ]
    return tuple(_in_line([step for step in steps if step.observed and not step.observed.adopted]))


def deletable(steps: tuple[PlannedChange, ...]) -> Plan:
    """Returns the plan that deletes orphans, those first that may depend on others."""
    return Plan(tuple(replace(step, action=Action.DELETE) for step in steps))


def _resources(blueprint: Blueprint, arn: str) -> Iterator[Resource]:
    for kind in KINDS:
        resource = kind.orphan_from_arn(blueprint.deployment, arn)
        if resource is not None:
            yield resource


def _in_line(steps: list[PlannedChange]) -> Iterator[PlannedChange]:
    """Chain orphans in the order of the kinds, since their dependencies are not known any more."""
    before: tuple[str, ...] = ()
    for step in sorted(steps, key=lambda step: KINDS.index(step.resource.kind)):
        yield replace(step, resource=replace(step.resource, creation_dependencies=before))
        before = (step.key,)


def _allowed(name: str, find_them: Search) -> tuple[tuple[str, str], ...]:
    try:
        return find_them()
    except Exception as error:
        if is_denied(error):
            raise NotAllowedToSearchError(name) from None
        raise


def _below(aws: Aws, kind: Kind[Any], path: str) -> tuple[tuple[str, str], ...]:
    """Returns everything of a kind below `path`."""
    return tuple((arn, "") for arn in kind.search(aws, path))


def _tagged(aws: Aws, owner: str) -> tuple[tuple[str, str], ...]:
    """Returns what carries the tag of `owner`; with "", that of any deployment."""
    values = {"Values": [owner]} if owner else {}
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources")
    return tuple(
        (entry["ResourceARN"], tag_map(entry["Tags"]).get(OWNER_TAG, ""))
        for page in pages.paginate(TagFilters=[{"Key": OWNER_TAG, **values}])
        for entry in page["ResourceTagMappingList"]
    )
