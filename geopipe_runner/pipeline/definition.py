"""Checks of a rendered pipeline definition that AWS would make later, or only while the pipeline runs.

Pure. The form is that of SageMaker's pipeline definition, version 2020-12-01. Its `shape` is looked at first, so that
what follows, and the rest of the program, may rely on it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ..errors import TemplateError
from .shape import BRANCHES, branches, faults

Definition = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_STEP_OUTPUT = re.compile(r"Steps\.(?P<step>[^.\[]+)\.OutputParameters\['(?P<output>[^']+)'\]")
_STEP = re.compile(r"Steps\.(?P<step>[^.\[]+)")
_EXECUTION = {
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
}
_HAVE_OUTPUTS = {"Lambda", "Callback"}

MAX_BYTES = 1024 * 1024
"""Of a definition given inline (CreatePipeline)."""


def check(definition: Definition, path: Path) -> None:
    """Raises TemplateError with everything that is wrong with `definition`, which came from `path`."""
    found = list(problems(definition))
    if found:
        raise TemplateError("\n".join(f"{path}: {problem}" for problem in found))


def declared_parameters(definition: Definition) -> tuple[str, ...]:
    """The names a pipeline may be started with."""
    return tuple(str(parameter["Name"]) for parameter in definition.get("Parameters", []))


def problems(definition: Any) -> Iterator[str]:
    """One sentence per fault; whatever JSON it is, the answer is sentences."""
    shape = list(faults(definition))
    yield from shape
    if shape:
        return
    size = len(serialised(definition))
    if size > MAX_BYTES:
        yield f"the definition has {size:,} bytes; SageMaker takes {MAX_BYTES:,}"
    steps = {step["Name"]: step for step in every_step(definition["Steps"])}
    yield from _names(definition)
    for name, step in steps.items():
        for reference in references(step):
            yield from (f"step {name!r}: {fault}" for fault in _reference(reference, definition, steps))
        for need in step.get("DependsOn", []):
            if need not in steps:
                yield f"step {name!r}: DependsOn names the unknown step {need!r}; there are {_listed(steps)}"
    for reference in references({k: v for k, v in definition.items() if k != "Steps"}):
        yield from _reference(reference, definition, steps)
    yield from _cycle(steps)


def serialised(definition: Definition) -> bytes:
    """The definition as it is sent."""
    return json.dumps(definition).encode("ascii")


@dataclass(frozen=True)
class StepOutline:
    """A step as a node of the pipeline's graph. `depends_on` are the steps that go before it, for whatever reason."""

    name: str
    kind: str
    depends_on: tuple[str, ...]


def outline(definition: Definition) -> tuple[StepOutline, ...]:
    """All steps in the order of a checked definition; those in a condition's branches come after the condition."""
    return tuple(_outlined(definition.get("Steps", []), ()))


def _outlined(steps: list[dict[str, Any]], condition: tuple[str, ...]) -> Iterator[StepOutline]:
    for step in steps:
        needs = _needs(step).union(condition)
        yield StepOutline(step["Name"], step["Type"], tuple(sorted(needs)))
        for inner in branches(step).values():
            yield from _outlined(inner, (step["Name"],))


def every_step(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All steps, those inside the branches of conditions included."""
    for step in steps:
        yield step
        for inner in branches(step).values():
            yield from every_step(inner)


def references(value: Any) -> Iterator[str]:
    """Every `Get` in `value`; those of nested steps belong to those steps."""
    if isinstance(value, Mapping):
        if set(value) == {"Get"} and isinstance(value["Get"], str):
            yield value["Get"]
            return
        for key, inner in value.items():
            if key not in BRANCHES:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _names(definition: Definition) -> Iterator[str]:
    named = {
        "parameter": [parameter["Name"] for parameter in definition.get("Parameters", [])],
        "step": [step["Name"] for step in every_step(definition["Steps"])],
    }
    for thing, names in named.items():
        for name, count in sorted(Counter(names).items()):
            if count > 1:
                yield f"{thing} {name!r} is there {count} times; names must be unique"
        for name in names:
            if not _NAME.fullmatch(name):
                yield f"{thing} name {name!r} is not valid: 1 to 64 letters, digits, hyphens or underscores"


def _reference(reference: str, definition: Definition, steps: Mapping[str, Any]) -> Iterator[str]:
    room, _, rest = reference.partition(".")
    if room == "Parameters":
        known = declared_parameters(definition)
        if rest not in known:
            yield f"{reference!r} names no parameter; there are {_listed(known)}"
    elif room == "Execution":
        if rest not in _EXECUTION:
            yield f"{reference!r} is unknown; there are {_listed(_EXECUTION)}"
    elif room == "Steps":
        yield from _step_reference(reference, steps)
    else:
        yield f"{reference!r} is unknown; a Get begins with Parameters., Execution. or Steps."


def _step_reference(reference: str, steps: Mapping[str, Any]) -> Iterator[str]:
    match = _STEP.match(reference)
    name = match["step"] if match else ""
    if name not in steps:
        yield f"{reference!r} names no step; there are {_listed(steps)}"
    elif steps[name].get("Type") in _HAVE_OUTPUTS:
        output = _STEP_OUTPUT.fullmatch(reference)
        declared = [entry["OutputName"] for entry in steps[name].get("OutputParameters", [])]
        if not output:
            yield f"{reference!r}: of a {steps[name]['Type']} step only OutputParameters['name'] can be had"
        elif output["output"] not in declared:
            yield f"{reference!r}: step {name!r} declares no such output; it declares {_listed(declared)}"


def _cycle(steps: Mapping[str, Any]) -> Iterator[str]:
    graph = {name: {need for need in _needs(step) if need in steps} for name, step in steps.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"steps wait for each other: {' -> '.join(reversed(error.args[1]))}"


def _needs(step: Mapping[str, Any]) -> set[str]:
    referenced = {match["step"] for reference in references(step) if (match := _STEP.match(reference))}
    return referenced | set(step.get("DependsOn", []))


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "none"
