"""The Condition step: decides which of two branches runs.

The steps of the branches are steps of the graph; they wait for this one. A step of the branch not taken never starts,
nor does any that needs such a step, and neither is listed: the execution can still succeed. That is what the local
mode of AWS's own SDK does; the service's documentation says nothing of it. No conditions at all hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..conditions import condition_problems, holds
from ..definition import CONDITION
from ..values import ExpressionError
from .base import Activity, Outcome, Task


class ConditionStep:
    name = CONDITION
    stoppable = False

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        conditions = body.get("Arguments", {}).get("Conditions")
        if isinstance(conditions, list):
            for condition in conditions:
                yield from condition_problems(condition)
        else:
            yield "Arguments.Conditions is required and must be a list"
        if body.get("OutputParameters"):
            yield "a Condition step has no OutputParameters; refer to its Outcome"

    def open(self, task: Task) -> Activity:
        return _Decision(task)

    def forget(self, execution_arn: str) -> None:
        """Nothing is kept."""


class _Decision:
    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> None:
        try:
            outcome = all(holds(condition) for condition in self._task.body["Arguments"]["Conditions"])
        except ExpressionError as error:
            self._task.finish(Outcome.failure(f"Client Error: {error}"))
            return
        self._task.publish({CONDITION: {"Outcome": "True" if outcome else "False"}})
        self._task.finish(Outcome(True, holds=outcome))

    def stop(self) -> None:
        """It ends by itself at once."""
