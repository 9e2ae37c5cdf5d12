"""The Fail step: ends the execution as Failed, with a message of the definition's own.

The message becomes the reason and the metadata of the step; the execution's own reason stays the general one (both
seen in the integration tests of AWS's SDK). Steps that run beside it finish first. An execution that ends in it
cannot be retried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..definition import FAIL
from ..values import is_expression, to_text
from .base import Activity, Outcome, Task

MESSAGE_LIMIT = 3072


class FailStep:
    name = FAIL
    stoppable = False

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        message = body.get("Arguments", {}).get("ErrorMessage", "")
        if not isinstance(message, str) and not is_expression(message):
            yield f"Arguments.ErrorMessage must be a string or an expression, not {message!r}"
        if body.get("OutputParameters"):
            yield "a Fail step has no OutputParameters"

    def open(self, task: Task) -> Activity:
        return _Failure(task)

    def forget(self, execution_arn: str) -> None:
        """Nothing is kept."""


class _Failure:
    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> None:
        message = to_text(self._task.body.get("Arguments", {}).get("ErrorMessage", ""))
        self._task.publish({FAIL: {"ErrorMessage": message[:MESSAGE_LIMIT]}})
        self._task.finish(Outcome.failure(message))

    def stop(self) -> None:
        """It ends by itself at once."""
