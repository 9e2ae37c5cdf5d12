"""The clean-up in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..reconcile.model import Action, Step
from . import events

_INDENT = " " * 8


def planned(event: events.CleanupPlanned) -> Iterator[str]:
    """What is kept, and why; what is deleted is told when it is gone."""
    if all(step.action is Action.ABSENT for step in event.plan):
        yield f"{_INDENT}There is nothing to delete."
    for step in event.plan.having(Action.KEEP):
        if step.reason:
            yield f"{_INDENT}Keeping {_name(step)}: {step.reason}."


def deleted(event: events.Deleted) -> Iterator[str]:
    """One resource; of what was kept nothing more is said."""
    step = event.outcome.step
    if event.outcome.error is not None:
        yield f"{_INDENT}Failed to delete {_name(step)}."
    elif step.action is Action.DELETE:
        yield f"{_INDENT}Deleted {_name(step)}."


def remaining(event: events.Complete) -> Iterator[str]:
    """What still exists."""
    if event.remaining:
        yield f"{_INDENT}Still there:"
        yield from (f"{_INDENT}  {_name(step)}" for step in event.remaining)


def _name(step: Step) -> str:
    return f"{step.resource.kind.label} {step.resource.name}"
