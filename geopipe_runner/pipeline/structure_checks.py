"""The structure of a pipeline definition: that lists are lists and names are text.

Pure. Everything that looks inside a definition afterwards relies on it. What the values mean is `content_checks`' part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .json_text import JsonPath, dotted

Step = Mapping[str, Any]

BRANCHES = ("IfSteps", "ElseSteps")
_FOR_EACH_BODY = "ForEachBody"

TRIGGERS = ("Failed", "Stopped", "Any")

# Bounds our own recursion; no real definition comes near it.
MAX_NESTING = 64


@dataclass(frozen=True)
class DefinitionProblem:
    """One thing that is wrong in a definition, and the path of the value that is."""

    path: JsonPath
    text: str


def inner_steps(step: Step) -> dict[str, Any]:
    """Returns the lists of steps inside a Condition or ForEach step, by their key; none for any other step."""
    keys = {"Condition": BRANCHES, "ForEach": (_FOR_EACH_BODY,)}.get(str(step.get("Type")), ())
    arguments = step.get("Arguments", {}) if keys else {}
    return {key: arguments[key] for key in keys if key in arguments}


def own_part(step: Step) -> dict[str, Any]:
    """Returns a step without the steps inside it. What a key such as IfSteps holds elsewhere is the step's own."""
    if not isinstance(step.get("Arguments", {}), dict) or not (inner := inner_steps(step)):
        return dict(step)
    return {**step, "Arguments": {key: value for key, value in step["Arguments"].items() if key not in inner}}


def needed_steps(step: Step) -> list[str]:
    """Returns the names in DependsOn, each given as text or with the state that triggers the step."""
    return [entry["Step"] if isinstance(entry, dict) else entry for entry in step.get("DependsOn", [])]


def every_step(steps: list[Any], path: JsonPath = ("Steps",)) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Yields all steps with their paths, those inside of other steps included."""
    for number, step in enumerate(steps):
        here = (*path, number)
        yield here, step
        for key, inner in inner_steps(step).items():
            yield from every_step(inner, (*here, "Arguments", key))


def structure_problems(definition: Any) -> Iterator[DefinitionProblem]:
    """Yields everything that is not of the type it must be, for any JSON value."""
    if not isinstance(definition, dict):
        yield DefinitionProblem((), "a pipeline definition is a JSON object")
    elif _nests_deeper(definition, MAX_NESTING):
        yield DefinitionProblem((), f"it is nested more than {MAX_NESTING} levels deep")
    elif not isinstance(definition.get("Steps"), list) or not definition["Steps"]:
        yield DefinitionProblem(("Steps",), "there are no Steps; a pipeline has a list of at least one")
    else:
        yield from _entries(definition.get("Parameters", []), ("Parameters",))
        yield from _step_list(definition["Steps"], ("Steps",))
        for key, value in definition.items():
            if key != "Steps":
                yield from (DefinitionProblem(p.path, f"{dotted(p.path)}: {p.text}") for p in _gets(value, (key,)))


def _nests_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [item for items in inner for item in items]
    return bool(level)


def _entries(entries: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    """Yields the problems of a list whose entries have a Name and a Type."""
    if not isinstance(entries, list):
        yield DefinitionProblem(path, f"{dotted(path)} is not a list")
        return
    for number, entry in enumerate(entries):
        here = (*path, number)
        if not isinstance(entry, dict) or not isinstance(entry.get("Name"), str):
            yield DefinitionProblem(here, f"{dotted(here)} has no Name")
        elif not isinstance(entry.get("Type"), str):
            yield DefinitionProblem(here, f"{dotted(here)}, {entry['Name']!r}, has no Type")


def _step_list(steps: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    problems = list(_entries(steps, path))
    yield from problems
    if problems:
        return
    for number, step in enumerate(steps):
        here = (*path, number)
        for problem in _step(step, here):
            yield DefinitionProblem(problem.path, f"step {step['Name']!r}: {problem.text}")
        if isinstance(step.get("Arguments", {}), dict):
            for key, inner in inner_steps(step).items():
                yield from _step_list(inner, (*here, "Arguments", key))


def _step(step: Step, path: JsonPath) -> Iterator[DefinitionProblem]:
    if not isinstance(step.get("Arguments", {}), dict):
        yield DefinitionProblem((*path, "Arguments"), "Arguments is not an object")
    needs = step.get("DependsOn", [])
    if not isinstance(needs, list) or not all(map(_is_dependency, needs)):
        yield DefinitionProblem((*path, "DependsOn"), "DependsOn is not a list of step names")
    outputs = step.get("OutputParameters", [])
    if not isinstance(outputs, list) or not all(map(_is_output, outputs)):
        what = "OutputParameters is not a list of objects with OutputName and OutputType"
        yield DefinitionProblem((*path, "OutputParameters"), what)
    for problem in _gets(own_part(step), path):
        where = dotted(problem.path[len(path) :])
        yield DefinitionProblem(problem.path, f"{where}: {problem.text}")


def _is_dependency(entry: Any) -> bool:
    if isinstance(entry, dict):
        return isinstance(entry.get("Step"), str) and entry.get("Trigger") in TRIGGERS
    return isinstance(entry, str)


def _is_output(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("OutputName", "OutputType"))


def _gets(value: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    if isinstance(value, dict) and set(value) == {"Get"} and not isinstance(value["Get"], str):
        yield DefinitionProblem(path, "a Get names what it gets as text, such as Parameters.name")
        return
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield from _gets(item, (*path, key))
