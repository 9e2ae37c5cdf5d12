"""Running an execution's failed steps again, where that can help."""

from __future__ import annotations

from ..aws.poll import TimedOut
from ..context import Context
from ..errors import AwsError, RefusedError
from ..jobs.registry import job_of
from ..pipeline import execution, execution_actions
from ..pipeline.execution import EXECUTION_STATES, ExecutionView
from .find import with_steps

# Seconds within which SageMaker should show that it runs the execution again.
_SHOWN_WITHIN = 60.0


def retry_failed_steps(context: Context, view: ExecutionView) -> ExecutionView:
    """Run the steps again that did not succeed, and return the execution once it shows that it runs again.

    Raises:
        RefusedError: trying again cannot help.
        AwsError: the execution does not start to run again.
    """
    view = with_steps(context, view)
    if not EXECUTION_STATES.is_final(view.status) or view.succeeded:
        raise RefusedError(
            f"Execution {view.arn} is {view.status}; only one that failed or was stopped can be retried."
        )
    if hopeless := _failed_job(context, view):
        raise RefusedError(
            f"A retry cannot help: {hopeless}",
            f"A new job is needed: {context.options.program} run {context.config.argument}",
        )
    execution_actions.retry(context.aws, view.arn)
    return _wait_until_changed(context, view)


def _wait_until_changed(context: Context, before: ExecutionView) -> ExecutionView:
    """The status may still be the old one for a moment, which would look like the end of the new attempt."""

    def has_changed(now: ExecutionView) -> bool:
        is_later = now.modified is not None and before.modified is not None and now.modified > before.modified
        return now.status != before.status or is_later

    every = min(1.0, context.config.execution.poll_interval)
    try:
        return context.aws.retrier.poll(
            lambda: execution.view(context.aws, before.arn, with_steps=False),
            has_changed,
            every=every,
            within=_SHOWN_WITHIN,
        )
    except TimedOut:
        raise AwsError(
            f"Execution {before.arn} is still {before.status} {_SHOWN_WITHIN:.0f} s after it was retried.",
            f"Look at it later: {context.options.program} status {context.config.argument}",
        ) from None


def _failed_job(context: Context, view: ExecutionView) -> str | None:
    """Return why the job failed, if a callback waits for it: it can only fail again."""
    if not any(step.kind == "Callback" and step.status in ("Failed", "Stopped") for step in view.steps):
        return None
    failure = job_of(context.config.job).failure(context.aws, view.outputs)
    return failure.text if failure else None
