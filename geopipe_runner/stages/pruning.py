"""What earlier configurations left behind: searched for, shown, and deleted only when that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..aws.failures import reason
from ..errors import AwsError
from ..reconcile import orphans, planner
from ..reconcile.applier import destroy
from ..reconcile.graph import in_parallel
from ..reconcile.model import Step
from ..report.events import Deleted, Note
from .session import Session
from .stopping import stop_executions


def look(session: Session) -> tuple[planner.Seen, tuple[Step, ...]]:
    """What is there of the blueprint's resources, and what else is ours; both are looked for at the same time."""
    aws, blueprint = session.aws, session.blueprint
    looks: dict[str, Callable[[], Any]] = {
        "seen": partial(planner.observe, aws, blueprint.resources),
        "arns": partial(_search, session),
    }
    found = in_parallel(looks)
    return found["seen"], orphans.find(aws, blueprint, found["seen"], found["arns"])


def carry_out(session: Session, left_behind: tuple[Step, ...]) -> None:
    """Delete what is to go, by option or by asking. Raises AwsError naming what could not be deleted."""
    if session.options.prune:
        delete(session, left_behind)
    elif session.options.interactive:
        delete(session, ask_about(session, left_behind))


def ask_about(session: Session, left_behind: tuple[Step, ...]) -> tuple[Step, ...]:
    """Those that the user wants deleted."""
    return tuple(step for step in left_behind if session.report.ask(_question(step)))


def delete(session: Session, chosen: tuple[Step, ...]) -> None:
    """Delete these, pipelines' executions stopped first."""
    for step in chosen:
        if step.resource.kind.name == "sagemaker_pipeline":
            stop_executions(session, step.resource.name)
    failures = destroy(session.aws, orphans.doomed(chosen), lambda outcome: session.report.tell(Deleted(outcome)))
    if failures:
        lines = [
            f"  {failed.step.resource.kind.label} {failed.step.resource.name}: {reason(failed.error)}"
            for failed in failures
            if failed.error
        ]
        raise AwsError("These were left behind and could not be deleted:\n" + "\n".join(lines))


def _search(session: Session) -> frozenset[str]:
    """The ARNs of everything that is ours; none, with a warning, for a caller who may not search."""
    try:
        return orphans.search(session.aws, session.blueprint)
    except orphans.NotAllowedToSearchError as error:
        session.report.tell(
            Note(f"Warning: not allowed {error.operation}, so what earlier configurations left behind stays unknown.")
        )
        return frozenset()


def _question(step: Step) -> str:
    return f"Delete {step.resource.kind.label} {step.resource.name}, {orphans.LEFT_BEHIND}? (y/n)"
