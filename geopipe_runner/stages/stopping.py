"""Stopping what runs, before the queue and the function that its callbacks need may go."""

from __future__ import annotations

from ..aws.polling import TimedOut
from ..errors import AwsError
from ..pipeline import execution
from ..pipeline.execution import ExecutionView
from ..pipeline.run import is_run_id
from ..report.events import Note
from .work import Work

_STOP_WITHIN = 900.0


def stop_executions(work: Work, pipeline: str, *, only_ours: bool = False) -> None:
    """Stop every unfinished execution of `pipeline` and see it end; `only_ours`: those that carry a run id.

    Raises AwsError when one does not end.
    """
    for found in list(execution.unfinished(work.aws, pipeline)):
        if not only_ours or is_run_id(found.run_id):
            stop_one(work, found)


def stop_one(work: Work, found: ExecutionView) -> None:
    """Stop an execution and see it end, its callbacks answered. Raises AwsError when it does not end."""
    every = work.config.execution.poll_interval
    patience = min(30.0, max(2.0, 5 * every))
    work.report.tell(Note(f"Stopping execution {found.arn}."))
    try:
        execution.stop(work.aws, found.arn, every=every, patience=patience, within=_STOP_WITHIN)
    except TimedOut:
        raise AwsError(
            f"Execution {found.arn} has not stopped after {_STOP_WITHIN:.0f} s, so nothing was deleted.",
            "Its queue and function must stay until it has. Run `cleanup` again later.",
        ) from None
    if found.arn == work.state.running:
        work.state.running = ""
