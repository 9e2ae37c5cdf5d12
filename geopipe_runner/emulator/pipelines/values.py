"""What a pipeline definition's values mean: references (`Get`), joins, and parameters with types.

Pure: it knows no execution and no service, so that every rule here can be tested with plain dictionaries.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

EXECUTION_VARIABLES = (
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
)
VALUE_TYPES = ("String", "Integer", "Float", "Boolean")

_NAME = r"[A-Za-z0-9\-_]{1,64}"
_PARAMETER = re.compile(rf"Parameters\.({_NAME})")
_EXECUTION = re.compile(r"Execution\.(\w+)")
_OUTCOME = re.compile(rf"Steps\.({_NAME})\.Outcome")
_OUTPUT = re.compile(rf"Steps\.({_NAME})\.OutputParameters\[(['\"])(.+)\2\]")


class ExpressionError(Exception):
    """A value of the definition that means nothing, or nothing yet.

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
    """What a Condition step found: a Boolean."""

    step: str


Reference = ParameterReference | ExecutionReference | OutputReference | OutcomeReference


def parse_reference(text: object) -> Reference:
    """The target of `{"Get": text}`; only forms that this service resolves are accepted."""
    if isinstance(text, str):
        if match := _PARAMETER.fullmatch(text):
            return ParameterReference(match[1])
        if (match := _EXECUTION.fullmatch(text)) and match[1] in EXECUTION_VARIABLES:
            return ExecutionReference(match[1])
        if match := _OUTPUT.fullmatch(text):
            return OutputReference(match[1], match[3])
        if match := _OUTCOME.fullmatch(text):
            return OutcomeReference(match[1])
    raise ExpressionError(
        f"unknown reference {text!r}: expected Parameters.<name>, "
        f"Execution.<{'|'.join(EXECUTION_VARIABLES)}>, Steps.<name>.OutputParameters['<name>'] or Steps.<name>.Outcome"
    )


def references(value: object) -> Iterator[Reference]:
    """Every reference inside `value`; raises ExpressionError at the first malformed expression."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if _is_call(value, "Get"):
            yield parse_reference(value["Get"])
        elif _is_call(value, "Std:Join"):
            yield from references(_join_parts(value)[1])
        elif _is_call(value, "Std:JsonGet"):
            raise ExpressionError(_NO_JSON_GET)
        else:
            yield from references(list(value.values()))


@dataclass(frozen=True)
class Scope:
    """Everything a reference may point to at the moment a step starts."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    output_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    outcomes: Mapping[str, bool] = field(default_factory=dict)

    def look_up(self, reference: Reference) -> Any:
        if isinstance(reference, ParameterReference):
            return _entry(self.parameters, reference.name, f"parameter '{reference.name}' is not declared")
        if isinstance(reference, ExecutionReference):
            return _entry(self.execution, reference.name, f"execution variable '{reference.name}' is not known")
        if isinstance(reference, OutcomeReference):
            return _entry(self.outcomes, reference.step, f"step '{reference.step}' has not finished")
        return self._output(reference)

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


def resolve(value: object, scope: Scope) -> Any:
    """`value` with every reference replaced; types are kept (an Integer parameter stays a number)."""
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_call(value, "Get"):
        return scope.look_up(parse_reference(value["Get"]))
    if _is_call(value, "Std:Join"):
        separator, parts = _join_parts(value)
        return separator.join(to_text(resolve(part, scope)) for part in parts)
    if _is_call(value, "Std:JsonGet"):
        raise ExpressionError(_NO_JSON_GET)
    return {key: resolve(item, scope) for key, item in value.items()}


def is_expression(value: object) -> bool:
    """Whether `value` stands for another value; it may still be malformed."""
    return isinstance(value, dict) and any(_is_call(value, name) for name in ("Get", "Std:Join", "Std:JsonGet"))


def to_text(value: object) -> str:
    """A value as the service writes it where only strings fit: JSON, but a string stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def flatten(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a step hands them over: one flat object; anything nested becomes its JSON text."""
    return {key: to_text(item) if isinstance(item, dict | list) else item for key, item in arguments.items()}


def from_text(kind: str, text: str) -> Any:
    """A start value (always a string on the wire) as its declared type; ValueError when it is not one."""
    return _READERS[kind](text)


def has_type(kind: str, value: object) -> bool:
    """Whether a JSON value is of a declared type; bool is no number although Python thinks so."""
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
_NO_JSON_GET = (
    "Std:JsonGet is not supported here: property files come from processing steps, which this endpoint does not run"
)
