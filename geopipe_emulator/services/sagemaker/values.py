"""The values of a pipeline definition: references (`Get`), joins, values of JSON files, and parameters with types.

Pure: what stands in a file comes from the scope, which reads it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .paths import Path, PathError, find, parse_path, show

EXECUTION_VARIABLES = (
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "TrainingJobName",
    "ProcessingJobName",
)
VALUE_TYPES = ("String", "Integer", "Float", "Boolean")

_NAME = r"[A-Za-z0-9\-_]{1,64}"
_PARAMETER = re.compile(rf"Parameters\.({_NAME})")
_EXECUTION = re.compile(r"Execution\.(\w+)")
_OUTCOME = re.compile(rf"Steps\.({_NAME})\.Outcome")
_OUTPUT = re.compile(rf"Steps\.({_NAME})\.OutputParameters\[(['\"])(.+)\2\]")
_PROPERTY_FILE = re.compile(rf"Steps\.({_NAME})\.PropertyFiles\.(.+)")
_PROPERTY = re.compile(rf"Steps\.({_NAME})(\..+)")


class ExpressionError(Exception):
    """A value of the definition that has no meaning, or none yet.

    Its text becomes a validation message or a step's failure reason.
    """


@dataclass(frozen=True)
class ParameterReference:
    name: str


@dataclass(frozen=True)
class ExecutionReference:
    name: str


@dataclass(frozen=True)
class OutputReference:
    step: str
    output: str


@dataclass(frozen=True)
class OutcomeReference:
    """The outcome of a Condition step: a Boolean."""

    step: str


@dataclass(frozen=True)
class PropertyReference:
    """A property of a step that runs a job: a part of the job's description."""

    step: str
    path: Path


@dataclass(frozen=True)
class PropertyFileReference:
    """A JSON file that a processing step writes. Only Std:JsonGet can refer to it."""

    step: str
    file: str


Reference = (
    ParameterReference
    | ExecutionReference
    | OutputReference
    | OutcomeReference
    | PropertyReference
    | PropertyFileReference
)
# The references that make a step wait for another one.
STEP_REFERENCES = (OutputReference, OutcomeReference, PropertyReference, PropertyFileReference)


def parse_reference(text: object) -> Reference:
    """Return the target of `{"Get": text}`. Forms that this service cannot resolve are refused."""
    if isinstance(text, str):
        if match := _PARAMETER.fullmatch(text):
            return ParameterReference(match[1])
        if (match := _EXECUTION.fullmatch(text)) and match[1] in EXECUTION_VARIABLES:
            return ExecutionReference(match[1])
        if match := _OUTPUT.fullmatch(text):
            return OutputReference(match[1], match[3])
        if match := _OUTCOME.fullmatch(text):
            return OutcomeReference(match[1])
        if match := _PROPERTY_FILE.fullmatch(text):
            return PropertyFileReference(match[1], match[2])
        if match := _PROPERTY.fullmatch(text):
            return PropertyReference(match[1], _parse_path(match[2], text))
    raise ExpressionError(
        f"unknown reference {text!r}: expected Parameters.<name>, "
        f"Execution.<{'|'.join(EXECUTION_VARIABLES)}>, Steps.<name>.OutputParameters['<name>'], "
        "Steps.<name>.<property> or Steps.<name>.Outcome"
    )


def _parse_path(text: str, whole: str) -> Path:
    try:
        return parse_path(text)
    except PathError as error:
        raise ExpressionError(f"unknown reference {whole!r}: {error}") from None


def references(value: object) -> Iterator[Reference]:
    """Yield every reference inside `value`.

    Raises:
        ExpressionError: an expression is malformed.
    """
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if _is_call(value, "Get"):
            yield _readable(parse_reference(value["Get"]))
        elif _is_call(value, "Std:Join"):
            yield from references(_join_parts(value)[1])
        elif _is_call(value, "Std:JsonGet"):
            location = _json_get_parts(value)[0]
            yield from [location] if isinstance(location, PropertyFileReference) else references(location)
        else:
            yield from references(list(value.values()))


def _no_objects(uri: str) -> NoReturn:
    raise ExpressionError(f"{uri} cannot be read")


