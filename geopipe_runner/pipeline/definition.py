"""Checks of a rendered pipeline definition that AWS would make later, or only while the pipeline runs.

Pure. The form is that of SageMaker's pipeline definition, version 2020-12-01.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ..errors import TemplateError

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


def check(definition: Definition, path: Path) -> None:
    """Raises TemplateError with everything that is wrong with `definition`, which came from `path`."""
    found = list(problems(definition))
    if found:
        raise TemplateError("\n".join(f"{path}: {problem}" for problem in found))


def declared_parameters(definition: Definition) -> tuple[str, ...]:
    """The names a pipeline may be started with."""
    return tuple(str(parameter["Name"]) for parameter in definition.get("Parameters", []))


def problems(definition: Definition) -> Iterator[str]:
    """One sentence per fault."""
    shape = list(_shape(definition))
    yield from shape
    if shape:
        return
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


def every_step(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All steps, those inside the branches of conditions included."""
    for step in steps:
        yield step
        if step.get("Type") == "Condition":
            for branch in ("IfSteps", "ElseSteps"):
                yield from every_step(step.get("Arguments", {}).get(branch, []))


def references(value: Any) -> Iterator[str]:
    """Every `Get` in `value`; those of nested steps belong to those steps."""
    if isinstance(value, Mapping):
        if set(value) == {"Get"} and isinstance(value["Get"], str):
            yield value["Get"]
            return
        for key, inner in value.items():
            if key not in ("IfSteps", "ElseSteps"):
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _shape(definition: Definition) -> Iterator[str]:
    if not isinstance(definition.get("Steps"), list) or not definition["Steps"]:
        yield "there are no Steps; a pipeline has a list of at least one"
        return
    for section in ("Parameters", "Steps"):
        entries = definition.get(section, [])
        if not isinstance(entries, list):
            yield f"{section} is no list"
            continue
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or not isinstance(entry.get("Name"), str):
                yield f"{section}[{number}] has no Name"


def _names(definition: Definition) -> Iterator[str]:
    named = {
        "parameter": [parameter["Name"] for parameter in definition.get("Parameters", [])],
        "step": [step["Name"] for step in every_step(definition["Steps"])],
    }
    for thing, names in named.items():
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{thing} {name!r} is there {names.count(name)} times; names must be unique"
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
        declared = [entry.get("OutputName") for entry in steps[name].get("OutputParameters", [])]
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
