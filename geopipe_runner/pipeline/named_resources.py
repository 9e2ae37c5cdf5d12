"""The functions and queues that a definition names and the configuration does not: others have to have made them.

Local only. Names that come from a step's output or from the execution are known only while the pipeline runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.messages import one_of
from ..deployment import Deployment, NamedResource
from .json_text import JsonPath
from .structure_checks import DefinitionProblem, every_step

_KEYS = {"Lambda": "FunctionArn", "Callback": "SqsQueueUrl"}
# What the value of a parameter need not have.
_FORMS = {
    "Lambda": re.compile(r"arn:[^:\s]+:lambda:[^:\s]+:\d{12}:function:\S+"),
    "Callback": re.compile(r"https?://[^/\s]+/[^/\s]+/[^/\s]+/?"),
}
_PARAMETERS = "Parameters."


def named_resources(
    deployment: Deployment, definition: Mapping[str, Any], parameters: Mapping[str, str]
) -> tuple[NamedResource, ...]:
    """Returns each function and queue that is named and not configured. `parameters` are those of the execution."""
    found: dict[str, NamedResource] = {}
    for _, name, kind, place in _named(deployment, definition, parameters):
        found.setdefault(place, NamedResource(kind, place, f"step {name} names it"))
    return tuple(found.values())


def unmade_resources(
    deployment: Deployment, definition: Mapping[str, Any], parameters: Mapping[str, str]
) -> Iterator[DefinitionProblem]:
    """Yields what is named and not configured where others cannot have made it: on an emulator that begins empty."""
    functions = [deployment.function_arn_of(function) for function in deployment.step_functions.values()]
    queues = [deployment.queue_url_of(queue) for queue in deployment.callback_queues.values()]
    for path, name, kind, place in _named(deployment, definition, parameters) if deployment.config.forgets else ():
        known = functions if kind == "Lambda" else queues
        guess = one_of(place, known, f"configured are {', '.join(known)}" if known else "none is configured")
        what = f"step {name!r}: {_KEYS[kind]} is {place}, which the configuration does not make; {guess}"
        yield DefinitionProblem(path, what)


def _named(
    deployment: Deployment, definition: Mapping[str, Any], parameters: Mapping[str, str]
) -> Iterator[tuple[JsonPath, str, str, str]]:
    """Yields path, step, step type, and ARN or URL of what is named and not configured."""
    defaults = {entry["Name"]: entry.get("DefaultValue") for entry in definition.get("Parameters", [])}
    for path, step in every_step(definition["Steps"]):
        key = _KEYS.get(step["Type"])
        place = _resolved(step.get(key or ""), {**defaults, **parameters})
        if key is None or place is None or not _FORMS[step["Type"]].fullmatch(place):
            continue
        is_ours = deployment.function_at(place) if key == "FunctionArn" else deployment.queue_at(place)
        if not is_ours:
            yield (*path, key), step["Name"], step["Type"], place


def _resolved(value: Any, parameters: Mapping[str, Any]) -> str | None:
    if isinstance(value, dict) and str(value.get("Get", "")).startswith(_PARAMETERS):
        value = parameters.get(value["Get"].removeprefix(_PARAMETERS))
    return value if isinstance(value, str) and value else None
