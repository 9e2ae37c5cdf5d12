"""Planning: observes every resource in parallel, with reads only, and compares.

A resource is ours if it has our deployment's tag. Any other resource of the same name is foreign and is never changed
or deleted, unless it is adopted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..aws.error_codes import ClientError, is_denied
from ..aws.parallel import in_parallel
from ..deployment import ADOPTED_TAG, OWNER_TAG
from ..kinds.base import Observed, Resource
from .blueprint import Blueprint
from .model import Action, Plan, PlannedChange

if TYPE_CHECKING:
    from ..aws.clients import Aws

Seen = Mapping[str, Observed | None]


def observe(aws: Aws, resources: tuple[Resource, ...]) -> Seen:
    """Returns each resource as AWS has it, by key. A call that is not a read is an error."""
    with aws.read_only():
        return in_parallel({r.key: partial(_observe, aws, r) for r in resources})


def _observe(aws: Aws, resource: Resource) -> Observed | None:
    """Read a resource. A caller may not be allowed to read what others have made, and still use it."""
    try:
        return resource.kind.observe(aws, resource.spec)
    except ClientError as error:
        if resource.is_used and is_denied(error):
            return Observed(resource.name, {}, {}, is_readable=False)
        raise


def plan(blueprint: Blueprint, seen: Seen, adopt: Collection[str] = ()) -> Plan:
    """Returns the plan that makes AWS match the blueprint. Foreign resources named in `adopt` are adopted. Pure."""
    owner = blueprint.deployment.config.deployment
    return Plan(tuple(_step(resource, seen, owner, adopt) for resource in blueprint.resources))


def plan_cleanup(blueprint: Blueprint, seen: Seen, groups: Collection[str]) -> Plan:
    """Returns the plan that deletes our resources of `groups`, except those that a kept resource needs. Pure."""
    owner = blueprint.deployment.config.deployment
    deletable = tuple(_plan_deletion(resource, seen, owner, groups) for resource in blueprint.resources)
    return Plan(tuple(_keep_dependencies(deletable)))


def owner_of(key: str, seen: Seen) -> str | None:
    """Returns the deployment of a resource, by its own tag or by that of the resource through which it is owned."""
    observed = seen.get(key)
    if observed is None or observed.owner is not None:
        return observed.owner if observed else None
    owned_by = seen.get(observed.owned_by)
    return owned_by.owner if owned_by and not owned_by.adopted else None


def _step(resource: Resource, seen: Seen, owner: str, adopt: Collection[str]) -> PlannedChange:
    observed = seen[resource.key]
    obstacle = next(resource.kind.obstacles(resource.spec, seen), "")
    if resource.is_used:
        return _use(resource, observed, obstacle)
    if observed is not None and resource.may_be_others and owner_of(resource.key, seen) != owner:
        return PlannedChange(resource, Action.USE, observed)
    if obstacle:
        return PlannedChange(resource, Action.REFUSE, observed, reason=obstacle)
    if observed is None:
        return PlannedChange(resource, Action.CREATE)
    if owner_of(resource.key, seen) == owner:
        changes = resource.kind.compare(resource.spec, observed)
        return PlannedChange(resource, Action.UPDATE if changes else Action.KEEP, observed, changes)
    if resource.key in adopt:
        marked = replace(resource, spec=replace(resource.spec, tags={**resource.spec.tags, ADOPTED_TAG: "true"}))
        return PlannedChange(marked, Action.ADOPT, observed, marked.kind.compare(marked.spec, observed))
    return PlannedChange(resource, Action.REFUSE, observed, reason=_whose(observed), is_foreign=True)


def _use(resource: Resource, observed: Observed | None, obstacle: str) -> PlannedChange:
    if observed is None:
        who = f"{resource.named_by}, and " if resource.named_by else ""
        return PlannedChange(resource, Action.REFUSE, reason=f"{who}it does not exist")
    if obstacle:
        return PlannedChange(resource, Action.REFUSE, observed, reason=obstacle)
    unread = "" if observed.is_readable else "not checked: these credentials may not read it"
    return PlannedChange(resource, Action.USE, observed, reason=unread)


def _plan_deletion(resource: Resource, seen: Seen, owner: str, groups: Collection[str]) -> PlannedChange:
    observed = seen[resource.key]
    if observed is None:
        return PlannedChange(resource, Action.ABSENT)
    if resource.is_used:
        return PlannedChange(resource, Action.KEEP, observed, reason="it is only used")
    if owner_of(resource.key, seen) != owner:
        return PlannedChange(resource, Action.KEEP, observed, reason=_whose(observed))
    if observed.adopted:
        return PlannedChange(resource, Action.KEEP, observed, reason="it was adopted")
    if not set(resource.groups) & set(groups):
        return PlannedChange(resource, Action.KEEP, observed)  # the user's choice needs no reason
    return PlannedChange(resource, Action.DELETE, observed)


def _keep_dependencies(steps: tuple[PlannedChange, ...]) -> list[PlannedChange]:
    """Keep everything that a kept resource depends on."""
    by_key = {step.key: step for step in steps}
    kept: set[str] = set()
    for step in reversed(steps):
        now = by_key[step.key]
        if now.action is not Action.KEEP or (now.reason and step.key not in kept):
            continue
        for need in step.resource.dependencies:
            if by_key[need].action is Action.DELETE:
                reason = f"{step.resource.kind.label} {step.resource.name} is kept and needs it"
                for key in _together(by_key[need], by_key):
                    by_key[key] = replace(by_key[key], action=Action.KEEP, reason=reason)
                    kept.add(key)
    return [by_key[step.key] for step in steps]


def _together(step: PlannedChange, by_key: Mapping[str, PlannedChange]) -> list[str]:
    """Returns the keys that are deleted or kept together: a role without its policy is of no use."""
    group = step.resource.group
    return [key for key, other in by_key.items() if other.action is Action.DELETE and other.resource.group == group]


def _whose(observed: Observed) -> str:
    if observed.owner is None:
        return f"it has no tag {OWNER_TAG}, so it may belong to someone else"
    return f"it belongs to the deployment {observed.owner}"
