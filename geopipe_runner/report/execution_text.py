"""Executions as text, for the commands that show one rather than follow it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..pipeline.execution import StepView
from . import events
from .wording import clock


def shown(event: events.ExecutionShown) -> Iterator[str]:
    """An execution and its steps, and why it failed."""
    view = event.view
    yield f"Execution {view.arn}"
    yield f"Run {view.run_id or '(none of ours)'}, {view.status}" + (
        f", started {_at(view.started)}" if view.started else ""
    )
    width = max((len(step.name) for step in view.steps), default=0)
    for step in view.steps:
        yield f"  {step.name:<{width}}  {step.kind:<9} {step.status:<10} {_lasted(step)}"
    yield from event.explanation
    if event.failure:
        yield event.failure.advice


def waiting(event: events.CallbackWaiting) -> Iterator[str]:
    """A callback that waits, and what was done about it."""
    yield f"Execution {event.execution_arn}"
    done = f"answered with {event.answered}" if event.answered else "not answered; --fail REASON or --succeed does that"
    yield f"  {event.step} has waited since {_at(event.since)}; {event.job_state}; {done}"


def _at(time: datetime | None) -> str:
    return clock(time.isoformat()) if time else ""


def _lasted(step: StepView) -> str:
    if step.started is None:
        return ""
    return f"{((step.ended or datetime.now(UTC)) - step.started).total_seconds():.1f} s"
