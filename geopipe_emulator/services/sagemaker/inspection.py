"""What the API does not say about an execution: all its steps, also those that have not started, and what they got."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .store import Store
from .values import ExpressionError, resolve


@dataclass(frozen=True)
class InspectedStep:
    """A step of the definition.

    - `dependencies` are the names of the steps that it waits for, in the order of the definition.
    - `outputs` are the declared output parameters, by name with their types.
    - `arguments` are those that the step got. Nothing keeps them: they follow from what the step refers to. Those in
      `unresolved` are as the definition has them: the step has not started, or they are read from an object in S3.
    - `request_id` is the id of the invocation of a Lambda step that has ended.
    """

    name: str
    type: str
    description: str
    dependencies: tuple[str, ...]
    outputs: Mapping[str, str]
    arguments: Mapping[str, Any]
    unresolved: frozenset[str]
    request_id: str


def inspect_execution(store: Store, arn: str) -> list[InspectedStep]:
    """Return the steps in the order of the definition. Raises ServiceError if there is no such execution."""
    execution = store.execution(arn)
    runs = {run.step.name: run for run in execution.runs()}
    steps = execution.request.definition.steps
    inspected = []
    for step in steps:
        written = step.body.get("Arguments")
        arguments = dict(written) if isinstance(written, dict) else {}
        unresolved = set(arguments)
        if step.name in runs:
            scope = execution.scope_of(runs[step.name])
            for name, value in arguments.items():
                with contextlib.suppress(ExpressionError):
                    arguments[name] = resolve(value, scope)
                    unresolved.discard(name)
        inspected.append(
            InspectedStep(
                step.name,
                step.type.name,
                step.description or "",
                tuple(other.name for other in steps if other.name in step.dependencies),
                step.outputs,
                arguments,
                frozenset(unresolved),
                runs[step.name].request_id if step.name in runs else "",
            )
        )
    return inspected
