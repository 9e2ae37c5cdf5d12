"""What should be: the configuration turned into resources, in an order in which each comes after what it needs.

Pure: everything that has to be built (the zip, the definition) comes in as `Artifacts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..kinds import KINDS
from ..kinds.base import Deployment, Observed, Resource
from .graph import ordered


@dataclass(frozen=True)
class Blueprint:
    """A deployment and all its resources."""

    deployment: Deployment
    resources: tuple[Resource, ...]


def settled(blueprint: Blueprint, seen: Mapping[str, Observed | None]) -> Blueprint:
    """The same, with the ARNs that managed roles really have: one that was adopted keeps its own path."""
    found = {
        resource.name: seen_role.identity
        for resource in blueprint.resources
        if resource.kind.name == "iam_role" and (seen_role := seen[resource.key])
    }
    return draw(replace(blueprint.deployment, found_roles=found))


def draw(deployment: Deployment) -> Blueprint:
    """Ask every kind for its resources."""
    return Blueprint(deployment, ordered(resource for kind in KINDS for resource in kind.resources(deployment)))
