"""Checks that everything the steps of a definition refer to, or wait for, exists and can be waited for.

Pure. AWS documents that no step can depend on a Fail step; the message is the service's. For a Condition in DependsOn
there is only a user's report that CreatePipeline refuses it (aws/sagemaker-python-sdk 3565). A step that must run
after the decision refers to its Outcome, which the service does resolve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .definition import Parameter, StepDefinition
from .paths import show
from .steps.base import StepType
from .values import (
    STEP_REFERENCES,
    ExpressionError,
    OutcomeReference,
    OutputReference,
    ParameterReference,
    PropertyFileReference,
    PropertyReference,
    Reference,
    references,
)


@dataclass(frozen=True)
class Declarations:
    """What a definition declares: parameters, and by step name its type, its outputs and its property files."""

    parameters: Mapping[str, Parameter]
    step_types: Mapping[str, StepType]
    outputs: Mapping[str, Mapping[str, str]]
    property_files: Mapping[str, frozenset[str]]


def reference_problems(value: object, declarations: Declarations) -> Iterator[str]:
    try:
        for reference in references(value):
            yield from _dangling_reference(reference, declarations)
    except ExpressionError as error:
        yield str(error)


def dependency_problems(body: Mapping[str, Any], declarations: Declarations) -> Iterator[str]:
    """Yield what is wrong with DependsOn."""
    for name in body.get("DependsOn") or []:
        step_type = declarations.step_types.get(name)
        if step_type is None:
            yield f"DependsOn names an unknown step '{name}'"
        elif step_type.is_final:
            yield f"{body['Name']} can not depends on {name}"
        elif step_type.branches:
            yield f"{body['Name']} can not depends on {name}: refer to Steps.{name}.Outcome, or be part of a branch"


def cycle_problems(steps: tuple[StepDefinition, ...]) -> Iterator[str]:
    try:
        TopologicalSorter({step.name: step.dependencies for step in steps}).prepare()
    except CycleError as error:
        yield f"steps depend on each other in a cycle: {' -> '.join(reversed(error.args[1]))}"


def referred_steps(value: object) -> Iterator[str]:
    """Yield the steps whose outputs, outcomes, properties or property files `value` refers to."""
    for reference in references(value):
        if isinstance(reference, STEP_REFERENCES):
            yield reference.step


def _dangling_reference(reference: Reference, declarations: Declarations) -> Iterator[str]:
    if isinstance(reference, ParameterReference) and reference.name not in declarations.parameters:
        yield f"reference to an undeclared parameter '{reference.name}'"
    elif isinstance(reference, STEP_REFERENCES):
        step_type = declarations.step_types.get(reference.step)
        if step_type is None:
            yield f"reference to an unknown step '{reference.step}'"
        elif isinstance(reference, OutcomeReference):
            if not step_type.branches:
                yield f"step '{reference.step}' has no Outcome: a {step_type.name} step decides nothing"
        elif isinstance(reference, PropertyReference):
            yield from _dangling_property(reference, step_type)
        elif isinstance(reference, PropertyFileReference):
            if reference.file not in declarations.property_files[reference.step]:
                yield f"step '{reference.step}' declares no property file '{reference.file}'"
        elif isinstance(reference, OutputReference) and (reference.output not in declarations.outputs[reference.step]):
            yield f"step '{reference.step}' declares no output parameter '{reference.output}'"


def _dangling_property(reference: PropertyReference, step_type: StepType) -> Iterator[str]:
    path = show(reference.path)
    if not step_type.has_properties:
        yield f"step '{reference.step}' has no property {path}: a {step_type.name} step has no properties"
    elif reference.path[0] == "Properties":
        yield f"a Get of step '{reference.step}' has no Properties in it: leave that part of {path} out"
