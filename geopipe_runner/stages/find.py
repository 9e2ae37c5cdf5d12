"""Finding an execution. Nothing is kept on this machine: the pipeline's name and an id are all it takes."""

from __future__ import annotations

from ..context import Context
from ..errors import UsageError
from ..pipeline import execution
from ..pipeline.execution import ExecutionView
from ..pipeline.run_id import is_run_id

KEEP_AN_EMULATOR = (
    "An emulator that starts with a command ends with it and keeps nothing. Set `emulator.state_dir`, or start one "
    "that keeps running, `python -m geopipe_emulator up --detach`, and set `endpoint: http://127.0.0.1:4599`."
)


def find_execution(context: Context, wanted: str | None) -> ExecutionView:
    """Return the execution of that ARN, id or run id, without its steps; the latest where `wanted` is None.

    Raises:
        UsageError: there is none.
    """
    config, program = context.config, context.options.program
    for view in execution.every(context.aws, config.pipeline.name):
        if wanted in (None, view.arn, view.run_id, view.arn.rsplit("/", 1)[-1]):
            return view
    what = f"no execution {wanted}" if wanted else "no execution yet"
    if config.forgets:
        hint = KEEP_AN_EMULATOR
    elif wanted:
        latest = f"`{program} status {config.argument}` shows the latest"
        hint = f"Give its ARN, the end of its ARN, or its run id; {latest}."
    else:
        hint = f"`{program} run {config.argument}` starts one."
    raise UsageError(f"Pipeline {config.pipeline.name} has {what}.", hint)


def find_latest_with_results(context: Context) -> ExecutionView:
    """Return the latest run that succeeded, or the latest execution of all, whose status says why there is none.

    Raises:
        UsageError: there is no execution.
    """
    views = execution.every(context.aws, context.config.pipeline.name)
    successful = (view for view in views if view.succeeded and is_run_id(view.run_id))
    return next(successful, None) or find_execution(context, None)


def with_steps(context: Context, view: ExecutionView) -> ExecutionView:
    """Return the execution as it is now, with its steps."""
    return execution.view(context.aws, view.arn, with_steps=True)
