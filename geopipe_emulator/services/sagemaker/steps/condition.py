"""The Condition step: decides which of two branches runs.

The steps of the branches are steps of the graph; they wait for this one. A step of the branch that is not taken never
starts, nor does a step that needs it. Neither is listed, and the execution can still succeed. The local mode of AWS's
SDK does the same; the documentation of the service does not say. An empty list of conditions is true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..conditions import condition_problems, holds
from ..values import ExpressionError
from .base import Activity, StepResult, StepType, Task


class ConditionStep(StepType):
    name = "Condition"
    has_outputs = False
    branches: ClassVar[Mapping[str, bool]] = {"IfSteps": True, "ElseSteps": False}

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
        return _ConditionActivity(task)


class _ConditionActivity:
    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> None:
        try:
            outcome = all(holds(condition) for condition in self._task.body["Arguments"]["Conditions"])
        except ExpressionError as error:
            self._task.finish(StepResult.failure(f"Client Error: {error}"))
            return
        self._task.publish({ConditionStep.name: {"Outcome": "True" if outcome else "False"}})
        self._task.finish(StepResult(True, outcome=outcome))

    def stop(self) -> None:
        """Do nothing: the step ends by itself immediately."""
