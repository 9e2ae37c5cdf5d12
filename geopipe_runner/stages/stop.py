"""Stopping executions and their jobs, before the queue and the function that callbacks need are deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..aws.errors import AWS_ERRORS, reason
from ..aws.poll import TimedOut
from ..context import Context
from ..errors import AwsError, RefusedError
from ..events import Note
from ..jobs.registry import job_of
from ..pipeline import execution, execution_actions
from ..pipeline.execution import EXECUTION_STATES, ExecutionView
from ..pipeline.run_id import is_run_id

_STOP_WITHIN = 900.0


def stop_executions(context: Context, pipeline: str, *, only_ours: bool = False) -> tuple[ExecutionView, ...]:
    """Stop every unfinished execution of `pipeline`, and the jobs that stopped executions left running.

    `only_ours` spares the executions without a run id. Returns all others. Raises AwsError when one does not end.
    """
    views = [view for view in execution.every(context.aws, pipeline) if not only_ours or is_run_id(view.run_id)]
    for view in views:
        if not EXECUTION_STATES.is_final(view.status):
            _stop_and_wait(context, view)
        elif view.arn == context.state.running:
            context.state.running = ""  # it has ended by itself since it was read last
    _stop_jobs(context, [view for view in views if not view.succeeded])
    return tuple(views)


def stop_unfinished(context: Context, view: ExecutionView) -> None:
    """Stop an execution on request. Raises RefusedError when it has ended already."""
    if EXECUTION_STATES.is_final(view.status):
        raise RefusedError(f"Execution {view.arn} has ended already: {view.status}.")
    stop_one(context, view)


def stop_one(context: Context, view: ExecutionView) -> None:
    """Stop an execution, and wait until it has ended with all callbacks answered. Raises AwsError if it does not."""
    _stop_and_wait(context, view)
    _stop_jobs(context, [view])


def _stop_and_wait(context: Context, view: ExecutionView) -> None:
    every = context.config.execution.poll_interval
    patience = min(30.0, max(2.0, 5 * every))
    context.report.emit(Note(f"Stopping execution {view.arn}."))
    try:
        execution_actions.stop(context.aws, view.arn, every=every, patience=patience, within=_STOP_WITHIN)
    except TimedOut:
        raise AwsError(
            f"Execution {view.arn} has not stopped after {_STOP_WITHIN:.0f} s.",
            "Its queue and function must stay until then, so nothing was deleted. Run the same command again later.",
        ) from None
    if view.arn == context.state.running:
        context.state.running = ""


def _stop_jobs(context: Context, ended: Sequence[ExecutionView]) -> None:
    """Stop the jobs that run without their executions, also where an earlier command stopped the execution.

    A stopped callback stops its job. But if an execution is stopped while its Lambda step is starting the job, no
    callback is ever sent.
    """
    running = _running_jobs(context) if ended else frozenset()
    for view in ended:  # newest first, so that what was just stopped is found first
        if not running:
            return
        outputs = execution.view(context.aws, view.arn, with_steps=True).outputs
        left = running.intersection(outputs.values())
        for arn in left:
            _stop_job(context, arn)
        running -= left


def delete_jobs(context: Context, ended: Sequence[ExecutionView]) -> None:
    """Delete the finished jobs that these executions name in their outputs.

    An error is a warning only: a finished job costs nothing.
    """
    job = job_of(context.config.job)
    if not job.has_job or not ended:
        return
    try:
        finished = job.finished(context.aws)
        for view in ended:
            if not finished:
                return
            outputs = replace(view, steps=execution.steps(context.aws, view.arn)).outputs
            ours = finished.intersection(outputs.values())
            for arn in ours:
                job.delete(context.aws, arn)
            finished -= ours
    except AWS_ERRORS as error:
        context.report.emit(Note(f"Warning: finished jobs of this deployment may remain: {reason(error)}"))


def _running_jobs(context: Context) -> frozenset[str]:
    try:
        return job_of(context.config.job).running(context.aws)
    except AWS_ERRORS as error:
        context.report.emit(Note(f"Warning: whether jobs were left running is unknown: {reason(error)}"))
        return frozenset()


def _stop_job(context: Context, arn: str) -> None:
    context.report.emit(Note(f"Stopping job {arn}, because no execution waits for it."))
    try:
        job_of(context.config.job).stop(context.aws, arn)
    except AWS_ERRORS as error:
        context.report.emit(Note(f"Warning: job {arn} could not be stopped: {reason(error)}"))
