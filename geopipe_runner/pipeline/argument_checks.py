"""The Arguments of job steps, against the request that creates such a job.

Pure apart from reading botocore's model. Null stands for a value left out, as the SageMaker SDK writes it. An
expression may stand for a value, an object or a map. For a list SageMaker refuses it (aws/sagemaker-python-sdk 2345).

What we do not check: patterns and the least lengths, which the service does not hold to everywhere, and values that an
enumeration may have gained since (new instance types appear every month). Words that are only misspelled are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..aws.service_model import Shapes, load_shapes
from ..config.messages import one_of
from .expressions import is_expression, shown
from .json_text import JsonPath, dotted
from .spelling import misspelled
from .step_types import STEP_TYPES, StepRules
from .structure_checks import DefinitionProblem, Step

_NOT_KNOWN = "; if AWS has added it since, upgrade boto3"


def argument_problems(step: Step, path: JsonPath, parameter_types: Mapping[str, str]) -> Iterator[DefinitionProblem]:
    """Yields what SageMaker would refuse in the Arguments of a step whose type is known.

    `parameter_types` are those of the pipeline's parameters, by their names.
    """
    kind, arguments, here = step["Type"], step.get("Arguments", {}), (*path, "Arguments")
    rules = STEP_TYPES[kind]
    if missing := [key for key in rules.required if key not in arguments]:
        yield DefinitionProblem(here, f"a {kind} step needs {', '.join(missing)} in Arguments")
    if rules.alternatives:
        given = [key for key in rules.alternatives if arguments.get(key) is not None]
        either = " or ".join(rules.alternatives)
        if not given:
            yield DefinitionProblem(here, f"a step of type {kind} needs {either} in Arguments")
        elif rules.is_exclusive and len(given) > 1:
            yield DefinitionProblem(here, f"a step of type {kind} has either {either} in Arguments, not both")
    if rules.request and rules.request in load_shapes("sagemaker"):
        checks = _RequestChecks(load_shapes("sagemaker"), rules, parameter_types, here)
        yield from checks.members(rules.request, arguments, here, is_root=True)


@dataclass(frozen=True)
class _RequestChecks:
    """The checks of one step's Arguments. `root` is their path: messages give a place relative to it."""

    shapes: Shapes
    rules: StepRules
    parameter_types: Mapping[str, str]
    root: JsonPath

    def members(
        self, name: str, value: Mapping[str, Any], path: JsonPath, *, is_root: bool = False
    ) -> Iterator[DefinitionProblem]:
        """Yields the problems of an object with the structure `name`."""
        shape = self.shapes[name]
        members = {key: entry for key, entry in shape["members"].items() if key not in self.rules.not_taken}
        where = self._where(path)
        for key, item in value.items():
            if key in members:
                yield from self._value(members[key]["shape"], item, (*path, key))
            elif key in self.rules.not_taken:
                yield DefinitionProblem((*path, key), f"{where} has {key}, which SageMaker does not take in a pipeline")
            else:
                guess = one_of(key, members, f"{_listed(members)}{_NOT_KNOWN}")
                yield DefinitionProblem((*path, key), f"{where} has the unknown member {key!r}; {guess}")
        if not is_root and (missing := [key for key in shape.get("required", ()) if key not in value]):
            yield DefinitionProblem(path, f"{where} needs {', '.join(missing)}")

    def _value(self, name: str, value: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
        shape = self.shapes[name]
        kind = shape["type"]
        if value is None:
            return
        if is_expression(value):
            yield from self._expression(kind, value, path)
        elif kind in _JSON_TYPES and not _has_json_type(kind, value):
            what = f"{self._where(path)} is {shown(value)}, not {_JSON_TYPES[kind][1]}"
            yield DefinitionProblem(path, what)
        elif kind == "structure":
            yield from self.members(name, value, path)
        elif kind == "list":
            yield from self._count(shape, value, path)
            for number, item in enumerate(value):
                yield from self._value(shape["member"]["shape"], item, (*path, number))
        elif kind == "map":
            yield from self._count(shape, value, path)
            for key, item in value.items():
                yield from self._value(shape["value"]["shape"], item, (*path, key))
        elif kind == "string":
            yield from self._text(shape, value, path)
        elif kind in ("integer", "long", "float", "double"):
            yield from self._number(shape, value, path)

    def _expression(self, kind: str, value: Mapping[str, Any], path: JsonPath) -> Iterator[DefinitionProblem]:
        where = self._where(path)
        if kind == "list":
            what = f"{where} is an expression, and SageMaker takes a list here: put the expression into [...]"
            yield DefinitionProblem(path, what)
        root, _, name = str(value.get("Get", "")).partition(".")
        given = self.parameter_types.get(name, "String") if root == "Parameters" else "String"
        if kind == "string" and given != "String":  # aws/sagemaker-python-sdk 4867
            what = f"{where} is text, and parameter {name!r} is of type {given}"
            hint = f'write {{"Std:Join": {{"On": "", "Values": [{{"Get": "Parameters.{name}"}}]}}}}'
            yield DefinitionProblem(path, f"{what}, which SageMaker does not convert; {hint}")

    def _count(self, shape: Mapping[str, Any], value: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
        if len(value) > shape.get("max", len(value)):
            what = f"{self._where(path)} has {len(value):,} entries; SageMaker takes {shape['max']:,}"
            yield DefinitionProblem(path, what)

    def _text(self, shape: Mapping[str, Any], value: str, path: JsonPath) -> Iterator[DefinitionProblem]:
        where = self._where(path)
        if len(value) > shape.get("max", len(value)):
            what = f"{where} has {len(value):,} characters; SageMaker takes {shape['max']:,}"
            yield DefinitionProblem(path, what)
        meant = misspelled(value, shape.get("enum", ()))
        if meant:
            yield DefinitionProblem(path, f'{where} is {shown(value)}; did you mean "{meant}"?')

    def _number(self, shape: Mapping[str, Any], value: float, path: JsonPath) -> Iterator[DefinitionProblem]:
        least, most = shape.get("min", value), shape.get("max", value)
        if not least <= value <= most:
            limit = f"at least {least:,}" if value < least else f"{most:,} at most"
            yield DefinitionProblem(path, f"{self._where(path)} is {shown(value)}; SageMaker takes {limit}")

    def _where(self, path: JsonPath) -> str:
        return dotted(path[len(self.root) - 1 :])


# What a value of a shape's type is in JSON. Timestamps and blobs have several forms.
_JSON_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"),
    "double": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "integer": ((int, float), "a whole number"),
    "list": ((list,), "a list"),
    "long": ((int, float), "a whole number"),
    "map": ((dict,), "an object"),
    "string": ((str,), "text"),
    "structure": ((dict,), "an object"),
}


def _has_json_type(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    is_whole = kind not in ("integer", "long") or not isinstance(value, float) or value.is_integer()
    return isinstance(value, _JSON_TYPES[kind][0]) and is_whole


def _listed(members: Mapping[str, Any]) -> str:
    return f"known are {', '.join(sorted(members))}"
