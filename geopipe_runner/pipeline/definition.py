"""Checks of a rendered pipeline definition that AWS would make later, or only while the pipeline runs.

Pure. The form is that of SageMaker's pipeline definition, version 2020-12-01. Structure comes first, then the content
of each part, then the references between them; every problem has its place in the definition.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TemplateError
from .content_checks import content_problems
from .expressions import references
from .json_text import dotted
from .reference_checks import STEP_REFERENCE, reference_problems
from .structure_checks import (
    DefinitionProblem,
    Step,
    every_step,
    inner_steps,
    needed_steps,
    own_part,
    structure_problems,
)

if TYPE_CHECKING:
    from .template import DefinitionPositions

Definition = Mapping[str, Any]

# Bytes of a definition given inline (CreatePipeline).
MAX_BYTES = 1024 * 1024

# What one message lists: more would not be read, and to explain each takes time.
_MOST_PROBLEMS = 100

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


def check(definition: Definition, path: Path, positions: DefinitionPositions | None = None, region: str = "") -> None:
    """Raises TemplateError with everything that is wrong with `definition`, which came from `path`.

    `region` is the one in which the pipeline will be; "" is any.
    """
    refuse(problems(definition, region), path, positions)


def refuse(found: Iterable[DefinitionProblem], path: Path, positions: DefinitionPositions | None = None) -> None:
    """Raises TemplateError with these problems of the definition that came from `path`, if there are any.

    A problem whose position is not known has its path in the definition.
    """
    lines = []
    problems_left = iter(found)
    for problem in islice(problems_left, _MOST_PROBLEMS):
        position = positions.of_value(problem.path) if positions else None
        where = dotted(problem.path)
        if position:
            text = f"{path}:{position.line}:{position.column}: {problem.text}"
        elif not where or problem.text.startswith(where):
            text = f"{path}: {problem.text}"
        else:
            text = f"{path}: {problem.text} (at {where})"
        lines.append(((position.line, position.column) if position else (0, 0), text))
    if lines:
        texts = [text for _, text in sorted(lines, key=itemgetter(0))]
        if next(problems_left, None):
            texts.append(f"{path}: there are more problems; correct these {_MOST_PROBLEMS} first")
        raise TemplateError("\n".join(texts))


def problems(definition: Any, region: str = "") -> Iterator[DefinitionProblem]:
    """Yields everything that is wrong with any JSON value as a pipeline definition in `region`; "" is any."""
    structure = list(structure_problems(definition))
    yield from structure
    if structure:
        return
    size = len(serialized(definition))
    if size > MAX_BYTES:
        yield DefinitionProblem((), f"the definition has {size:,} bytes; SageMaker takes {MAX_BYTES:,}")
    yield from _names(definition)
    yield from content_problems(definition)
    yield from _regions(definition, region)
    yield from reference_problems(definition)
    yield from _cycle(definition)


def declared_parameters(definition: Definition) -> tuple[str, ...]:
    """Returns the names of the parameters that a pipeline may be started with."""
    return tuple(str(parameter["Name"]) for parameter in definition.get("Parameters", []))


def serialized(definition: Definition) -> bytes:
    """Returns the definition as it is sent."""
    return json.dumps(definition).encode("ascii")


@dataclass(frozen=True)
class StepOutline:
    """A step as a node of the pipeline's graph. `depends_on` are the steps that go before it, for any reason."""

    name: str
    kind: str
    depends_on: tuple[str, ...]


def outline(definition: Definition) -> tuple[StepOutline, ...]:
    """Returns all steps in the order of a checked definition; the inner steps of a step come after it."""
    return tuple(_outlined(definition.get("Steps", []), ()))


def _outlined(steps: list[Step], outer: tuple[str, ...]) -> Iterator[StepOutline]:
    for step in steps:
        needs = _dependencies(step).union(outer)
        yield StepOutline(step["Name"], step["Type"], tuple(sorted(needs)))
        for inner in inner_steps(step).values():
            yield from _outlined(inner, (step["Name"],))


def _names(definition: Definition) -> Iterator[DefinitionProblem]:
    parameters = [(("Parameters", number), entry) for number, entry in enumerate(definition.get("Parameters", []))]
    for thing, entries in (("parameter", parameters), ("step", list(every_step(definition["Steps"])))):
        counts = Counter(entry["Name"] for _, entry in entries)
        last = {entry["Name"]: path for path, entry in entries}
        for name in sorted(name for name, count in counts.items() if count > 1):
            what = f"{thing} {name!r} is used {counts[name]} times; names must be unique"
            yield DefinitionProblem((*last[name], "Name"), what)
        for path, entry in entries:
            if not _NAME.fullmatch(entry["Name"]):
                what = f"{thing} name {entry['Name']!r} is not valid: 1 to 64 letters, digits, hyphens or underscores"
                yield DefinitionProblem((*path, "Name"), what)


def _regions(definition: Definition, region: str) -> Iterator[DefinitionProblem]:
    """Yields the functions that are not in the region of the pipeline, where SageMaker calls them."""
    for path, step in every_step(definition["Steps"]):
        arn = step.get("FunctionArn")
        other = arn.split(":")[3] if isinstance(arn, str) and arn.count(":") > 3 else region
        if region and other != region:
            what = f"step {step['Name']!r}: the function is in {other}, and the pipeline is in {region}"
            yield DefinitionProblem((*path, "FunctionArn"), f"{what}; SageMaker calls functions of its own region")


def _cycle(definition: Definition) -> Iterator[DefinitionProblem]:
    """Yields the steps that wait for each other. A step in a branch also waits for the step that decides about it."""
    placed = list(every_step(definition["Steps"]))
    paths = {step["Name"]: path for path, step in placed}
    if len(paths) < len(placed):
        return  # a name that is used twice is a problem of its own
    graph = {step.name: {need for need in step.depends_on if need in paths} for step in outline(definition)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1][:0:-1]
        first = cycle.index(next(name for name in paths if name in cycle))
        names = [*cycle[first:], *cycle[:first], cycle[first]]
        yield DefinitionProblem(paths[names[0]], f"steps wait for each other: {' -> '.join(names)}")


def _dependencies(step: Step) -> set[str]:
    matches = map(STEP_REFERENCE.match, references(own_part(step)))
    referenced = {match["step"] for match in matches if match}
    return referenced | set(needed_steps(step))
