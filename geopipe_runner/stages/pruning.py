"""What earlier configurations left behind: deleted only when that is asked for."""

from __future__ import annotations

from ..aws.failures import reason
from ..errors import AwsError
from ..reconcile import orphans
from ..reconcile.applier import destroy
from ..reconcile.model import Step
from ..report.events import Deleted
from .stopping import stop_executions
from .work import Work


def carry_out(work: Work, left_behind: tuple[Step, ...]) -> None:
    """Delete what is to go, by option or by asking. Raises AwsError naming what could not be deleted."""
    if work.options.prune:
        delete(work, left_behind)
    elif work.options.interactive:
        delete(work, ask_about(work, left_behind))


def ask_about(work: Work, left_behind: tuple[Step, ...]) -> tuple[Step, ...]:
    """Those that the user wants deleted."""
    return tuple(step for step in left_behind if work.report.ask(_question(step)))


def delete(work: Work, chosen: tuple[Step, ...]) -> None:
    """Delete these, pipelines' executions stopped first."""
    stop(work, chosen)
    failures = destroy(
        work.aws, orphans.doomed(chosen), lambda outcome: work.report.tell(Deleted(outcome)), work.state.progress
    )
    if failures:
        lines = [
            f"  {failed.step.resource.kind.label} {failed.step.resource.name}: {reason(failed.error)}"
            for failed in failures
            if failed.error
        ]
        raise AwsError("These were left behind and could not be deleted:\n" + "\n".join(lines))


def stop(work: Work, chosen: tuple[Step, ...]) -> None:
    """Stop the executions of the pipelines among these, before anything that their callbacks need may go."""
    for step in chosen:
        if step.resource.kind.name == "sagemaker_pipeline":
            stop_executions(work, step.resource.name)


def _question(step: Step) -> str:
    return f"Delete {step.resource.kind.label} {step.resource.name}, {orphans.LEFT_BEHIND}? (y/n)"
