"""What the API does not say about an execution: all its steps, also those that have not started, and what they got."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .store import Store
from .values import ExpressionError


@dataclass(frozen=True)
class InspectedStep:
    """A step of the definition.

    - `dependencies` are the names of the steps that it waits for, in the order of the definition.
    - `outputs` are the declared output parameters, by name with their types.
    - `arguments` are resolved if `is_resolved`; otherwise they are as the definition has them.
    - `request_id` is the id of the invocation of a Lambda step that has ended.
    """

    name: str
    type: str
    description: str
    dependencies: tuple[str, ...]
    outputs: Mapping[str, str]
    arguments: Any
    is_resolved: bool
    request_id: str


def inspect_execution(store: Store, arn: str) -> list[InspectedStep]:
    """Return the steps in the order of the definition. Raises ServiceError if there is no such execution."""
    execution = store.execution(arn)
    runs = {run.step.name: run for run in execution.runs()}
    steps = execution.request.definition.steps
    inspected = []
    for step in steps:
        arguments, is_resolved = step.body.get("Arguments", {}), False
        if step.name in runs:
            with contextlib.suppress(ExpressionError):
                arguments, is_resolved = execution.arguments(runs[step.name]), True
        inspected.append(
            InspectedStep(
                step.name,
                step.type.name,
                step.description or "",
                tuple(other.name for other in steps if other.name in step.dependencies),
                step.outputs,
                arguments,
                is_resolved,
                runs[step.name].request_id if step.name in runs else "",
            )
        )
    return inspected
