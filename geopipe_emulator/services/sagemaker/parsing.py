"""Turns the JSON text of a definition into a checked graph of steps.

Pure: it asks no service, so it does not know whether a role or function exists. Each step type checks its own fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from .branches import PlacedStep, branch_problems, flatten_steps
from .caching import cache_problems
from .definition import Definition, DefinitionError, Parameter, StepDefinition
from .dependencies import Declarations, cycle_problems, dependency_problems, reference_problems, referred_steps
from .retries import retry_problems
from .steps.base import StepType
from .values import VALUE_TYPES, has_type

VERSION = "2020-12-01"
# Bounds our own recursion; no real definition comes near it.
MAX_NESTING = 64

# AWS's step types that are missing here: the message distinguishes them from typing errors.
OTHER_STEP_TYPES = frozenset({"Athena", "Cleanup", "ForEach", "HubContent"})

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


def parse(text: str, step_types: Mapping[str, StepType], region: str) -> Definition:
    """Return the checked definition.

    Raises:
        DefinitionError: something is wrong with it; the message lists every problem.
    """
    document = _load(text)
    placed = flatten_steps(_items(document, "Steps"), step_types)
    problems = [*_document_problems(document), *_parameter_problems(document)]
    problems += [*branch_problems(_items(document, "Steps"), step_types), *_step_problems(placed, step_types)]
    _refuse_if_any(problems)
    parameters = {p["Name"]: _parameter(p) for p in _items(document, "Parameters")}
    bodies = [step.body for step in placed]
    for body in bodies:
        problems += (f"step '{body['Name']}': {p}" for p in step_types[body["Type"]].check(body, region))
    problems += _lookup_problems(document, bodies, parameters, step_types)
    _refuse_if_any(problems)
    steps = tuple(_step(step, step_types) for step in placed)
    _refuse_if_any([*cycle_problems(steps)])
    return Definition(text, parameters, steps, region)


def _load(text: str) -> dict[str, Any]:
    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        document = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"Unable to parse pipeline definition. Invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise DefinitionError("Unable to parse pipeline definition. Expected a JSON object")
    if _nests_deeper(document, MAX_NESTING):
        raise DefinitionError(f"Unable to parse pipeline definition. Nested more than {MAX_NESTING} levels deep")
    return document


def _nests_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [list(v.values()) if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        level = [item for items in inner for item in items]
    return bool(level)


def _refuse_if_any(problems: list[str]) -> None:
    if problems:
        raise DefinitionError("Unable to parse pipeline definition. " + "; ".join(problems))


def _document_problems(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("Version", VERSION) != VERSION:
        yield f"Version must be '{VERSION}', not {document['Version']!r}"
    steps = document.get("Steps")
    if not isinstance(steps, list) or not steps:
        yield "Steps is required and must be a list of at least one step"
    for key, kind in (("Parameters", list), ("Metadata", dict), ("PipelineExperimentConfig", dict)):
        if key in document and not isinstance(document[key], kind) and document[key] is not None:
            yield f"{key} must be a JSON {'array' if kind is list else 'object'}"


def _parameter_problems(document: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for entry in _items(document, "Parameters"):
        name, kind = (entry.get("Name"), entry.get("Type")) if isinstance(entry, dict) else (None, None)
        if not _valid_name(name):
            yield f"parameter name {name!r} must match {_NAME.pattern}"
            continue
        if name in seen:
            yield f"parameter '{name}' is declared twice"
        seen.add(str(name))
        if kind not in VALUE_TYPES:
            yield f"parameter '{name}' has type {kind!r}; valid are {', '.join(VALUE_TYPES)}"
        elif "DefaultValue" in entry and not has_type(kind, entry["DefaultValue"]):
            yield f"DefaultValue of parameter '{name}' is not of type {kind}: {entry['DefaultValue']!r}"
        if not isinstance(entry.get("EnumValues", []), list):
            yield f"EnumValues of parameter '{name}' must be a list"


def _step_problems(placed: list[PlacedStep], step_types: Mapping[str, StepType]) -> Iterator[str]:
    seen: set[str] = set()
    for entry in (step.body for step in placed):
        name = entry.get("Name") if isinstance(entry, dict) else None
        if not _valid_name(name):
            yield f"step name {name!r} must match {_NAME.pattern}"
            continue
        if name in seen:
            yield f"step name '{name}' is used twice"
        seen.add(str(name))
        yield from (f"step '{name}': {problem}" for problem in _common_problems(entry, step_types))


def _common_problems(body: Mapping[str, Any], step_types: Mapping[str, StepType]) -> Iterator[str]:
    kind = body.get("Type")
    if not isinstance(kind, str) or kind not in step_types:
        state = "is not supported by this endpoint" if str(kind) in OTHER_STEP_TYPES else "is unknown"
        yield f"step type {kind!r} {state}; supported are {', '.join(sorted(step_types))}"
    if not isinstance(body.get("Arguments", {}), dict):
        yield "Arguments must be a JSON object"
    names = body.get("DependsOn") or []
    if isinstance(names, list) and any(isinstance(name, dict) for name in names):
        yield "DependsOn with a Trigger is not supported by this endpoint; give the names of steps"
    elif not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield "DependsOn must be a list of step names"
    for key in ("DisplayName", "Description"):
        if not isinstance(body.get(key, ""), str):
            yield f"{key} must be a string"
    yield from _output_problems(body.get("OutputParameters", []))
    yield from retry_problems(body)
    yield from cache_problems(body)


def _output_problems(outputs: object) -> Iterator[str]:
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        yield "OutputParameters must be a list of objects"
        return
    names = [output.get("OutputName") for output in outputs]
    for output, name in zip(outputs, names, strict=True):
        if not isinstance(name, str) or not 1 <= len(name) <= 256:
            yield f"OutputName must be a string of 1 to 256 characters, not {name!r}"
        elif names.count(name) > 1:
            yield f"output parameter '{name}' is declared twice"
        if output.get("OutputType") not in VALUE_TYPES:
            yield f"OutputType of '{name}' must be one of {', '.join(VALUE_TYPES)}, not {output.get('OutputType')!r}"


def _lookup_problems(
    document: Mapping[str, Any],
    bodies: list[Mapping[str, Any]],
    parameters: Mapping[str, Parameter],
    step_types: Mapping[str, StepType],
) -> Iterator[str]:
    types = {body["Name"]: step_types[body["Type"]] for body in bodies}
    outputs = {body["Name"]: _outputs(body) for body in bodies}
    declarations = Declarations(parameters, types, outputs, {body["Name"]: _property_files(body) for body in bodies})
    experiment = document.get("PipelineExperimentConfig")
    yield from (f"PipelineExperimentConfig: {p}" for p in reference_problems(experiment, declarations))
    for body in bodies:
        problems = [*reference_problems(body, declarations), *dependency_problems(body, declarations)]
        yield from (f"step '{body['Name']}': {problem}" for problem in problems)


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    return Parameter(entry["Name"], entry["Type"], entry.get("DefaultValue"), tuple(entry.get("EnumValues", ())))


def _step(placed: PlacedStep, step_types: Mapping[str, StepType]) -> StepDefinition:
    body, branch = placed.body, placed.branch
    dependencies = [*(body.get("DependsOn") or []), *referred_steps(body), *([branch.step] if branch else [])]
    step_type = step_types[body["Type"]]
    return StepDefinition(body["Name"], step_type, body, frozenset(dependencies), _outputs(body), branch)


def _outputs(body: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputName"]: output["OutputType"] for output in body.get("OutputParameters", [])}


def _property_files(body: Mapping[str, Any]) -> frozenset[str]:
    files = body.get("PropertyFiles")
    entries = files if isinstance(files, list) else []
    return frozenset(str(entry.get("PropertyFileName")) for entry in entries if isinstance(entry, dict))


def _items(document: Mapping[str, Any], key: str) -> list[Any]:
    items = document.get(key)
    return items if isinstance(items, list) else []


def _valid_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
