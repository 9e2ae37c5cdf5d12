"""The verbs on executions that are there already: show, follow to the end, stop, try again, rescue, log, results.

Nothing is kept on this machine: an execution is found by the pipeline's name, and told by its ARN or its run id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..aws.failures import reason
from ..aws.retry import AnswerError
from ..errors import AwsError, RefusedError, UsageError
from ..jobs import JOBS
from ..pipeline import control, execution
from ..pipeline.execution import EXECUTION_STATES, ExecutionView, StepView
from ..pipeline.run import is_run_id
from ..report.events import CallbackWaiting, ExecutionShown, LogRead, Note
from ..report.wording import span
from . import execute, explaining
from .stopping import stop_one
from .work import Work

_ALL_LINES = 10_000


@dataclass(frozen=True)
class Rescue:
    """What to do with callbacks that have waited longer than `older_than`: nothing but show, or answer them."""

    older_than: timedelta
    fail: str | None = None
    succeed: bool = False


def show(work: Work, wanted: str | None) -> None:
    """An execution as it is: its steps, and why it failed."""
    view = _with_steps(work, find(work, wanted))
    failed = EXECUTION_STATES.terminal(view.status) and not view.succeeded
    told = explaining.explain(work, view) if failed else None
    work.report.tell(ExecutionShown(view, told.lines if told else (), told.failure if told else None))


def resume(work: Work, wanted: str | None) -> None:
    """Follow an execution to its end and show its results, as if the command that started it had never left."""
    execute.go_on_with(work, find(work, wanted))


def stop(work: Work, wanted: str | None) -> None:
    """Stop an execution and see its callbacks answered. Raises RefusedError when it has ended already."""
    found = find(work, wanted)
    if EXECUTION_STATES.terminal(found.status):
        raise RefusedError(f"Execution {found.arn} has ended already: {found.status}.")
    stop_one(work, found)
    ended = _with_steps(work, found)
    if ended.status == "Stopped":  # as was asked for: there is nothing to explain
        work.report.tell(ExecutionShown(ended, ()))
    else:
        show(work, found.arn)


def retry(work: Work, wanted: str | None) -> None:
    """Run the steps again that did not succeed. Raises RefusedError where that cannot help."""
    found = _with_steps(work, find(work, wanted))
    if not EXECUTION_STATES.terminal(found.status) or found.succeeded:
        raise RefusedError(
            f"Execution {found.arn} is {found.status}; only one that failed or was stopped can be retried."
        )
    if hopeless := _waits_for_a_failed_job(work, found):
        raise RefusedError(
            f"Trying again cannot help: {hopeless}",
            f"A new job is needed: {work.options.program} run {work.config.path}",
        )
    control.retry(work.aws, found.arn)
    execute.go_on_with(work, execution.view(work.aws, found.arn, with_steps=False))


def rescue(work: Work, wanted: Rescue) -> None:
    """Show the callbacks that wait too long, with the state of their job; answer them when asked to.

    An execution whose queue or message is gone ends this way at the next poll of whoever follows it.
    """
    waiting = list(_waiting(work, wanted.older_than))
    if not waiting:
        work.report.tell(Note(f"No callback has waited longer than {span(wanted.older_than.total_seconds())}."))
    for found, step in waiting:
        state = JOBS[work.config.job.kind].state(work.aws, found.outputs)
        answered = _answer(work, step, wanted)
        work.report.tell(CallbackWaiting(found.arn, step.name, step.started, state, answered))


def log(work: Work, wanted: str | None) -> None:
    """What the function logged while an execution ran."""
    found = execution.view(work.aws, find(work, wanted).arn, with_steps=True)
    ended = max((step.ended for step in found.steps if step.ended), default=None)
    until = ended if EXECUTION_STATES.terminal(found.status) else None
    lines = execution.log_lines(work.aws, work.config.function.log_group, found.started, _ALL_LINES, until)
    work.report.tell(LogRead(found.arn, lines))


def results(work: Work, wanted: str | None) -> None:
    """Show the results of an execution anew, and save them where that is asked for.

    Raises UsageError when there is none that can have left any.
    """
    found = find(work, wanted) if wanted else _latest_with_results(work)
    if not found.succeeded or not is_run_id(found.run_id):
        why = "was not started by geopipe" if found.succeeded else f"is {found.status}"
        raise UsageError(f"Execution {found.arn} {why}: there are no results to be found.")
    asked = execution.asked(work.aws, found.arn) if work.options.output_dir else None
    work.report.tell(ExecutionShown(_with_steps(work, found), (), asked=asked))
    execute.show_results(work, found.run_id)


def _latest_with_results(work: Work) -> ExecutionView:
    """The latest that succeeded, or the latest of all, which says why there are none."""
    every = execution.every(work.aws, work.config.pipeline.name)
    return next((one for one in every if one.succeeded and is_run_id(one.run_id)), None) or find(work, None)


def find(work: Work, wanted: str | None) -> ExecutionView:
    """The execution of that ARN, id or run id; without one, the latest. Raises UsageError when there is none."""
    name = work.config.pipeline.name
    for found in execution.every(work.aws, name):
        if wanted in (None, found.arn, found.run_id, found.arn.rsplit("/", 1)[-1]):
            return found
    what = f"no execution {wanted}" if wanted else "no execution yet"
    hint = f"`{work.options.program} run {work.config.path}` starts one."
    if wanted:
        latest = f"`{work.options.program} status {work.config.path}` shows the latest"
        hint = f"Give its ARN, the end of its ARN, or its run id; {latest}."
    if work.config.embedded:
        hint = "An emulator of the command's own forgets everything; name a standing one as `endpoint`."
    raise UsageError(f"Pipeline {name} has {what}.", hint)


def _with_steps(work: Work, found: ExecutionView) -> ExecutionView:
    return execution.view(work.aws, found.arn, with_steps=True)


def _waits_for_a_failed_job(work: Work, found: ExecutionView) -> str | None:
    """A job that has ended badly stays so: a callback that waits for it can only fail again."""
    if not any(step.kind == "Callback" and step.status in ("Failed", "Stopped") for step in found.steps):
        return None
    failure = JOBS[work.config.job.kind].failure(work.aws, found.outputs)
    return failure.text if failure else None


def _waiting(work: Work, older_than: timedelta) -> Iterator[tuple[ExecutionView, StepView]]:
    now = datetime.now(UTC)
    for found in execution.unfinished(work.aws, work.config.pipeline.name):
        view = _with_steps(work, found)
        for step in view.steps:
            if step.token and step.ended is None and step.started and now - step.started >= older_than:
                yield view, step


def _answer(work: Work, step: StepView, wanted: Rescue) -> str | None:
    """What was answered; None when nothing was. Raises AwsError when the answer was refused."""
    try:
        if wanted.fail is not None:
            control.answer_failure(work.aws, step.token, wanted.fail)
            return "failure"
        if wanted.succeed:
            control.answer_success(work.aws, step.token)
            return "success"
    except AnswerError as error:
        raise AwsError(f"The callback of step {step.name} could not be answered: {reason(error)}") from None
    return None
