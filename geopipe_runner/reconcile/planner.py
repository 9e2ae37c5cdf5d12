"""What would have to be done: observes every resource (reads only, at the same time) and compares.

Ours is what carries our deployment's tag. Anything else of the same name is somebody's: never changed or deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..kinds.base import OWNER_TAG, Observed, Resource
from .blueprint import Blueprint
from .graph import in_parallel
from .model import Action, Plan, Step

if TYPE_CHECKING:
    from ..aws.clients import Aws


def plan(aws: Aws, blueprint: Blueprint) -> Plan:
    """The plan that makes everything as the blueprint says."""
    seen = observe(aws, blueprint.resources)
    owner = blueprint.deployment.config.deployment
    return Plan(tuple(_step(resource, seen[resource.key], owner) for resource in blueprint.resources))


def plan_cleanup(blueprint: Blueprint, seen: Mapping[str, Observed | None], groups: Collection[str]) -> Plan:
    """The plan that deletes the resources of `groups` that are ours and that nothing kept needs. Pure."""
    owner = blueprint.deployment.config.deployment
    doomed = tuple(_doom(resource, seen[resource.key], owner, groups) for resource in blueprint.resources)
    return Plan(tuple(_spare_needed(doomed)))


def observe(aws: Aws, resources: tuple[Resource, ...]) -> Mapping[str, Observed | None]:
    """What is there of each resource, by key. Any call that is not a read is an error."""
    with aws.read_only():
        return in_parallel({r.key: partial(r.kind.observe, aws, r.spec) for r in resources})


def _step(resource: Resource, seen: Observed | None, owner: str) -> Step:
    if seen is None:
        return Step(resource, Action.CREATE)
    if seen.owner != owner:
        return Step(resource, Action.REFUSE, seen, reason=_whose(seen))
    changes = resource.kind.compare(resource.spec, seen)
    return Step(resource, Action.UPDATE if changes else Action.KEEP, seen, changes)


def _doom(resource: Resource, seen: Observed | None, owner: str, groups: Collection[str]) -> Step:
    if seen is None:
        return Step(resource, Action.ABSENT)
    if seen.owner != owner:
        return Step(resource, Action.KEEP, seen, reason=_whose(seen))
    if resource.group not in groups:
        return Step(resource, Action.KEEP, seen)  # by choice, which needs no reason
    return Step(resource, Action.DELETE, seen)


def _spare_needed(steps: tuple[Step, ...]) -> list[Step]:
    """Steps that would pull the floor from under something kept become kept themselves."""
    by_key = {step.key: step for step in steps}
    for step in reversed(steps):
        if by_key[step.key].action is not Action.KEEP:
            continue
        for need in step.resource.needs:
            if by_key[need].action is Action.DELETE:
                reason = f"{step.resource.kind.label} {step.resource.name} is kept and needs it"
                by_key[need] = Step(by_key[need].resource, Action.KEEP, by_key[need].observed, reason=reason)
    return [by_key[step.key] for step in steps]


def _whose(seen: Observed) -> str:
    if seen.owner is None:
        return f"it exists and is not ours: it has no tag {OWNER_TAG}"
    return f"it belongs to the deployment {seen.owner}"
