"""A plan is data: what is there, what should be, and the action that makes one into the other."""

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
    """Take over what was there before us: an update that marks it."""
    KEEP = "keep"
    REFUSE = "refuse"
    ORPHAN = "orphan"
    """Ours, but no longer in the configuration: shown, and deleted only when that is asked for."""
    DELETE = "delete"
    ABSENT = "absent"
    """Cleanup only: there is nothing to delete."""


@dataclass(frozen=True)
class Step:
    """One resource's part of a plan. `reason` says why it is refused or kept."""

    resource: Resource
    action: Action
    observed: Observed | None = None
    changes: tuple[Change, ...] = ()
    reason: str = ""

    @property
    def key(self) -> str:
        return self.resource.key

    @property
    def writes(self) -> bool:
        """Whether carrying this out makes a call that changes something."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.DELETE)


@dataclass(frozen=True)
class Plan:
    """Every resource's step, in an order in which each comes after what it needs."""

    steps: tuple[Step, ...]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def having(self, *actions: Action) -> tuple[Step, ...]:
        """The steps with one of `actions`."""
        return tuple(step for step in self.steps if step.action in actions)

    def step(self, key: str) -> Step | None:
        """The step of the resource with that key."""
        return next((step for step in self.steps if step.key == key), None)

    @property
    def writes(self) -> bool:
        """Whether anything would change."""
        return any(step.writes for step in self.steps)
