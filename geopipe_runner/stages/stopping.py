"""Stopping what runs, before the queue and the function that its callbacks need may go."""

from __future__ import annotations

from collections.abc import Sequence

from ..aws.failures import AWS_ERRORS, reason
from ..aws.polling import TimedOut
from ..errors import AwsError
from ..jobs import JOBS
from ..pipeline import control, execution
from ..pipeline.execution import EXECUTION_STATES, ExecutionView
from ..pipeline.run import is_run_id
from ..report.events import Note
from .work import Work

_STOP_WITHIN = 900.0


def stop_executions(work: Work, pipeline: str, *, only_ours: bool = False) -> None:
    """Stop every unfinished execution of `pipeline` and see it end; `only_ours`: those that carry a run id.

    Jobs that a stopped one left running go too. Raises AwsError when one does not end.
    """
    concerned = [e for e in execution.every(work.aws, pipeline) if not only_ours or is_run_id(e.run_id)]
    for found in concerned:
        if not EXECUTION_STATES.terminal(found.status):
            _stop_and_wait(work, found)
    _stop_jobs(work, [found for found in concerned if not found.succeeded])


def stop_one(work: Work, found: ExecutionView) -> None:
    """Stop an execution and see it end, its callbacks answered. Raises AwsError when it does not end."""
    _stop_and_wait(work, found)
    _stop_jobs(work, [found])


def _stop_and_wait(work: Work, found: ExecutionView) -> None:
    every = work.config.execution.poll_interval
    patience = min(30.0, max(2.0, 5 * every))
    work.report.tell(Note(f"Stopping execution {found.arn}."))
    try:
        control.stop(work.aws, found.arn, every=every, patience=patience, within=_STOP_WITHIN)
    except TimedOut:
        raise AwsError(
            f"Execution {found.arn} has not stopped after {_STOP_WITHIN:.0f} s.",
            "Its queue and function must stay until it has, so nothing was deleted. Run the same command again later.",
        ) from None
    if found.arn == work.state.running:
        work.state.running = ""


def _stop_jobs(work: Work, ended: Sequence[ExecutionView]) -> None:
    """Stop the jobs of executions that ended without them, also of those that an earlier command stopped.

    A callback that is stopped stops its job; but who stops an execution while its Lambda step is starting the job
    keeps the callback from ever being sent.
    """
    running = _running_jobs(work) if ended else frozenset()
    for found in ended:  # newest first, so that what was just stopped is found at once
        if not running:
            return
        outputs = execution.view(work.aws, found.arn, with_steps=True).outputs
        left = running.intersection(outputs.values())
        for arn in left:
            _stop_job(work, arn)
        running -= left


def _running_jobs(work: Work) -> frozenset[str]:
    try:
        return JOBS[work.config.job.kind].running(work.aws)
    except AWS_ERRORS as error:
        work.report.tell(Note(f"Warning: whether jobs were left running is unknown: {reason(error)}"))
        return frozenset()


def _stop_job(work: Work, arn: str) -> None:
    work.report.tell(Note(f"Stopping job {arn}, which nobody waits for."))
    try:
        JOBS[work.config.job.kind].stop(work.aws, arn)
    except AWS_ERRORS as error:
        work.report.tell(Note(f"Warning: job {arn} could not be stopped: {reason(error)}"))
