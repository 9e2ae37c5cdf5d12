"""Taking a hand in an execution: stopping it, trying it again, answering its callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aws.gone import none_if_gone
from ..aws.retry import AnswerError, error_code
from .execution import EXECUTION_STATES, ExecutionView, follow, view

if TYPE_CHECKING:
    from ..aws.clients import Aws


def stop(aws: Aws, arn: str, *, every: float, patience: float, within: float) -> ExecutionView:
    """Stop an execution and see it end.

    It stays Stopping until every callback is answered. The function does that; what is unanswered after `patience`
    seconds we answer ourselves, with the token its step shows. Raises polling.TimedOut after `within` seconds.
    """
    sagemaker = aws.client("sagemaker")
    if not EXECUTION_STATES.terminal(view(aws, arn, with_steps=False).status):
        _unless_over(lambda: sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn), "ConflictException")
    give_up_on_function = aws.retrier.time.clock() + patience

    def answer_callbacks(now: ExecutionView) -> None:
        if EXECUTION_STATES.terminal(now.status) or aws.retrier.time.clock() < give_up_on_function:
            return
        for step in now.steps:
            if step.token and step.ended is None:
                _answer_stopped(aws, step.token)

    return follow(aws, arn, every=every, within=within, with_steps=True, seen=answer_callbacks)


def _answer_stopped(aws: Aws, token: str) -> None:
    """The function may have answered first; what AWS says to a used token is not documented."""

    _unless_over(
        lambda: answer_failure(aws, token, "The execution was stopped."), "ConflictException", "ValidationException"
    )


def _unless_over(action: Callable[[], object], *codes: str) -> None:
    """Do what may have become pointless meanwhile, which AWS says by one of `codes` or by not knowing it any more."""
    try:
        none_if_gone(action)
    except AnswerError as error:
        if error_code(error) not in codes:
            raise


def retry(aws: Aws, arn: str) -> None:
    """Run the steps again that did not succeed, under the same ARN."""
    aws.client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def answer_failure(aws: Aws, token: str, reason: str) -> None:
    """Fail a callback; SageMaker takes 256 characters of the reason."""
    aws.client("sagemaker").send_pipeline_execution_step_failure(CallbackToken=token, FailureReason=reason[:256])


def answer_success(aws: Aws, token: str) -> None:
    """Let a callback succeed, without outputs."""
    aws.client("sagemaker").send_pipeline_execution_step_success(CallbackToken=token)
