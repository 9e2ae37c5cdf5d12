"""What a pipeline definition refers to: parameters, execution variables, steps, their outputs and properties.

Pure apart from reading botocore's model. The structure and the content have been checked. A step may read any other
step, also one in a branch: where the branch is not taken, SageMaker does not run the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..aws.service_model import Shapes, load_shapes
from ..config.messages import nearest, quote
from .expressions import placed_references
from .step_types import STEP_TYPES, StepRules, list_entries
from .structure_checks import DefinitionProblem, Step, every_step, needed_steps, own_part

EXECUTION_VARIABLES = (
    "CurrentDateTime",
    "PipelineArn",
    "PipelineExecutionArn",
    "PipelineExecutionId",
    "PipelineName",
    "ProcessingJobName",
    "StartDateTime",
    "TrainingJobName",
)
STEP_REFERENCE = re.compile(r"Steps\.(?P<step>[^.\[]+)")
_OUTPUT = re.compile(r"\.OutputParameters\[(?P<quote>['\"])(?P<output>.+)(?P=quote)\]")
_PROPERTY_FILE = re.compile(r"\.PropertyFiles\.(?P<file>.+)")
# `.Member`, `['key']` of a map or of a list of named items, or `[0]` of any other list.
_PATH_PART = re.compile(r"\.(?P<member>[^.\[\]]+)|\[(?P<quote>['\"])(?P<key>.+?)(?P=quote)\]|\[(?P<index>\d+)\]")
# Names in one message.
_MOST_LISTED = 30
_ENTRY = re.compile(r"\.(?P<list>[^\[]+)\[(?P<quote>['\"])(?P<key>.+?)(?P=quote)\]")


def reference_problems(definition: Mapping[str, Any]) -> Iterator[DefinitionProblem]:
    """Yields every Get and every DependsOn that names something which is not there, or cannot be read."""
    placed = list(every_step(definition["Steps"]))
    names = _Names(
        tuple(parameter["Name"] for parameter in definition.get("Parameters", [])),
        {step["Name"]: step for _, step in placed},
    )
    for path, step in placed:
        for place, reference in placed_references(own_part(step), path):
            for what in names.reference(reference):
                yield DefinitionProblem(place, f"step {step['Name']!r}: {what}")
        for need in needed_steps(step):
            for what in names.dependency(need):
                yield DefinitionProblem((*path, "DependsOn"), f"step {step['Name']!r}: {what}")
    for place, reference in placed_references({k: v for k, v in definition.items() if k != "Steps"}, ()):
        yield from (DefinitionProblem(place, what) for what in names.reference(reference))


@dataclass(frozen=True)
class _Names:
    """What a definition declares: its parameters, and its steps by their names."""

    parameters: tuple[str, ...]
    steps: Mapping[str, Step]

    def dependency(self, need: str) -> Iterator[str]:
        """Yields what is wrong with an entry of DependsOn."""
        if need not in self.steps:
            yield f"DependsOn names the unknown step {need!r}; {_known('the steps', need, self.steps)}"
        elif self.steps[need]["Type"] == "Fail":
            yield f"DependsOn names the Fail step {need!r}, after which nothing runs"
        elif self.steps[need]["Type"] == "Condition":
            yield f"DependsOn names the Condition step {need!r}, which SageMaker refuses; refer to Steps.{need}.Outcome"

    def reference(self, reference: str) -> Iterator[str]:
        """Yields what is wrong with the text of a Get."""
        root, _, rest = reference.partition(".")
        if root == "Parameters":
            if rest not in self.parameters:
                yield f"{reference!r} names an unknown parameter; {_known('the parameters', rest, self.parameters)}"
        elif root == "Execution":
            if rest not in EXECUTION_VARIABLES:
                yield f"{reference!r} is unknown; {_known('known', rest, EXECUTION_VARIABLES)}"
        elif root == "Steps":
            yield from self._step_reference(reference)
        elif root not in ("ForEach", "IterationOutput") or not self._has_loop():
            yield f"{reference!r} is unknown; a Get begins with Parameters., Execution. or Steps."

    def _has_loop(self) -> bool:
        return any(step["Type"] == "ForEach" for step in self.steps.values())

    def _step_reference(self, reference: str) -> Iterator[str]:
        match = STEP_REFERENCE.match(reference)
        name = match["step"] if match else ""
        if match is None or name not in self.steps:
            yield f"{reference!r} names an unknown step; {_known('the steps', name, self.steps)}"
            return
        step, member = self.steps[name], reference[match.end() :]
        kind = step["Type"]
        property_file = _PROPERTY_FILE.fullmatch(member)
        if kind not in STEP_TYPES:
            return  # the unknown type is a problem of its own
        if STEP_TYPES[kind].has_outputs:
            output = _OUTPUT.fullmatch(member)
            declared = [entry["OutputName"] for entry in step.get("OutputParameters", [])]
            if not output:
                yield f"{reference!r}: of a {kind} step a Get can only read OutputParameters['name']"
            elif output["output"] not in declared:
                yield f"{reference!r}: step {name!r} declares no such output; it declares {_listed(declared)}"
        elif kind == "Condition":
            if member != ".Outcome":
                yield f"{reference!r}: a Get can only read the Outcome of a Condition step"
        elif kind == "Fail":
            yield f"{reference!r}: a Get cannot read anything from a Fail step"
        elif member.startswith(".Properties"):
            path = member.removeprefix(".Properties")
            yield f"{reference!r}: a Get has no Properties in it; write Steps.{name}{path}"
        elif property_file:
            if property_file["file"] not in property_files(step):
                yield f"{reference!r}: step {name!r} has no such property file; it has {_listed(property_files(step))}"
        else:
            for what in (*_property_problems(kind, member), *_entry_problems(step, member)):
                yield f"{reference!r}: {what}"


def property_files(step: Step) -> list[str]:
    """Returns the names of a step's property files."""
    files = step.get("PropertyFiles")
    entries = files if isinstance(files, list) else []
    return [str(entry.get("PropertyFileName")) for entry in entries if isinstance(entry, dict)]


