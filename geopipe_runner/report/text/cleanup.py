"""The cleanup as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...reconcile.model import Action, Plan, PlannedChange

if TYPE_CHECKING:  # it brings botocore along, which `validate` does not need
    from ...reconcile.apply import ChangeResult

_INDENT = " " * 8


def kept_lines(plan: Plan) -> Iterator[str]:
    """Yields what is kept, and why. What is deleted is reported when it is gone."""
    if all(change.action is Action.ABSENT or change.resource.is_used for change in plan):
        yield f"{_INDENT}There is nothing to delete."
    for change in plan.having(Action.KEEP):
        if change.reason:
            yield f"{_INDENT}Keeping {_label(change)}: {change.reason}."


def deletion_lines(result: ChangeResult) -> Iterator[str]:
    """Yields what became of one resource; nothing for one that was kept."""
    if result.error is not None:
        yield f"{_INDENT}Failed to delete {_label(result.step)}."
    elif result.step.action is Action.DELETE:
        yield f"{_INDENT}Deleted {_label(result.step)}."


def remaining_lines(remaining: tuple[PlannedChange, ...]) -> Iterator[str]:
    """Yields the resources that still exist."""
    if remaining:
        yield f"{_INDENT}Still there:"
        yield from (f"{_INDENT}  {_label(change)}" for change in remaining)


def _label(change: PlannedChange) -> str:
    return f"{change.resource.kind.label} {change.resource.name}"
