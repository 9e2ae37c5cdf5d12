"""The shape of a pipeline definition: that lists are lists and names are text, before anything else looks inside.

Pure. What it means, and whether that can run, is for `definition` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BRANCHES = ("IfSteps", "ElseSteps")

MAX_NESTING = 64
"""Bounds our own recursion; no real definition comes near it."""


def branches(step: Mapping[str, Any]) -> dict[str, Any]:
    """The lists of steps inside a condition, by branch; none for any other step."""
    arguments = step.get("Arguments", {}) if step.get("Type") == "Condition" else {}
    return {branch: arguments[branch] for branch in BRANCHES if branch in arguments}


def faults(definition: Any) -> Iterator[str]:
    """One sentence for each thing that is not of the type it must be; whatever JSON it is, the answer is sentences."""
    if not isinstance(definition, dict):
        yield "a pipeline definition is a JSON object"
    elif _nests_deeper(definition, MAX_NESTING):
        yield f"it is nested more than {MAX_NESTING} levels deep"
    elif not isinstance(definition.get("Steps"), list) or not definition["Steps"]:
        yield "there are no Steps; a pipeline has a list of at least one"
    else:
        yield from _entries(definition.get("Parameters", []), "Parameters")
        yield from _step_shapes(definition["Steps"], "Steps")
        for key, value in definition.items():
            yield from _get_shapes(value, key) if key != "Steps" else ()


def _nests_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [item for items in inner for item in items]
    return bool(level)


def _entries(entries: Any, where: str) -> Iterator[str]:
    """Faults of a list of what has a Name and a Type."""
    if not isinstance(entries, list):
        yield f"{where} is no list"
        return
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("Name"), str):
            yield f"{where}[{number}] has no Name"
        elif not isinstance(entry.get("Type"), str):
            yield f"{where}[{number}], {entry['Name']!r}, has no Type"


def _step_shapes(steps: Any, where: str) -> Iterator[str]:
    found = list(_entries(steps, where))
    yield from found
    if found:
        return
    for number, step in enumerate(steps):
        yield from (f"step {step['Name']!r}: {fault}" for fault in _step_shape(step))
        if isinstance(step.get("Arguments", {}), dict):
            for branch, inner in branches(step).items():
                yield from _step_shapes(inner, f"{where}[{number}].Arguments.{branch}")


def _step_shape(step: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(step.get("Arguments", {}), dict):
        yield "Arguments is no object"
    needs = step.get("DependsOn", [])
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        yield "DependsOn is no list of step names"
    outputs = step.get("OutputParameters", [])
    if not isinstance(outputs, list) or not all(map(_is_output, outputs)):
        yield "OutputParameters is no list of objects with OutputName and OutputType"
    yield from _get_shapes(step, "")


def _is_output(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("OutputName", "OutputType"))


def _get_shapes(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict) and set(value) == {"Get"} and not isinstance(value["Get"], str):
        yield f"{where}: a Get names what it gets as text, such as Parameters.name"
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        if key not in BRANCHES:
            yield from _get_shapes(item, f"{where}[{key}]" if isinstance(value, list) else f"{where}.{key}".strip("."))
