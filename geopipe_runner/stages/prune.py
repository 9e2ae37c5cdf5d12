"""Deleting the orphans of earlier configurations, only by option or after asking."""

from __future__ import annotations

from ..aws.errors import reason
from ..context import Context
from ..errors import AwsError
from ..events import Deleted
from ..reconcile import orphans
from ..reconcile.apply import destroy
from ..reconcile.model import PlannedChange
from .protection import confirm_deletion
from .stop import stop_executions


def apply(context: Context, orphans_found: tuple[PlannedChange, ...]) -> None:
    """Delete orphans by option or after asking. Raises AwsError naming what could not be deleted."""
    if context.options.prune:
        chosen = orphans_found
    else:
        may_ask = context.options.interactive and not context.options.reviewed
        chosen = ask_about(context, orphans_found) if may_ask else ()
    confirm_deletion(context, chosen)
    delete(context, chosen)


def ask_about(context: Context, orphans_found: tuple[PlannedChange, ...]) -> tuple[PlannedChange, ...]:
    """Returns those that the user wants deleted."""
    return tuple(step for step in orphans_found if context.report.ask(_question(step)))


def delete(context: Context, chosen: tuple[PlannedChange, ...]) -> None:
    """Delete these, after stopping the executions of their pipelines."""
    stop(context, chosen)
    failures = destroy(
        context.aws,
        orphans.deletable(chosen),
        lambda outcome: context.report.emit(Deleted(outcome)),
        context.state.progress,
    )
    if failures:
        lines = [
            f"  {failed.step.resource.kind.label} {failed.step.resource.name}: {reason(failed.error)}"
            for failed in failures
            if failed.error
        ]
        raise AwsError("These were left behind and could not be deleted:\n" + "\n".join(lines))


def stop(context: Context, chosen: tuple[PlannedChange, ...]) -> None:
    """Stop the executions of the pipelines among these, before anything is deleted that their callbacks need."""
    for step in chosen:
        if step.resource.kind.has_executions:
            stop_executions(context, step.resource.name)


def _question(step: PlannedChange) -> str:
    return f"Delete {step.resource.kind.label} {step.resource.name}, {orphans.LEFT_BEHIND}? (y/n)"
