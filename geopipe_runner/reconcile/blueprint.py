"""What should be: the configuration turned into resources, in an order in which each comes after what it needs.

Pure: everything that has to be built (the zip, the definition) comes in as `Artifacts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kinds import KINDS
from ..kinds.base import Deployment, Resource
from .graph import ordered


@dataclass(frozen=True)
class Blueprint:
    """A deployment and all its resources."""

    deployment: Deployment
    resources: tuple[Resource, ...]


def draw(deployment: Deployment) -> Blueprint:
    """Ask every kind for its resources."""
    return Blueprint(deployment, ordered(resource for kind in KINDS for resource in kind.resources(deployment)))
