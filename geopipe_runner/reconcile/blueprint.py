"""What should exist: the configuration as resources, each after those that it depends on.

Pure: everything that has to be built (the zip, the definition) comes in as `Artifacts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..deployment import Deployment
from ..kinds.base import NOTHING_BUILT, Artifacts, Observed, Resource
from ..kinds.registry import KINDS
from .graph import ordered


@dataclass(frozen=True)
class Blueprint:
    """A deployment, what was built for it, and all its resources."""

    deployment: Deployment
    artifacts: Artifacts
    resources: tuple[Resource, ...]


def with_observed_roles(blueprint: Blueprint, seen: Mapping[str, Observed | None]) -> Blueprint:
    """Returns the blueprint with the ARNs that managed roles really have: an adopted role keeps its own path."""
    roles = {resource.name: seen[resource.key] for resource in blueprint.resources if _is_our_role(resource)}
    arns = {name: role.identity for name, role in roles.items() if role}
    ids = {name: role.unique_id if role else "" for name, role in roles.items()}
    return build_blueprint(replace(blueprint.deployment, role_arns=arns, role_ids=ids), blueprint.artifacts)


def _is_our_role(resource: Resource) -> bool:
    return resource.kind.is_role and not resource.is_used


def build_blueprint(deployment: Deployment, artifacts: Artifacts = NOTHING_BUILT) -> Blueprint:
    """Ask every kind for its resources."""
    resources = (resource for kind in KINDS for resource in kind.resources(deployment, artifacts))
    return Blueprint(deployment, artifacts, ordered(resources))
