"""The Fail step: ends the execution as Failed, with a message from the definition.

The message becomes the reason and the metadata of the step. The reason of the execution stays the general one. Both
facts come from the integration tests of AWS's SDK. Steps that run at the same time finish first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values import is_expression, to_text
from .base import Activity, StepResult, StepType, Task

MESSAGE_LIMIT = 3072


class FailStep(StepType):
    name = "Fail"
    is_final = True
    has_outputs = False

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        message = body.get("Arguments", {}).get("ErrorMessage", "")
        if not isinstance(message, str) and not is_expression(message):
            yield f"Arguments.ErrorMessage must be a string or an expression, not {message!r}"
        if body.get("OutputParameters"):
            yield "a Fail step has no OutputParameters"

    def open(self, task: Task) -> Activity:
        return _FailActivity(task)


class _FailActivity:
    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> None:
        message = to_text(self._task.body.get("Arguments", {}).get("ErrorMessage", ""))
        self._task.publish({FailStep.name: {"ErrorMessage": message[:MESSAGE_LIMIT]}})
        self._task.finish(StepResult.failure(message))

    def stop(self) -> None:
        """Do nothing: the step ends by itself immediately."""
