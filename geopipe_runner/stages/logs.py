"""What the functions logged for an execution, and what they log now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..aws.clock import Interrupted
from ..context import Context
from ..errors import Terminated
from ..events import LogLineRead, LogRead, Note
from ..pipeline.execution import EXECUTION_STATES, ExecutionView
from ..pipeline.function_log import read_function_logs
from ..pipeline.log_lines import LogLines
from . import waiting
from .find import with_steps

_MAX_LINES = 10_000
# FilterLogEvents may be called some times a second for a whole account.
_FOLLOW_SECONDS = 2.0


def show(context: Context, view: ExecutionView) -> None:
    """Show the functions' logs of an execution, and why the execution still waits, if it does."""
    config = context.config
    view = with_steps(context, view)
    log = read_function_logs(context.aws, context.blueprint.deployment.log_groups, config.pipeline.name, view)
    context.report.emit(LogRead(view.arn, log.lines[-_MAX_LINES:]))
    if not EXECUTION_STATES.is_final(view.status):
        for line in waiting.explain(context, view):
            context.report.emit(Note(line))


def show_recent(context: Context, since: timedelta, *, follow: bool) -> None:
    """Show what the functions have logged `since` then, for all executions. `follow` continues until Ctrl-C."""
    groups = context.blueprint.deployment.log_groups
    lines = LogLines(context.aws, groups, datetime.now(UTC) - since)
    try:
        while True:
            for line in lines.read():
                context.report.emit(LogLineRead(line.time, line.function, line.text, with_function=len(groups) > 1))
            if not follow:
                return
            context.time.sleep(min(context.config.execution.poll_interval, _FOLLOW_SECONDS))
    except Terminated:
        raise
    except (KeyboardInterrupt, Interrupted):
        return  # there is no other end
