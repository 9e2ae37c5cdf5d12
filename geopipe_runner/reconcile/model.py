"""A plan is data: each resource as AWS has it, as it should be, and the action in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..kinds.base import Change, Observed, Resource


class Action(StrEnum):
    """What a plan does with one resource."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    """An update that also marks a resource as adopted."""
    KEEP = "keep"
    USE = "use"
    """Others make it: it is read and checked, and stays as it is."""
    REFUSE = "refuse"
    ORPHAN = "orphan"
    """Ours, but no longer in the configuration. Shown, and deleted only on request."""
    DELETE = "delete"
    ABSENT = "absent"
    """Cleanup only: the resource does not exist."""


@dataclass(frozen=True)
class PlannedChange:
    """The part of a plan for one resource. `reason` says why it is refused or kept."""

    resource: Resource
    action: Action
    observed: Observed | None = None
    changes: tuple[Change, ...] = ()
    reason: str = ""
    is_foreign: bool = False
    """Whether it is refused because it belongs to others, so that it could be adopted."""

    @property
    def key(self) -> str:
        return self.resource.key

    @property
    def writes(self) -> bool:
        """Whether applying it makes a call that changes something."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.DELETE)


@dataclass(frozen=True)
class Plan:
    """The changes of all resources, each after those that it depends on."""

    steps: tuple[PlannedChange, ...]

    def __iter__(self) -> Iterator[PlannedChange]:
        return iter(self.steps)

    def having(self, *actions: Action) -> tuple[PlannedChange, ...]:
        """Returns the changes with one of `actions`."""
        return tuple(step for step in self.steps if step.action in actions)

    def step(self, key: str) -> PlannedChange | None:
        """Returns the change of the resource with that key."""
        return next((step for step in self.steps if step.key == key), None)

    @property
    def writes(self) -> bool:
        """Whether anything would change."""
        return any(step.writes for step in self.steps)
