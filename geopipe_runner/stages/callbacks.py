"""Callbacks that wait too long: listing them with the state of their job, and answering them by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..aws.error_codes import ClientError
from ..aws.errors import reason
from ..context import Context
from ..errors import AwsError, RefusedError
from ..events import CallbackWaiting, Note
from ..jobs.registry import job_of
from ..pipeline import execution, execution_actions
from ..pipeline.execution import EXECUTION_STATES, ExecutionView, StepView
from ..report.text.messages import clock, span
from . import waiting
from .find import find_execution, with_steps


@dataclass(frozen=True)
class Selection:
    """Which callbacks: those that have waited longer than `older_than`, of one execution and step where named."""

    older_than: timedelta
    execution: str | None = None
    step: str | None = None


@dataclass(frozen=True)
class CallbackAnswer:
    """What to answer with: the reason of a failure, or None for a success without outputs."""

    reason: str | None = None

    def __str__(self) -> str:
        return "a success, without outputs" if self.reason is None else f'the failure "{self.reason}"'


@dataclass(frozen=True)
class WaitingCallback:
    """A callback step without an answer, and the state of the job behind it."""

    view: ExecutionView
    step: StepView
    job_state: str

    def __str__(self) -> str:
        since = f", waiting since {clock(self.step.started.isoformat())}" if self.step.started else ""
        return f"step {self.step.name} of execution {self.view.arn}{since}; {self.job_state}"


def list_callbacks(context: Context, selection: Selection) -> None:
    """Show the callbacks that wait too long, with the state of their job, and why they wait."""
    callbacks = _find(context, selection)
    for callback in callbacks:
        _show(context, callback, None)
    for view in {callback.view.arn: callback.view for callback in callbacks}.values():
        for line in waiting.explain(context, view):
            context.report.emit(Note(line))


def answer_callbacks(
    context: Context, selection: Selection, answer: CallbackAnswer, *, confirmed: bool, several: bool
) -> None:
    """Answer callbacks by hand, each after a confirmation.

    An execution whose queue or message is gone ends this way at the next poll of those who follow it.

    Args:
        context: the command's context.
        selection: which callbacks.
        answer: what to answer with.
        confirmed: do not ask.
        several: more than one may be answered.

    Raises:
        RefusedError: more than one is selected without `several`, or no one can be asked.
    """
    callbacks = _find(context, selection)
    listed = "\n".join(f"  {callback}" for callback in callbacks)
    if len(callbacks) > 1 and not several:
        raise RefusedError(
            f"{len(callbacks)} callbacks are waiting, and only one is answered at a time:\n{listed}",
            "Name one with --execution and --step, or pass --all to answer all of them.",
        )
    if callbacks and not confirmed and not context.options.interactive:
        raise RefusedError(
            f"Nothing was answered, because questions are off. "
            f"With --yes, the command answers this with {answer}:\n{listed}"
        )
    for callback in callbacks:
        if confirmed:
            context.report.emit(Note(f"Answering with {answer}: {callback}."))
        elif not context.report.ask(f"Answer with {answer}: {callback}? (y/n)"):
            _show(context, callback, None)
            continue
        _show(context, callback, _answer(context, callback.step, answer))


def _find(context: Context, selection: Selection) -> list[WaitingCallback]:
    """Return the selected callbacks, and say so where there are none."""
    job = job_of(context.config.job)
    callbacks = [
        WaitingCallback(view, step, job.state(context.aws, view.outputs))
        for view in _executions(context, selection)
        for step in _open_callbacks(view, selection)
    ]
    if not callbacks:
        which = f" of step {selection.step}" if selection.step else ""
        where = f" in execution {selection.execution}" if selection.execution else ""
        age = span(selection.older_than.total_seconds())
        context.report.emit(Note(f"No callback{which}{where} has waited longer than {age}."))
    return callbacks


def _executions(context: Context, selection: Selection) -> Iterator[ExecutionView]:
    if selection.execution:
        yield with_steps(context, find_execution(context, selection.execution))
        return
    for view in execution.unfinished(context.aws, context.config.pipeline.name):
        yield with_steps(context, view)


def _open_callbacks(view: ExecutionView, selection: Selection) -> Iterator[StepView]:
    if EXECUTION_STATES.is_final(view.status):
        return
    now = datetime.now(UTC)
    for step in view.steps:
        if not step.token or step.ended is not None or step.started is None:
            continue
        if selection.step in (None, step.name) and now - step.started >= selection.older_than:
            yield step


def _show(context: Context, callback: WaitingCallback, answered: str | None) -> None:
    step = callback.step
    context.report.emit(CallbackWaiting(callback.view.arn, step.name, step.started, callback.job_state, answered))


def _answer(context: Context, step: StepView, answer: CallbackAnswer) -> str:
    """Answer one callback and return with what. Raises AwsError when it was refused."""
    try:
        if answer.reason is None:
            execution_actions.answer_success(context.aws, step.token)
            return "success"
        execution_actions.answer_failure(context.aws, step.token, answer.reason)
        return "failure"
    except ClientError as error:
        raise AwsError(f"The callback of step {step.name} could not be answered: {reason(error)}") from None
