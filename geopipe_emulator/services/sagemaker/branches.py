"""Takes the steps of branches out of the steps that hold them: an execution sees one flat graph.

Pure, and tolerant of malformed entries: `parsing` reports what is wrong with a step by itself. AWS's guide says that a
Condition cannot stand inside another one, but AWS's SDK writes such definitions, so they are accepted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .definition import Branch
from .steps.base import StepType


@dataclass(frozen=True)
class PlacedStep:
    """A step as written, without the steps of its branches, and the branch that it stands on."""

    body: Any
    branch: Branch | None = None


def flatten_steps(entries: list[Any], step_types: Mapping[str, StepType]) -> list[PlacedStep]:
    """Return every step; the steps of a branch follow the step that decides it."""
    return list(_flattened(entries, step_types, None))


def _flattened(entries: list[Any], step_types: Mapping[str, StepType], outer: Branch | None) -> Iterator[PlacedStep]:
    for entry in entries:
        branches = _branches(entry, step_types)
        yield PlacedStep(_without_branches(entry, branches), outer)
        for argument, outcome in branches.items():
            branch = Branch(str(entry.get("Name")), outcome)
            yield from _flattened(_inner_steps(entry, argument), step_types, branch)


def branch_problems(entries: list[Any], step_types: Mapping[str, StepType]) -> Iterator[str]:
    for entry in entries:
        for argument in _branches(entry, step_types):
            if not isinstance(_arguments(entry).get(argument, []), list):
                yield f"step {entry.get('Name')!r}: Arguments.{argument} must be a list of steps"
            yield from branch_problems(_inner_steps(entry, argument), step_types)


def _branches(entry: Any, step_types: Mapping[str, StepType]) -> Mapping[str, bool]:
    """Return the arguments of a step that hold steps, with the outcome for which those run."""
    type_name = entry.get("Type") if isinstance(entry, dict) else None
    step_type = step_types.get(type_name) if isinstance(type_name, str) else None
    return step_type.branches if step_type else {}


def _without_branches(entry: Any, branches: Mapping[str, bool]) -> Any:
    if not branches or not isinstance(entry.get("Arguments"), dict):
        return entry
    return {**entry, "Arguments": {k: v for k, v in entry["Arguments"].items() if k not in branches}}


def _inner_steps(entry: Mapping[str, Any], argument: str) -> list[Any]:
    steps = _arguments(entry).get(argument)
    return steps if isinstance(steps, list) else []


def _arguments(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = entry.get("Arguments")
    return arguments if isinstance(arguments, dict) else {}
