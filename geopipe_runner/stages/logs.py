"""What the functions logged for an execution."""

from __future__ import annotations

from ..context import Context
from ..events import LogRead, Note
from ..pipeline.execution import EXECUTION_STATES, ExecutionView
from ..pipeline.function_log import read_function_logs
from . import waiting
from .find import with_steps

_MAX_LINES = 10_000


def show(context: Context, view: ExecutionView) -> None:
    """Show the functions' logs of an execution, and why the execution still waits, if it does."""
    config = context.config
    view = with_steps(context, view)
    log = read_function_logs(context.aws, context.blueprint.deployment.log_groups, config.pipeline.name, view)
    context.report.emit(LogRead(view.arn, log.lines[-_MAX_LINES:]))
    if not EXECUTION_STATES.is_final(view.status):
        for line in waiting.explain(context, view):
            context.report.emit(Note(line))