def _property_problems(kind: str, path: str) -> Iterator[str]:
    """Yields what keeps SageMaker from reading `path`, such as `.ModelArtifacts.S3ModelArtifacts`, of a step."""
    parts = list(_PATH_PART.finditer(path))
    if not parts or "".join(part[0] for part in parts) != path:
        yield f"after the step's name, a Get has members such as .{_example(STEP_TYPES[kind])}"
        return
    rules, shapes = STEP_TYPES[kind], load_shapes(STEP_TYPES[kind].service)
    known = {**_members(shapes, rules.response), **rules.properties}
    if not known or (rules.response and rules.response not in shapes):
        return
    here, shape = f"the result of a {kind} step", ""
    for number, part in enumerate(parts):
        key = part["member"]
        if number == 0 or _type_of(shapes, shape) == "structure":
            if key not in known:
                near = nearest(key, known) if key else None
                guess = f"did you mean {quote(near)}?" if near else f"it has {_listed(known)}"
                yield f"{here} has no {part[0].removeprefix('.')}; {guess}"
                return
            shape = known[key]
        elif _type_of(shapes, shape) in ("list", "map"):
            if key:
                yield f"{here} has no members; write ['{key}'] for an entry by its name or key"
                return
            shape = shapes[shape]["member" if shapes[shape]["type"] == "list" else "value"]["shape"]
        elif shape:
            yield f"{here} is a single value, which has no {part[0].removeprefix('.')}"
            return
        if not shape:
            return
        here, known = path[1 : part.end()], _members(shapes, shape)


def _entry_problems(step: Step, path: str) -> Iterator[str]:
    """Yields why an entry that is read by its name, such as `.InputDataConfig['train']`, is not there."""
    for place, member in STEP_TYPES[step["Type"]].entries.items():
        match = _ENTRY.match(path)
        names = list_entries(step, place, member) if match and match["list"] == place else None
        if match and names is not None and match["key"] not in names:
            near = nearest(match["key"], names)
            guess = f"did you mean {quote(near)}?" if near else f"it has {_listed(names)}"
            yield f"{place} has no entry {match['key']!r}; {guess}"


def _members(shapes: Shapes, name: str) -> dict[str, str]:
    members = shapes.get(name, {}).get("members", {})
    return {key: str(entry["shape"]) for key, entry in members.items()}


def _type_of(shapes: Shapes, name: str) -> str:
    return str(shapes.get(name, {}).get("type", ""))


def _example(rules: StepRules) -> str:
    return next(iter(rules.properties), "ModelArtifacts.S3ModelArtifacts")


def _known(what: str, name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = nearest(name, known)
    return f"did you mean {quote(near)}?" if near else f"{what} are {_listed(known)}"


def _listed(names: Iterable[Any]) -> str:
    known = sorted(str(name) for name in names)
    more = [f"{len(known) - _MOST_LISTED} more"] if len(known) > _MOST_LISTED else []
    return ", ".join([*known[:_MOST_LISTED], *more]) or "none"
