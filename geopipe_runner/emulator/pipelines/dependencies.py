"""Whether all that the steps of a definition refer to, or wait for, is there and may be waited for.

Pure. That nothing may wait for a Fail step is documented; the words are the service's. For a Condition in DependsOn
there is only its users' report that CreatePipeline refuses it (aws/sagemaker-python-sdk 3565): who wants to run after
the decision refers to its Outcome, which the service does resolve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .definition import CONDITION, FAIL, Parameter, Step
from .values import ExpressionError, OutcomeReference, OutputReference, ParameterReference, Reference, references


@dataclass(frozen=True)
class Declared:
    """What a definition declares, for references to be looked up in."""

    parameters: Mapping[str, Parameter]
    types: Mapping[str, str]
    """Step name and step type."""
    outputs: Mapping[str, Mapping[str, str]]


def reference_problems(value: object, declared: Declared) -> Iterator[str]:
    try:
        for reference in references(value):
            yield from _dangling(reference, declared)
    except ExpressionError as error:
        yield str(error)


def dependency_problems(body: Mapping[str, Any], declared: Declared) -> Iterator[str]:
    """What is wrong with DependsOn."""
    for need in body.get("DependsOn", []):
        kind = declared.types.get(need)
        if kind is None:
            yield f"DependsOn names an unknown step '{need}'"
        elif kind == FAIL:
            yield f"{body['Name']} can not depends on {need}"
        elif kind == CONDITION:
            yield f"{body['Name']} can not depends on {need}: refer to Steps.{need}.Outcome, or be part of a branch"


def cycle_problems(steps: tuple[Step, ...]) -> Iterator[str]:
    try:
        TopologicalSorter({step.name: step.needs for step in steps}).prepare()
    except CycleError as error:
        yield f"steps depend on each other in a cycle: {' -> '.join(reversed(error.args[1]))}"


def needed_steps(value: object) -> Iterator[str]:
    """The steps whose outputs or outcomes `value` refers to."""
    for reference in references(value):
        if isinstance(reference, OutputReference | OutcomeReference):
            yield reference.step


def _dangling(reference: Reference, declared: Declared) -> Iterator[str]:
    if isinstance(reference, ParameterReference) and reference.name not in declared.parameters:
        yield f"reference to an undeclared parameter '{reference.name}'"
    elif isinstance(reference, OutputReference | OutcomeReference):
        if reference.step not in declared.types:
            yield f"reference to an unknown step '{reference.step}'"
        elif isinstance(reference, OutcomeReference):
            if declared.types[reference.step] != CONDITION:
                yield f"step '{reference.step}' has no Outcome: it is not a Condition step"
        elif reference.output not in declared.outputs[reference.step]:
            yield f"step '{reference.step}' declares no output parameter '{reference.output}'"
