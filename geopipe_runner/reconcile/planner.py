"""What would have to be done: observes every resource (reads only, at the same time) and compares.

Ours is what carries our deployment's tag. Anything else of the same name is somebody's: never changed or deleted,
unless it is adopted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..aws.parallel import in_parallel
from ..kinds.base import ADOPTED_TAG, OWNER_TAG, Observed, Resource
from .blueprint import Blueprint
from .model import Action, Plan, Step

if TYPE_CHECKING:
    from ..aws.clients import Aws

Seen = Mapping[str, Observed | None]


def observe(aws: Aws, resources: tuple[Resource, ...]) -> Seen:
    """What is there of each resource, by key. Any call that is not a read is an error."""
    with aws.read_only():
        return in_parallel({r.key: partial(r.kind.observe, aws, r.spec) for r in resources})


def plan(blueprint: Blueprint, seen: Seen, adopt: Collection[str] = ()) -> Plan:
    """The plan that makes everything as the blueprint says; what `adopt` names is taken over. Pure."""
    owner = blueprint.deployment.config.deployment
    return Plan(tuple(_step(resource, seen, owner, adopt) for resource in blueprint.resources))


def plan_cleanup(blueprint: Blueprint, seen: Seen, groups: Collection[str]) -> Plan:
    """The plan that deletes the resources of `groups` that are ours and that nothing kept needs. Pure."""
    owner = blueprint.deployment.config.deployment
    doomed = tuple(_doom(resource, seen, owner, groups) for resource in blueprint.resources)
    return Plan(tuple(_spare_needed(doomed)))


def owner_of(key: str, seen: Seen) -> str | None:
    """The deployment a resource belongs to: by its own tag, or by that of what it belongs to."""
    found = seen.get(key)
    if found is None or found.owner is not None:
        return found.owner if found else None
    through = seen.get(found.through)
    return through.owner if through and not through.adopted else None


def _step(resource: Resource, seen: Seen, owner: str, adopt: Collection[str]) -> Step:
    found = seen[resource.key]
    if found is None:
        return Step(resource, Action.CREATE)
    if owner_of(resource.key, seen) == owner:
        changes = resource.kind.compare(resource.spec, found)
        return Step(resource, Action.UPDATE if changes else Action.KEEP, found, changes)
    if resource.key in adopt:
        marked = replace(resource, spec=replace(resource.spec, tags={**resource.spec.tags, ADOPTED_TAG: "true"}))
        return Step(marked, Action.ADOPT, found, marked.kind.compare(marked.spec, found))
    return Step(resource, Action.REFUSE, found, reason=_whose(found))


def _doom(resource: Resource, seen: Seen, owner: str, groups: Collection[str]) -> Step:
    found = seen[resource.key]
    if found is None:
        return Step(resource, Action.ABSENT)
    if owner_of(resource.key, seen) != owner:
        return Step(resource, Action.KEEP, found, reason=_whose(found))
    if found.adopted:
        return Step(resource, Action.KEEP, found, reason="it was adopted")
    if not set(resource.groups) & set(groups):
        return Step(resource, Action.KEEP, found)  # by choice, which needs no reason
    return Step(resource, Action.DELETE, found)


def _spare_needed(steps: tuple[Step, ...]) -> list[Step]:
    """What is kept by choice, or spared for that, keeps what it needs."""
    by_key = {step.key: step for step in steps}
    spared: set[str] = set()
    for step in reversed(steps):
        now = by_key[step.key]
        if now.action is not Action.KEEP or (now.reason and step.key not in spared):
            continue
        for need in step.resource.rests_on:
            if by_key[need].action is Action.DELETE:
                reason = f"{step.resource.kind.label} {step.resource.name} is kept and needs it"
                for key in _together(by_key[need], by_key):
                    by_key[key] = replace(by_key[key], action=Action.KEEP, reason=reason)
                    spared.add(key)
    return [by_key[step.key] for step in steps]


def _together(step: Step, by_key: Mapping[str, Step]) -> list[str]:
    """What goes with a step, goes or stays with it: a role without its policy is no use."""
    group = step.resource.group
    return [key for key, other in by_key.items() if other.action is Action.DELETE and other.resource.group == group]


def _whose(found: Observed) -> str:
    if found.owner is None:
        return f"it exists and is not ours: it has no tag {OWNER_TAG}"
    return f"it belongs to the deployment {found.owner}"