@dataclass(frozen=True)
class ResolutionScope:
    """Everything that a reference can point to when a step starts.

    - `properties` and `property_files` are of the steps that have succeeded: descriptions of jobs, and the S3 URIs of
      their property files.
    - `read_object` returns the content of an object by its S3 URI. It raises ExpressionError where there is none.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    output_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    outcomes: Mapping[str, bool] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    property_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    read_object: Callable[[str], bytes] = _no_objects

    def value_of(self, reference: Reference) -> Any:
        if isinstance(reference, ParameterReference):
            return _entry(self.parameters, reference.name, f"parameter '{reference.name}' is not declared")
        if isinstance(reference, ExecutionReference):
            return _entry(self.execution, reference.name, f"execution variable '{reference.name}' is not known")
        if isinstance(reference, OutcomeReference):
            return _entry(self.outcomes, reference.step, f"step '{reference.step}' has not finished")
        if isinstance(reference, PropertyReference):
            return self._property(reference)
        if isinstance(reference, PropertyFileReference):
            files = _entry(self.property_files, reference.step, f"step '{reference.step}' has not finished")
            return _entry(files, reference.file, f"step '{reference.step}' has no property file '{reference.file}'")
        return self._output(reference)

    def _property(self, reference: PropertyReference) -> Any:
        step = reference.step
        properties = _entry(self.properties, step, f"step '{step}' has not finished")
        try:
            return find(properties, reference.path)
        except PathError as error:
            raise ExpressionError(f"step '{step}' has no property {show(reference.path)}: {error}") from None

    def _output(self, reference: OutputReference) -> Any:
        step, name = reference.step, reference.output
        finished = _entry(self.outputs, step, f"step '{step}' has not finished")
        text = _entry(finished, name, f"step '{step}' did not return output parameter '{name}'")
        kind = self.output_types.get(step, {}).get(name, "String")
        try:
            return from_text(kind, text)
        except ValueError:
            raise ExpressionError(
                f"output parameter '{name}' of step '{step}' is not of type {kind}: {text!r}"
            ) from None


def resolve(value: object, scope: ResolutionScope) -> Any:
    """Return `value` with every reference replaced. Types stay: an Integer parameter is a number."""
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_call(value, "Get"):
        return scope.value_of(_readable(parse_reference(value["Get"])))
    if _is_call(value, "Std:Join"):
        separator, parts = _join_parts(value)
        return separator.join(to_text(resolve(part, scope)) for part in parts)
    if _is_call(value, "Std:JsonGet"):
        return _read_json(value, scope)
    return {key: resolve(item, scope) for key, item in value.items()}


def is_expression(value: object) -> bool:
    """Return whether `value` stands for another value. It may be malformed."""
    return isinstance(value, dict) and any(_is_call(value, name) for name in ("Get", "Std:Join", "Std:JsonGet"))


def to_text(value: object) -> str:
    """Return a value in the service's form for strings: JSON, but a string stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def flatten(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a step passes on: one flat object, in which nested values become JSON text."""
    return {key: to_text(item) if isinstance(item, dict | list) else item for key, item in arguments.items()}


def from_text(kind: str, text: str) -> Any:
    """Return a value, which every request writes as a string, in its declared type.

    Raises:
        ValueError: it is not of that type.
    """
    return _READERS[kind](text)


def has_type(kind: str, value: object) -> bool:
    """Return whether a JSON value is of a declared type. A bool is not a number here, unlike in Python."""
    if isinstance(value, bool):
        return kind == "Boolean"
    return isinstance(value, _PYTHON_TYPES[kind])


def _is_call(value: Mapping[str, Any], name: str) -> bool:
    return len(value) == 1 and name in value


def _join_parts(value: Mapping[str, Any]) -> tuple[str, list[Any]]:
    body = value["Std:Join"]
    if (
        not isinstance(body, dict)
        or not isinstance(body.get("On", ""), str)
        or not isinstance(body.get("Values"), list)
    ):
        raise ExpressionError('Std:Join needs {"On": <string>, "Values": [<value>, ...]}')
    return body.get("On", ""), body["Values"]


def _readable(reference: Reference) -> Reference:
    if isinstance(reference, PropertyFileReference):
        raise ExpressionError(
            f"property file '{reference.file}' of step '{reference.step}' can be read with Std:JsonGet only"
        )
    return reference


def _json_get_parts(value: Mapping[str, Any]) -> tuple[Any, Path]:
    """Return where the file is, a reference to a property file or a value that becomes an S3 URI, and the path."""
    body = value["Std:JsonGet"]
    places = [key for key in ("PropertyFile", "S3Uri") if isinstance(body, dict) and key in body]
    if len(places) != 1 or not isinstance(body.get("Path"), str) or len(body) != 2:
        raise ExpressionError('Std:JsonGet needs {"PropertyFile": {"Get": ...} or "S3Uri": <text>, "Path": <string>}')
    try:
        path = parse_path(body["Path"])
    except PathError as error:
        raise ExpressionError(f"Std:JsonGet: {error}") from None
    if places == ["S3Uri"]:
        return body["S3Uri"], path
    reference = body["PropertyFile"]
    target = parse_reference(reference["Get"]) if isinstance(reference, dict) and _is_call(reference, "Get") else None
    if not isinstance(target, PropertyFileReference):
        raise ExpressionError('PropertyFile of Std:JsonGet must be {"Get": "Steps.<name>.PropertyFiles.<name>"}')
    return target, path


def _read_json(value: Mapping[str, Any], scope: ResolutionScope) -> Any:
    """Return the value in a JSON file, with its JSON type."""
    location, path = _json_get_parts(value)
    is_property_file = isinstance(location, PropertyFileReference)
    uri = scope.value_of(location) if is_property_file else resolve(location, scope)
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        raise ExpressionError(f"Std:JsonGet needs an S3 URI, not {uri!r}")
    try:
        return find(json.loads(scope.read_object(uri)), path)
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"Std:JsonGet: {uri} is not JSON: {error}") from None
    except PathError as error:
        raise ExpressionError(f"Std:JsonGet: in {uri} {error}") from None


def _entry(table: Mapping[str, Any], name: str, problem: str) -> Any:
    if name not in table:
        raise ExpressionError(problem)
    return table[name]


def _read_integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)
    return int(text)


def _read_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_READERS: Mapping[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": _read_integer,
    "Float": _read_float,
    "Boolean": _read_boolean,
}
_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "String": str,
    "Integer": int,
    "Float": (int, float),
    "Boolean": bool,
}
