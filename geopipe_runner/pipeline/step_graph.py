"""The steps of a checked definition as a graph: what each waits for, and why.

Pure. A step waits for what its DependsOn names, for the steps whose results it reads, and for the step that decides
whether it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .expressions import references
from .reference_checks import STEP_REFERENCE
from .structure_checks import Step, inner_steps, own_part

# What runs the steps under a key of Arguments.
_BRANCHES: Mapping[str, str] = {"IfSteps": "if true", "ElseSteps": "if false", "ForEachBody": "for each item"}

_OUTPUT = re.compile(r"\.OutputParameters\[['\"](?P<name>.+)['\"]\]")
_FILE = re.compile(r"\.PropertyFiles\.(?P<name>.+)")


@dataclass(frozen=True)
class StepNeed:
    """A step that goes before another one, and why.

    `reads` are the results that the other step reads. `depends_on` says that its DependsOn names this step, and
    `trigger` in which state this step has to end; "" is Succeeded.
    """

    step: str
    reads: tuple[str, ...]
    depends_on: bool = False
    trigger: str = ""


@dataclass(frozen=True)
class StepNode:
    """A step. `inside` is the step in whose branch it is, and `branch` says when that branch runs; "" for neither."""

    name: str
    kind: str
    inside: str
    branch: str
    needs: tuple[StepNeed, ...]


def step_graph(definition: Mapping[str, Any]) -> tuple[StepNode, ...]:
    """Returns all steps of a checked definition.

    A step comes after what it needs where both are on one level. The steps of a branch come after the step that
    decides about it.
    """
    return tuple(_nodes(definition["Steps"], "", ""))


def _nodes(steps: list[Step], inside: str, branch: str) -> Iterator[StepNode]:
    for step in _in_order(steps):
        yield StepNode(step["Name"], step["Type"], inside, branch, _needs(step))
        for key, inner in inner_steps(step).items():
            yield from _nodes(inner, step["Name"], _BRANCHES[key])


def _in_order(steps: list[Step]) -> Iterator[Step]:
    """Yields the steps of one list, each after those of the list that it or a step inside of it needs."""
    waiting = {step["Name"]: step for step in steps}
    needed = {name: _needed_with_inner(step) & waiting.keys() - {name} for name, step in waiting.items()}
    while waiting:
        ready = next((name for name in waiting if not needed[name] & waiting.keys()), next(iter(waiting)))
        yield waiting.pop(ready)


def _needed_with_inner(step: Step) -> set[str]:
    names = {need.step for need in _needs(step)}
    for inner in inner_steps(step).values():
        for inner_step in inner:
            names |= _needed_with_inner(inner_step)
    return names


def _needs(step: Step) -> tuple[StepNeed, ...]:
    reads: dict[str, list[str]] = {}
    for reference in references(own_part(step)):
        match = STEP_REFERENCE.match(reference)
        if match:
            result = _result(reference[match.end() :])
            results = reads.setdefault(match["step"], [])
            if result not in results:
                results.append(result)
    triggers: dict[str, str] = {}
    for entry in step.get("DependsOn", []):
        name, trigger = (entry["Step"], entry["Trigger"]) if isinstance(entry, dict) else (entry, "")
        triggers[name] = trigger
    names = [*triggers, *(name for name in reads if name not in triggers)]
    return tuple(StepNeed(name, tuple(reads.get(name, ())), name in triggers, triggers.get(name, "")) for name in names)


def _result(path: str) -> str:
    """Returns in words what a Get reads: `output arn`, `property file Report`, `ModelArtifacts.S3ModelArtifacts`."""
    for pattern, word in ((_OUTPUT, "output"), (_FILE, "property file")):
        if match := pattern.fullmatch(path):
            return f"{word} {match['name']}"
    return path.removeprefix(".")
