"""Actions on an execution: stop it, retry it, answer its callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aws.error_codes import ClientError, error_code
from ..aws.not_found import none_if_not_found
from .execution import EXECUTION_STATES, ExecutionView, follow, view

if TYPE_CHECKING:
    from ..aws.clients import Aws


def stop(aws: Aws, arn: str, *, every: float, patience: float, within: float) -> ExecutionView:
    """Stop an execution and see it end.

    It stays Stopping until every callback is answered. The function does that; what is unanswered after `patience`
    seconds we answer ourselves, with the token its step shows. Raises polling.TimedOut after `within` seconds.
    """
    sagemaker = aws.client("sagemaker")
    if not EXECUTION_STATES.is_final(view(aws, arn, with_steps=False).status):
        _unless_over(lambda: sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn), "ConflictException")
    give_up_on_function = aws.retrier.time.clock() + patience

    def answer_callbacks(now: ExecutionView) -> None:
        if EXECUTION_STATES.is_final(now.status) or aws.retrier.time.clock() < give_up_on_function:
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
    """Do something that may have become unnecessary; AWS then says so by one of `codes`, or finds nothing."""
    try:
        none_if_not_found(action)
    except ClientError as error:
        if error_code(error) not in codes:
            raise


def retry(aws: Aws, arn: str) -> None:
    """Run the steps that did not succeed once more, under the same ARN."""
    aws.client("sagemaker").retry_pipeline_execution(PipelineExecutionArn=arn)


def answer_failure(aws: Aws, token: str, reason: str) -> None:
    """Answer a callback with failure; SageMaker takes 256 characters of the reason."""
    aws.client("sagemaker").send_pipeline_execution_step_failure(CallbackToken=token, FailureReason=reason[:256])


def answer_success(aws: Aws, token: str) -> None:
    """Answer a callback with success, without outputs."""
    aws.client("sagemaker").send_pipeline_execution_step_success(CallbackToken=token)
