"""Executions as text, for the commands that show one rather than follow it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ... import events
from .messages import clock


def execution_lines(event: events.ExecutionShown) -> Iterator[str]:
    """Yields an execution, its steps, and why it failed."""
    view = event.view
    yield f"Execution {view.arn}"
    yield f"Run {view.run_id or '(not started by geopipe)'}, {view.status}" + (
        f", started {clock(view.started.isoformat())}" if view.started else ""
    )
    width = max((len(step.name) for step in view.steps), default=0)
    for step in view.steps:
        duration = ""
        if step.started is not None:
            duration = f"{((step.ended or datetime.now(UTC)) - step.started).total_seconds():.1f} s"
        yield f"  {step.name:<{width}}  {step.kind:<9} {step.status:<10} {duration}"
    yield from event.explanation
    if event.failure:
        yield event.failure.advice


def callback_lines(event: events.CallbackWaiting) -> Iterator[str]:
    """Yields a callback that waits, and what was done about it."""
    yield f"Execution {event.execution_arn}"
    since = clock(event.since.isoformat()) if event.since else ""
    done = f"answered with {event.answered}" if event.answered else "not answered; --fail REASON or --succeed does that"
    yield f"  {event.step} has waited since {since}; {event.job_state}; {done}"
